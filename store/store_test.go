package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/store"
)

func fullKey() store.Key {
	return store.Key{Operation: "AssumeRole", Caller: "c", Service: "s", RoleARN: "r", SessionName: "n", ExternalID: "e", SourceIdentity: "i",
		Policy: "p", SerialNumber: "m", PolicyARNs: []string{"a", "b"}, Tags: [][2]string{{"k", "v"}, {"l", "w"}},
		TransitiveTagKeys: []string{"k", "l"}, Duration: time.Hour}
}

// TestKey: no two of these keys share anything.
func TestKey(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	add := func(name string, k store.Key) {
		require.Regexp(t, "^[0-9a-f]{64}$", k.String())
		require.Emptyf(t, seen[k.String()], "%s", name)
		seen[k.String()] = name
	}
	add("zero", store.Key{})
	add("full", fullKey())
	for name, edit := range map[string]func(*store.Key){
		"operation": func(k *store.Key) { k.Operation += "x" }, "caller": func(k *store.Key) { k.Caller += "x" },
		"service": func(k *store.Key) { k.Service += "x" }, "role": func(k *store.Key) { k.RoleARN += "x" },
		"session": func(k *store.Key) { k.SessionName += "x" }, "external ID": func(k *store.Key) { k.ExternalID += "x" },
		"identity": func(k *store.Key) { k.SourceIdentity += "x" }, "policy": func(k *store.Key) { k.Policy += "x" },
		"serial": func(k *store.Key) { k.SerialNumber += "x" }, "duration": func(k *store.Key) { k.Duration++ },
		"moved":           func(k *store.Key) { k.SessionName, k.ExternalID = "", "ne" },
		"swapped":         func(k *store.Key) { k.Caller, k.Service = k.Service, k.Caller },
		"an ARN":          func(k *store.Key) { k.PolicyARNs = []string{"a"} },
		"ARN twice":       func(k *store.Key) { k.PolicyARNs = []string{"a", "b", "b"} },
		"ARNs joined":     func(k *store.Key) { k.PolicyARNs = []string{"ab"} },
		"ARN moved":       func(k *store.Key) { k.PolicyARNs, k.TransitiveTagKeys = []string{"a"}, []string{"b", "k", "l"} },
		"tag":             func(k *store.Key) { k.Tags = [][2]string{{"k", "w"}, {"l", "v"}} },
		"tag shifted":     func(k *store.Key) { k.Tags = [][2]string{{"kv", ""}, {"l", "w"}} },
		"tags transitive": func(k *store.Key) { k.Tags, k.TransitiveTagKeys = nil, []string{"k", "v", "l", "w", "k", "l"} },
		"transitive":      func(k *store.Key) { k.TransitiveTagKeys = nil },
		"invalid UTF-8":   func(k *store.Key) { k.SessionName = "\xff" }, "invalid UTF-8 too": func(k *store.Key) { k.SessionName = "\xfe" },
		"replaced": func(k *store.Key) { k.SessionName = "\ufffd" },
	} {
		k := fullKey()
		edit(&k)
		add(name, k)
	}

	k := fullKey()
	slices.Reverse(k.PolicyARNs)
	slices.Reverse(k.Tags)
	slices.Reverse(k.TransitiveTagKeys)
	require.Equal(t, fullKey().String(), k.String(), "the order of lists does not matter")
	require.Equal(t, [][2]string{{"l", "w"}, {"k", "v"}}, k.Tags, "String sorts copies")
	require.Equal(t, store.Key{}.String(), store.Key{Tags: [][2]string{}, PolicyARNs: []string{}}.String())
	require.Equal(t, fmt.Sprint(k), k.String())
	// Another release must find the same name.
	require.Equal(t, "c48a50e4d211315b0d90036b0614b6c655b78692fa3dcc3b46640f00ca4931fb", store.Key{Operation: "AssumeRole", RoleARN: "arn:aws:iam::123456789012:role/a"}.String())
}
