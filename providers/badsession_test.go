//go:build unix

package providers_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// sessions writes what a person or a cluster has left in a home for the default profile, nil if that needs nothing.
func sessions(name string) func(t *testing.T, home string, env map[string]string) {
	write := func(t *testing.T, text string, path ...string) {
		file := filepath.Join(path...)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	profile := func(t *testing.T, home, text string) { write(t, "[default]\n"+text, home, ".aws", "config") }
	const legacy = "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = dev\n"
	ssoFile := sha1Hex("https://example.awsapps.com/start") + ".json"
	switch name {
	case "web identity":
		return func(t *testing.T, home string, env map[string]string) {
			write(t, new(awstest.OIDC).Token(awstest.Claims{Subject: "pod"}), home, "token")
			env["AWS_WEB_IDENTITY_TOKEN_FILE"], env["AWS_ROLE_ARN"] = filepath.Join(home, "token"), "arn:aws:iam::123456789012:role/pod"
		}
	case "sso", "sso refresh":
		return func(t *testing.T, home string, _ map[string]string) {
			profile(t, home, legacy)
			left := time.Hour
			if name == "sso refresh" {
				left = -left
			}
			write(t, new(awstest.SSO).Session(time.Now().Add(left)).File(), home, ".aws", "sso", "cache", ssoFile)
		}
	case "login":
		return func(t *testing.T, home string, _ map[string]string) {
			profile(t, home, "login_session = "+loginARN+"\n")
			write(t, new(awstest.SignIn).Session(time.Now().Add(-time.Hour)).File(), home, ".aws", "login", "cache", sha256Hex(loginARN)+".json")
		}
	}
	return nil
}

// TestBadSessionFile has in place of each file that a person or a cluster leaves something that is none: the program
// neither waits for it nor reads it to its end, and names it.
func TestBadSessionFile(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"web identity": "token",
		"sso":          filepath.Join(".aws", "sso", "cache", sha1Hex("https://example.awsapps.com/start")+".json"),
		"login":        filepath.Join(".aws", "login", "cache", sha256Hex(loginARN)+".json"),
	} {
		for kind, make := range map[string]func(path string) error{
			"not a regular file but a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"not a regular file but a directory": func(path string) error { return os.Mkdir(path, 0o700) },
			"longer than": func(path string) error {
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					return err
				}
				return os.Truncate(path, 1<<30)
			},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				env := map[string]string{}
				sys := bare(t, env)
				home, err := sys.Home()
				require.NoError(t, err)
				sessions(name)(t, home, env)
				path := filepath.Join(home, file)
				require.NoError(t, os.Remove(path))
				require.NoError(t, make(path))
				sys.Transport = transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("no request is to be made") })
				fails(t, providers.Default(providers.Config{System: sys}), path, kind)
			})
		}
	}
}

// TestLongGraph: a role that is assumed through a hundred others is no mistake that could be told from one.
func TestLongGraph(t *testing.T) {
	t.Parallel()
	for hops, works := range map[int]bool{100: true, 101: false} {
		t.Run(fmt.Sprint(hops), func(t *testing.T) {
			t.Parallel()
			machine := "-- sts --\nuser AKIASOURCE0000000001\n"
			config := "-- home/.aws/config --\n[default]\nrole_arn = " + roleARN("p0") + "\nsource_profile = p1\n"
			for i := range hops {
				machine += fmt.Sprintf("role %s trust=*\n", roleARN(fmt.Sprintf("p%d", i)))
				if i > 0 {
					config += fmt.Sprintf("[profile p%d]\nrole_arn = %s\nsource_profile = p%d\n", i, roleARN(fmt.Sprintf("p%d", i)), i+1)
				}
			}
			config += fmt.Sprintf("[profile p%d]\naws_access_key_id = AKIASOURCE0000000001\naws_secret_access_key = %s\n", hops, secretOf("AKIASOURCE0000000001"))
			o := parseScenario(t, mix(machine, config)).resolve(t.Context())
			require.Empty(t, o.disagreement())
			if !works {
				require.ErrorContains(t, o.err, "more than 100 roles")
				require.Zero(t, o.world.asked["sts"])
				return
			}
			require.NoError(t, o.err)
			require.Equal(t, hops, o.world.cloud.sts.Calls("AssumeRole"))
		})
	}
}
