package sts_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

// secretInputs have a canary wherever a secret goes.
func secretInputs() *inputs {
	in := goodInputs()
	in.role.SerialNumber, in.role.TokenCode = mfaARN, "271828"
	in.role.ProvidedContexts = []sts.ProvidedContext{{ProviderARN: policyARN, ContextAssertion: "canary/assertion+of/context"}}
	in.session.SerialNumber, in.session.TokenCode = mfaARN, "271828"
	in.web.Token = "canary-header.canary-payload+/.canary-signature"
	in.saml.Assertion = "canary+PHNhbWxwOlJlc3BvbnNl/=="
	in.delegated.TradeInToken = "canary-trade-in/token+token"
	return in
}

func leaks(s string) bool { return strings.Contains(s, "canary") || strings.Contains(s, "271828") }

// printed is v in every form that a log could give it.
func printed(t *testing.T, v any) map[string]string {
	t.Helper()
	forms := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%20v"} {
		forms[verb] = fmt.Sprintf(verb, v)
		forms["slice "+verb] = fmt.Sprintf(verb, []any{v})
		forms["field "+verb] = fmt.Sprintf(verb, struct{ V any }{v})
	}
	j, err := json.Marshal(map[string]any{"v": v})
	require.NoError(t, err)
	forms["JSON"] = string(j)
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
	forms["slog"] = b.String()
	return forms
}

// No input and no output shows a secret, however it is printed; what is none is still there.
func TestPrintingShowsNoSecret(t *testing.T) {
	t.Parallel()
	in := secretInputs()
	values := map[string]any{
		"role": in.role, "pointer": &in.role, "web": in.web, "saml": in.saml, "session": in.session, "delegated": in.delegated,
		"root": in.root, "federation": in.federation, "outbound": in.outbound, "context": in.role.ProvidedContexts[0],
	}
	for _, op := range operations() {
		if op.action() != "GetSessionToken" { // that one gives aws.Credentials, which is not ours
			values[op.name] = op.want
		}
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for form, s := range printed(t, v) {
				require.False(t, leaks(s), "%s: %s", form, s)
				hexed := fmt.Sprintf("%x", "canary")
				require.NotContains(t, strings.ToLower(s), hexed, form)
				require.NotContains(t, s, fmt.Sprintf("%x", "271828"))
			}
		})
	}
	require.Contains(t, fmt.Sprintf("%+v", in.role), "RoleARN:"+roleARN)
	require.Contains(t, fmt.Sprintf("%+v", in.role), "TokenCode:REDACTED")
	require.Contains(t, fmt.Sprintf("%+v", sts.AssumeRoleInput{}), "TokenCode: ")
	require.Contains(t, fmt.Sprintf("%#v", in.web), `Token:"REDACTED"`)
	require.Equal(t, "271828", in.role.TokenCode, "printing changed the value")
	require.Equal(t, "canary/assertion+of/context", in.role.ProvidedContexts[0].ContextAssertion)
}

// hostile answers quote all that came in, whole, escaped and in part.
func hostile(status int, quote func(http.Header, string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := new(strings.Builder)
		if form, err := readForm(r); err == nil {
			for _, values := range form {
				body.WriteString(" " + values[0])
			}
			body.WriteString(" " + form.Encode())
		}
		text := quote(r.Header, body.String())
		w.Header().Set("X-Amzn-Requestid", strings.ReplaceAll(text, "\n", " "))
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		xmlText := strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(text)
		fmt.Fprint(w, refusal(xmlText, xmlText))
	})
}

func readForm(r *http.Request) (url.Values, error) {
	err := r.ParseForm()
	return r.PostForm, err
}

// Whatever the service says, no error repeats a secret of the request.
func TestErrorsRepeatNoSecret(t *testing.T) {
	t.Parallel()
	role := awstest.Temporary("role", time.Now().Add(time.Hour))
	quotes := map[string]func(http.Header, string) string{
		"the form": func(_ http.Header, form string) string { return form },
		"its end":  func(_ http.Header, form string) string { return form[len(form)/3:] },
		"the keys": func(h http.Header, _ string) string {
			if !strings.Contains(h.Get("Authorization"), role.AccessKeyID) {
				return ""
			}
			return h.Get("X-Amz-Security-Token") + " " + role.SecretAccessKey
		},
		"half of the token": func(h http.Header, _ string) string {
			token := h.Get("X-Amz-Security-Token")
			return "starts with " + token[:min(len(token), 100)]
		},
		"the header": func(h http.Header, _ string) string { return fmt.Sprint(h) },
	}
	for name, quote := range quotes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{200, 400, 403} {
				for operation, call := range secretInputs().calls() {
					signer := role
					if operation == "GetSessionToken" || operation == "GetFederationToken" {
						signer = user
					}
					err := call(t.Context(), client(hostile(status, quote), signer))
					require.Error(t, err)
					require.False(t, leaks(err.Error()), "%s: %s", operation, err)
					for form, s := range printed(t, err) {
						require.False(t, leaks(s), "%s: %s: %s", operation, form, s)
					}
				}
			}
		})
	}
}

// An answer that is broken is not quoted either.
func TestErrorsQuoteNoAnswer(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"canary", "<canary>", "<AssumeRoleResponse><AssumeRoleResult>canary</canary>", `<AssumeRoleResponse a="canary>`,
		"<AssumeRoleResponse><AssumeRoleResult><Credentials><SecretAccessKey>canary</SecretAccessKey></Credentials></AssumeRoleResult></AssumeRoleResponse>",
		"<?xml version='1.0' encoding='canary'?><AssumeRoleResponse/>", "&canary;",
	} {
		for operation, call := range goodInputs().calls() {
			err := call(t.Context(), client(says(200, body), user))
			require.Error(t, err, operation)
			require.NotContains(t, err.Error(), "canary")
		}
	}
}

// The errors for limits do not quote what breaks them.
func TestInputErrorsQuoteNothing(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("canary", 20000)
	in := secretInputs()
	in.web.Token, in.saml.Assertion, in.delegated.TradeInToken, in.key, in.message = long, long, long, "canary", long
	in.role.TokenCode, in.session.TokenCode = "canary", "canary"
	in.root.TaskPolicyARN, in.federation.Name, in.outbound.SigningAlgorithm = long[:60], long, "canary"
	for operation, call := range in.calls() {
		err := call(context.Background(), client(says(500, ""), user))
		var limit *sts.InputError
		require.ErrorAs(t, err, &limit, operation)
		require.NotContains(t, err.Error(), "canary")
	}
}
