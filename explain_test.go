package credchain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
)

// detector is a link that can tell whether it is configured.
type detector struct {
	link
	evidence credchain.Evidence
	detects  error
	probed   *credchain.Evidence // nil: nothing answers
	probes   int
}

func (d *detector) Detect(context.Context) (credchain.Evidence, error) { return d.evidence, d.detects }

func (d *detector) Probe(context.Context) (credchain.Evidence, error) {
	d.probes++
	if d.probed == nil {
		return credchain.Evidence{}, fmt.Errorf("nobody answers: %w", credchain.ErrNotConfigured)
	}
	return *d.probed, nil
}

// local is a link whose keys are at hand.
func local(creds aws.Credentials) *detector {
	return &detector{link: link{creds: creds}, evidence: credchain.Evidence{Summary: "keys", Local: true}}
}

// remote is a configured link that has to ask somebody.
func remote(creds aws.Credentials) *detector {
	return &detector{link: link{creds: creds}, evidence: credchain.Evidence{Summary: "endpoint", Temporary: true}}
}

// unsure is a link that has to ask somebody to know whether it is configured.
func unsure(creds aws.Credentials) *detector {
	d := &detector{link: link{creds: creds}, evidence: credchain.Evidence{Summary: "service", Unconfirmed: true, Temporary: true}}
	if creds.HasKeys() {
		d.probed = &credchain.Evidence{Summary: "role web", Temporary: true}
	} else {
		d.link.err = fmt.Errorf("nobody answers: %w", credchain.ErrNotConfigured)
	}
	return d
}

func missing() *detector {
	err := fmt.Errorf("unset: %w", credchain.ErrNotConfigured)
	return &detector{link: link{err: err}, detects: err}
}

func broken() *detector {
	err := errors.New("half a pair")
	return &detector{link: link{err: err}, detects: err, evidence: credchain.Evidence{Summary: "id"}}
}

var temporary = aws.Credentials{AccessKeyID: "ASIATEMPORARYKEY0001", SecretAccessKey: secret, SessionToken: "canary/session"}

