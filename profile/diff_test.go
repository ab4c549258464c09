package profile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/profile"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	const head = "--- f\n+++ f\n"
	tests := []struct{ name, from, to, want string }{
		{"same", "[a]\nk = v\n", "[a]\nk = v\n", ""},
		{"from nothing", "", "[default]\nregion = a\n", head + "+[default]\n+region = a\n"},
		{"to nothing", "[default]\nregion = a\n", "", head + "-[default]\n-region = a\n"},
		{"changed", "[a]\nx = 1\n[b]\nk = v # c\ny = 2\n", "[a]\nx = 1\n[b]\nk = w # c\ny = 2\n", head + " [b]\n-k = v # c\n+k = w # c\n"},
		{"two sections", "[a]\nx = 1\ny = 2\n[b]\nz = 3\n", "[a]\nx = 2\ny = 2\nv = 3\n[b]\n",
			head + " [a]\n-x = 1\n+x = 2\n+v = 3\n [b]\n-z = 3\n"},
		{"last line end", "[a]\nx = 1", "[a]\nx = 1\ny = 2", head + " [a]\n+y = 2\n"},
		{"new section", "[a]\nx = 1\n", "[a]\nx = 1\n\n[b]\ny = 2\n", head + "+\n+[b]\n+y = 2\n"},
		{"moved", "[a]\nx = 1\ny = 2\nz = 3\n", "[a]\ny = 2\nz = 3\nx = 1\n", head + " [a]\n-x = 1\n+x = 1\n"},
		{"secrets", "[a]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key=canary # canary\naws_session_token\t=\tcanary\n",
			"[a]\n", head + " [a]\n-aws_access_key_id = ****************MPLE\n-aws_secret_access_key=****************\n-aws_session_token\t=\t****************\n"},
		{"continued secret", "[a]\naws_secret_access_key = canary\n  canary\n", "[a]\n", head + " [a]\n-aws_secret_access_key = ****************\n-  ****************\n"},
		{"continued value", "[a]\nk = v\n  w\n  aws_session_token = canary\n", "[a]\n", head + " [a]\n-k = v\n-  w\n-  aws_session_token = ****************\n"},
		{"nested", "[a]\ns3 =\n  k = v\n  token = canary\n  canary\n", "[a]\n", head + " [a]\n-s3 =\n-  k = v\n-  token = ****************\n-  ****************\n"},
		{"nested after a comment", "[a]\ns3 = # c\n  canary\n", "[a]\n", head + " [a]\n-s3 = # c\n-  ****************\n"},
		{"comments", "[a]\n# old\n#aws_session_token = canary\n", "[a]\n", head + " [a]\n-# old\n-#aws_session_token = ****************\n"},
		{"comments with colons", "[a]\n# my secret:  canary\n; note: aws_session_token = canary\n# password: a = canary\n# see: https://x/y=z\n", "[a]\n",
			head + " [a]\n-# my secret:  ****************\n-; note: aws_session_token = ****************\n-# password: ****************\n-# see: https://x/y=z\n"},
		{"comment behind a value", "[a]\nk = v # token: canary\n", "[a]\n", head + " [a]\n-k = v # token: ****************\n"},
		{"key ID in a comment", "[a]\n# aws_access_key_id: AKIAIOSFODNN7EXAMPLE\n", "[a]\n", head + " [a]\n-# aws_access_key_id: ****************MPLE\n"},
		{"program", "[a]\ncredential_process = /bin/x --key canary\n  --more=canary\n# credential_process=y canary\n", "[a]\n",
			head + " [a]\n-credential_process = /bin/x ****************\n-  ****************\n-# credential_process=y ****************\n"},
		{"malformed", "canary\n[canary\naws_secret_access_key canary\n  canary = x\n", "", head + "-****************\n-[****************\n-****************\n-  ****************\n"},
		{"before the first header", "aws_secret_access_key = canary\n  k = v\n", "", head + "-aws_secret_access_key = ****************\n-  k = v\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := profile.Diff(profile.Parse("f", []byte(tt.from), profile.Credentials), profile.Parse("f", []byte(tt.to), profile.Credentials))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Diff (-want +got):\n%s", diff)
			}
			require.NotContains(t, got, "canary")
		})
	}
}

func TestDiffOfBigFiles(t *testing.T) {
	t.Parallel()
	var a, b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&a, "[p%d]\nk = 1\n", i)
		fmt.Fprintf(&b, "[p%d]\nk = 2\n", i)
	}
	got := profile.Diff(profile.Parse("f", []byte(a.String()), profile.Credentials), profile.Parse("f", []byte(b.String()), profile.Credentials))
	require.Equal(t, 3000, strings.Count(got, "-k = 1\n"))
	require.Equal(t, 3000, strings.Count(got, "+k = 2\n"))
}

func TestMask(t *testing.T) {
	t.Parallel()
	const stars = "****************"
	tests := []struct{ key, value, want string }{
		{"region", "eu-west-1", "eu-west-1"},
		{"aws_access_key_id", "AKIAIOSFODNN7EXAMPLE", stars + "MPLE"},
		{"AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE", stars + "MPLE"},
		{"aws_access_key_id", "short", stars},
		{"aws_secret_access_key", "canary", stars},
		{"Aws_Secret_Access_Key", "canary", stars},
		{"aws_session_token", "canary", stars},
		{"aws_security_token", "canary", stars},
		{"client_secret", "canary", stars},
		{"proxy_password", "canary", stars},
		{"web_identity_token_file", "/run/token", "/run/token"},
		{"credential_process", "/bin/x", "/bin/x"},
		{"credential_process", "/bin/x\t--key canary", "/bin/x " + stars},
		{"aws_session_token", "", ""},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, profile.Mask(tt.key, tt.value), tt.key)
	}
}
