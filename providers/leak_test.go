package providers_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// canaries are in every secret of the scenarios and in nothing else: the beginnings of secret access keys, session
// tokens, authorization tokens and metadata session tokens, of what the fakes make, and the end of them all.
var canaries = [...]string{"s3cret", "t0ken", "auth0", "s3ssion", "canary/", "+="}

var disguises = disguisesOf(canaries[:])

// disguisesOf returns the forms in which secrets may turn up: plain, in URLs, and in base64 at any offset.
func disguisesOf(secrets []string) (forms []string) {
	for _, c := range secrets {
		forms = append(forms, c, url.QueryEscape(c), strings.ToLower(url.QueryEscape(c)))
		for offset := range 3 {
			// The digits that the neighbours have no part in.
			e := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:offset] + c))
			if digits := e[(offset*8+5)/6 : (offset+len(c))*8/6]; len(digits) >= 5 {
				forms = append(forms, digits)
			}
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// leaks returns the canaries in a text, and which of the further forms are.
func leaks(text string, further ...string) (found []string) {
	for _, form := range slices.Concat(disguises, further) {
		if strings.Contains(text, form) {
			found = append(found, form)
		}
	}
	return found
}

// secrets returns the forms of the secrets that the fakes have made, and not by the convention of the scenarios: what
// STS gave out, what is in the files of sessions, before and after, web identity tokens, and MFA codes.
func (w *world) secrets() []string {
	var all []string
	add := func(secret string) {
		// In part as well: an end, and the middle. The beginning of a token is its header, or the same for all.
		const piece = 16
		switch n := len(secret); {
		case n > 2*piece:
			all = append(all, secret[n-piece:], secret[n/2-piece/2:n/2+piece/2])
		case n >= 6:
			all = append(all, secret)
		}
	}
	for _, s := range w.cloud.sts.Sessions() {
		add(s.Principal.Credentials.SecretAccessKey)
		add(s.Principal.Credentials.SessionToken)
	}
	for _, files := range []map[string]string{w.born, w.files} {
		for name, text := range files {
			switch {
			case strings.Contains(name, "/cache/"):
				var object any
				if json.Unmarshal([]byte(text), &object) == nil {
					eachSecret(object, add)
				}
			case strings.HasPrefix(name, "/var/run/"):
				add(strings.TrimSpace(text))
			}
		}
	}
	for _, answer := range w.scenario.cloud["answers"] {
		add(answer[0])
	}
	for _, device := range w.cloud.sts.MFADevices {
		for _, code := range device.Codes {
			add(code)
		}
	}
	return disguisesOf(all)
}

// eachSecret finds the secrets in the object of a session's file.
func eachSecret(v any, add func(string)) {
	object, _ := v.(map[string]any)
	for name, value := range object {
		text, isText := value.(string)
		switch name {
		case "accessToken", "refreshToken", "clientSecret", "secretAccessKey", "sessionToken", "idToken":
			if isText {
				add(text)
			}
		case "dpopKey":
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
					add(line)
				}
			}
		}
		eachSecret(value, add)
	}
}

// outputs returns everything that a program could print of an error and of traces.
func outputs(t *testing.T, err error, traces ...credchain.Trace) (out []string) {
	printed := func(v any) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			out = append(out, fmt.Sprintf(verb, v))
		}
	}
	for _, e := range everyError(err) {
		printed(e)
		var remedy interface{ Remedy() string }
		if errors.As(e, &remedy) {
			out = append(out, remedy.Remedy())
		}
	}
	var failed *credchain.Error
	if errors.As(err, &failed) {
		traces = append(traces, failed.Trace)
	}
	for _, trace := range traces {
		printed(trace)
		out = append(out, trace.String())
		text, err := json.MarshalIndent(trace, "", " ")
		require.NoError(t, err)
		out = append(out, string(text))
		for _, a := range trace.Attempts {
			printed(a)
			for _, e := range everyError(a.Err) {
				printed(e)
			}
		}
		for _, w := range trace.Warnings {
			printed(w)
		}
		if trace.Credentials != nil {
			printed(*trace.Credentials)
		}
	}
	return out
}

// everyError returns an error and all that it wraps.
func everyError(err error) (all []error) {
	if err == nil {
		return nil
	}
	all = append(all, err)
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		all = append(all, everyError(u.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			all = append(all, everyError(e)...)
		}
	}
	return all
}