func TestExplain(t *testing.T) {
	t.Parallel()
	const id = "AKIALONGTERMKEY00001"
	long := keys(id)
	hidden := []string{credchain.WarnLongTermKeyHidesRole}
	tests := []struct {
		name     string
		links    []credchain.Provider
		live     []string // status: reason
		offline  []string
		warnings []string // codes, live
	}{
		{"a key hides the role",
			[]credchain.Provider{missing(), local(long), remote(temporary), unsure(temporary)},
			[]string{"skipped: unset", "used: keys", "masked: endpoint", "masked: role web"},
			[]string{"skipped: unset", "used: keys", "masked: endpoint", "not-asked: service; only a request can tell"},
			hidden},
		{"temporary keys hide nothing of note",
			[]credchain.Provider{local(temporary), unsure(temporary)},
			[]string{"used: keys", "masked: role web"},
			[]string{"used: keys", "not-asked: service; only a request can tell"}, nil},
		{"no role to hide",
			[]credchain.Provider{local(long), unsure(aws.Credentials{})},
			[]string{"used: keys", "skipped: nobody answers"},
			[]string{"used: keys", "not-asked: service; only a request can tell"}, nil},
		{"a failure ends the walk",
			[]credchain.Provider{broken(), local(long), missing(), unsure(temporary)},
			[]string{"failed: half a pair", "not-asked: keys", "skipped: unset", "not-asked: role web"},
			[]string{"failed: half a pair", "not-asked: keys", "skipped: unset", "not-asked: service; only a request can tell"}, nil},
		{"a broken link behind the winner",
			[]credchain.Provider{local(long), broken()},
			[]string{"used: keys", "masked: it would fail: half a pair"},
			[]string{"used: keys", "masked: it would fail: half a pair"}, nil},
		{"the service is last",
			[]credchain.Provider{missing(), unsure(temporary)},
			[]string{"skipped: unset", "used: role web"},
			[]string{"skipped: unset", "not-asked: service; only a request can tell, and none is made offline"}, nil},
		{"nothing",
			[]credchain.Provider{missing(), unsure(aws.Credentials{})},
			[]string{"skipped: unset", "skipped: nobody answers"},
			[]string{"skipped: unset", "not-asked: service; only a request can tell, and none is made offline"}, nil},
		{"a remote winner",
			[]credchain.Provider{remote(temporary), local(long)},
			[]string{"used: endpoint", "masked: keys"},
			[]string{"used: endpoint", "masked: keys"}, nil},
		{"a link that cannot tell, first",
			[]credchain.Provider{&link{creds: long}, local(long)},
			[]string{"used: ", "masked: keys"},
			[]string{"not-asked: it cannot be asked offline", "used: keys"}, nil},
		{"a link that cannot tell, last",
			[]credchain.Provider{local(long), &link{creds: long}},
			[]string{"used: keys", "not-asked: it cannot tell whether it is configured without being asked"},
			[]string{"used: keys", "not-asked: it cannot tell whether it is configured without being asked"}, nil},
		{"a link that is put out of use",
			[]credchain.Provider{&detector{link: link{err: credchain.ErrNotConfigured}, detects: credchain.ErrNotConfigured,
				evidence: credchain.Evidence{Summary: "keys", MaskedBy: "a profile was asked for"}}, local(long)},
			[]string{"masked: keys; a profile was asked for", "used: keys"},
			[]string{"masked: keys; a profile was asked for", "used: keys"}, nil},
		{"a nested chain",
			[]credchain.Provider{credchain.New(missing()), credchain.New(missing(), credchain.Named("env", local(long)))},
			[]string{"skipped: none of its 1 providers is configured", "used: env; keys"},
			[]string{"skipped: none of its 1 providers is configured", "used: env; keys"}, nil},
		{"a stale session token",
			[]credchain.Provider{local(aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: "old"})},
			[]string{"used: keys"}, []string{"used: keys"}, []string{"session-token-with-long-term-key"}},
		{"a lost session token",
			[]credchain.Provider{local(keys("ASIATEMPORARYKEY0001"))},
			[]string{"used: keys"}, []string{"used: keys"}, []string{"temporary-key-without-session-token"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := credchain.New(tt.links...)
			trace := c.Explain(t.Context(), credchain.Offline)
			require.Empty(t, cmp.Diff(tt.offline, outcomes(trace)), "offline")
			for _, p := range tt.links {
				if d, ok := p.(*detector); ok && !d.evidence.Local {
					require.Zero(t, d.calls.Load(), "asked offline")
					require.Zero(t, d.probes, "probed offline")
				}
				if l, ok := p.(*link); ok {
					require.Zero(t, l.calls.Load(), "asked offline")
				}
			}

			trace = c.Explain(t.Context())
			require.Empty(t, cmp.Diff(tt.live, outcomes(trace)), "live")
			var codes []string
			for _, w := range trace.Warnings {
				codes = append(codes, w.Code)
			}
			require.Equal(t, tt.warnings, codes)

			_, err := c.Retrieve(t.Context())
			require.Equal(t, err == nil, trace.Credentials != nil, "Explain and Retrieve disagree: %v", err)
			text := trace.String() + fmt.Sprintf("%+v %#v", trace, trace)
			raw, err := json.Marshal(trace)
			require.NoError(t, err)
			for _, canary := range []string{"canary", id} {
				require.NotContains(t, text, canary)
				require.NotContains(t, string(raw), canary)
			}
		})
	}
}

// shared is a link that fails with the same error as another, because they read the same thing.
func shared(err error) *detector {
	return &detector{link: link{err: err}, detects: err, evidence: credchain.Evidence{Temporary: true, Summary: "role"}}
}

func TestLinksThatFailAlike(t *testing.T) {
	t.Parallel()
	err := errors.New("no such profile")
	trace := credchain.New(credchain.Named("one", shared(err)), shared(err), broken()).Explain(t.Context())
	require.Equal(t, []string{"failed: no such profile", "not-asked: it would fail like one", "not-asked: it would fail: half a pair"}, outcomes(trace))

	trace = credchain.New(local(keys("AKIALONGTERMKEY00001")), shared(err)).Explain(t.Context())
	require.Empty(t, trace.Warnings, "a link that would fail gives no role that could be hidden")
}