func TestNoScenarioLeaks(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/chain/*.txtar")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 400)
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := readScenario(t, path)
			synctest.Test(t, func(t *testing.T) {
				o := s.resolve(t.Context())
				out := outputs(t, o.err, o.live, o.offline)
				config := s.world().config()
				_, _, err := providers.Region(t.Context(), config)
				out = append(out, outputs(t, err)...)
				chain := s.world().chain()
				chain.OnResolve = func(_ context.Context, e credchain.Event) {
					out = append(out, fmt.Sprintf("%v %+v %#v", e, e, e))
				}
				_, _ = chain.Retrieve(t.Context())
				out = append(out, fmt.Sprintf("%v %+v %#v", config, config, config), fmt.Sprintf("%v %+v %#v", chain, chain, chain))
				secrets := slices.Concat(o.world.secrets(), o.liveWorld.secrets())
				for _, text := range out {
					require.Empty(t, leaks(text, secrets...), "%s", text)
					if o.err == nil {
						require.NotContains(t, text, o.creds.AccessKeyID, "access key IDs are shown masked")
					}
				}
			})
		})
	}
}

// TestNoRandomMachineLeaks looks where no scenario does.
func TestNoRandomMachineLeaks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			o := parseScenario(t, dealt(1<<40|seed).machine()).resolve(t.Context())
			secrets := slices.Concat(o.world.secrets(), o.liveWorld.secrets())
			for _, text := range outputs(t, o.err, o.live, o.offline) {
				require.Empty(t, leaks(text, secrets...), "seed %d\n%s", seed, text)
			}
		})
	}
}

// TestLeaksAreFound has a provider leak in every way that the hunt must notice, through the chain and its report.
func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		secretOf("AKIAENVIRONMENT00001"), tokenOf("ASIAENVIRONMENT00001"), "auth0/canary+=", metadataSession,
	} {
		for name, text := range map[string]string{
			"plain":          secret,
			"its beginning":  secret[:10],
			"its end":        secret[len(secret)-6:],
			"in a query":     url.QueryEscape(secret),
			"in a path":      url.PathEscape(secret),
			"base64":         base64.StdEncoding.EncodeToString([]byte(secret)),
			"base64, offset": base64.StdEncoding.EncodeToString([]byte("u:" + secret)),
			"base64 for URL": base64.URLEncoding.EncodeToString([]byte("x" + secret)),
			"bytes":          fmt.Sprintf("%q", []byte(secret)),
		} {
			t.Run(secret[:5]+" "+name, func(t *testing.T) {
				t.Parallel()
				require.NotEmpty(t, leaks("before "+text+" after"))
				chain := credchain.New(leaky(text))
				_, err := chain.Retrieve(t.Context())
				require.Error(t, err)
				found := 0
				for _, out := range outputs(t, err) {
					found += len(leaks(out))
				}
				require.NotZero(t, found, "in the error of Retrieve")
				found = 0
				for _, out := range outputs(t, nil, chain.Explain(t.Context())) {
					found += len(leaks(out))
				}
				require.NotZero(t, found, "in the trace of Explain")
			})
		}
	}
	for _, harmless := range []string{"", "AWS_SECRET_ACCESS_KEY", "session token of AWS_SESSION_TOKEN", "/latest/api/token", "secret", "auth"} {
		require.Empty(t, leaks(harmless), harmless)
	}
}

// TestSecretsOfTheFakesAreHunted: each kind of secret that the fakes make is among those that the hunt looks for.
func TestSecretsOfTheFakesAreHunted(t *testing.T) {
	t.Parallel()
	for scenario, fields := range map[string][]string{
		"sso-expired-and-refreshed":    {"accessToken", "refreshToken", "clientSecret"},
		"login-about-to-end":           {"secretAccessKey", "sessionToken", "refreshToken", "idToken", "dpopKey"},
		"alone-web-identity-profile":   {"/var/run/token", "minted"},
		"mfa-prompt":                   {"818181", "minted"},
		"role-four-hops-ending-in-sso": {"accessToken", "minted"},
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			s := readScenario(t, "../testdata/chain/"+scenario+".txtar")
			synctest.Test(t, func(t *testing.T) {
				w := s.world()
				_, err := w.chain().Retrieve(t.Context())
				require.NoError(t, err)
				hunted := w.secrets()
				for _, f := range fields {
					for _, secret := range w.secretsNamed(f) {
						require.NotEmpty(t, leaks("before "+secret+" after", hunted...), "%s", f)
					}
				}
			})
		})
	}
}

// secretsNamed finds secrets by another way than secrets does.
func (w *world) secretsNamed(name string) (all []string) {
	switch {
	case name == "minted":
		for _, s := range w.cloud.sts.Sessions() {
			all = append(all, s.Principal.Credentials.SecretAccessKey, s.Principal.Credentials.SessionToken)
		}
	case strings.HasPrefix(name, "/"):
		all = append(all, strings.TrimSpace(w.files[name]))
	case name[0] <= '9':
		all = append(all, name)
	default:
		for _, files := range []map[string]string{w.born, w.files} {
			for _, text := range files {
				_, rest, found := strings.Cut(text, `"`+name+`"`)
				if value := strings.SplitN(rest, `"`, 3); found && len(value) == 3 && strings.Trim(value[0], ": ") == "" {
					all = append(all, value[1])
				}
			}
		}
	}
	return all
}

// leaky fails with its own text, which it wraps so that only the whole tree of errors shows it.
type leaky string

func (l leaky) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, fmt.Errorf("the request failed: %w", errors.New(string(l)))
}

// TestStaticIsNotLogged: keys that a program holds in a Config are not in the logs that it writes of it.
func TestStaticIsNotLogged(t *testing.T) {
	t.Parallel()
	const id = "ASIAFLAGS00000000002"
	static := providers.Static{AccessKeyID: id, SecretAccessKey: secretOf(id), SessionToken: tokenOf(id)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{static, &static, providers.Config{Static: static}, []providers.Static{static}} {
			text := fmt.Sprintf(verb, v)
			require.Empty(t, leaks(text), "%s: %s", verb, text)
		}
	}
	var text, structured bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("static", "keys", static, "config", providers.Config{Static: static})
	require.Empty(t, leaks(text.String()))
	slog.New(slog.NewJSONHandler(&structured, nil)).Info("static", "keys", static, "config", providers.Config{Static: static})
	require.Empty(t, leaks(structured.String()), structured.String())
}