func TestPanicsInDetectAreContained(t *testing.T) {
	t.Parallel()
	for _, p := range []credchain.Provider{panicking{}, credchain.New(panicking{})} {
		trace := credchain.New(p, local(keys("AKIALONGTERMKEY00001"))).Explain(t.Context())
		require.Equal(t, credchain.Failed, trace.Attempts[0].Status)
		require.Contains(t, trace.String(), "panicked")
		require.NotContains(t, trace.String(), "canary")
	}
}

type panicking struct{}

func (panicking) Retrieve(context.Context) (aws.Credentials, error)  { panic(secret) }
func (panicking) Detect(context.Context) (credchain.Evidence, error) { panic(secret) }

func TestExpiredCredentialsAreNoticed(t *testing.T) {
	t.Parallel()
	old := temporary
	old.CanExpire, old.Expires = true, time.Now().Add(-time.Hour)
	trace := credchain.New(local(old)).Explain(t.Context())
	require.Len(t, trace.Warnings, 1)
	require.Equal(t, "expired", trace.Warnings[0].Code)
}

func outcomes(t credchain.Trace) []string {
	var got []string
	for _, a := range t.Attempts {
		got = append(got, a.Status.String()+": "+a.Reason)
	}
	return got
}

func TestTraceJSON(t *testing.T) {
	t.Parallel()
	d := local(keys("AKIALONGTERMKEY00001"))
	d.creds.AccountID = "123456789012"
	d.evidence.Origins = []credchain.Origin{{Env: "AWS_ACCESS_KEY_ID"}, {File: "/h/config", Line: 3, Section: "profile p", Key: "aws_account_id"}}
	trace := credchain.New(credchain.Named("gone", missing()), credchain.Named("here", d)).Explain(t.Context())
	for i := range trace.Attempts {
		trace.Attempts[i].Elapsed = 1500000 // ns
	}
	got, err := json.Marshal(trace)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"credentials": {"access_key_id": "****************0001", "kind": "long-term", "account_id": "123456789012", "expires": null},
		"attempts": [
			{"provider": "gone", "status": "skipped", "reason": "unset", "origins": [], "elapsed_ms": 1.5},
			{"provider": "here", "status": "used", "reason": "keys", "elapsed_ms": 1.5, "origins": [
				{"env": "AWS_ACCESS_KEY_ID"}, {"file": "/h/config", "line": 3, "section": "profile p", "key": "aws_account_id"}]}],
		"warnings": []}`, string(got))

	got, err = json.Marshal(credchain.Trace{})
	require.NoError(t, err)
	require.JSONEq(t, `{"credentials": null, "attempts": [], "warnings": []}`, string(got))
}

func TestRedact(t *testing.T) {
	t.Parallel()
	require.Equal(t, "****************MPLE", credchain.Redact(keys("AKIAIOSFODNN7EXAMPLE")).AccessKeyID)
	require.Equal(t, "****************", credchain.Redact(keys("short")).AccessKeyID, "too short to be an ID, so nothing of it is shown")
	require.Equal(t, "****************", credchain.Redact(keys("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")).AccessKeyID, "no ID, but a secret in its place")
	require.Equal(t, credchain.Temporary, credchain.Redact(temporary).Kind)
	require.Equal(t, credchain.LongTerm, credchain.Redact(keys("minio")).Kind)
}

func TestExplainGoesPastTheCache(t *testing.T) {
	t.Parallel()
	d := local(keys("AKIALONGTERMKEY00001"))
	c := credchain.New(d)
	_, err := c.Retrieve(t.Context())
	require.NoError(t, err)
	d.detects = fmt.Errorf("unset now: %w", credchain.ErrNotConfigured)
	require.Equal(t, []string{"skipped: unset now"}, outcomes(c.Explain(t.Context())))
	_, err = c.Retrieve(t.Context())
	require.NoError(t, err, "Explain must not touch what is in memory")
}
