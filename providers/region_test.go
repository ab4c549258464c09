package providers_test

import (
	"flag"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// instance answers as the metadata service of an instance in eu-south-2 with a role.
func instance(r *http.Request) (*http.Response, error) {
	switch r.Method + " " + r.URL.Path {
	case "PUT /latest/api/token":
		return answer(200, "session")(r)
	case "GET /latest/meta-data/placement/region":
		return answer(200, "eu-south-2")(r)
	}
	return answer(404, "")(r)
}

func TestRegion(t *testing.T) {
	t.Parallel()
	const file = "/home/u/.aws/config"
	profiles := map[string]string{file: "[default]\nregion = eu-west-1\n[profile bare]\noutput = json\n[profile p]\nregion=eu-west-3\n"}
	tests := []struct {
		name   string
		config providers.Config
		env    map[string]string
		files  map[string]string
		answer func(*http.Request) (*http.Response, error)
		want   string
		origin credchain.Origin
	}{
		{"code", providers.Config{Region: "eu-north-1"}, map[string]string{"AWS_REGION": "x"}, profiles, nil, "eu-north-1", credchain.Origin{Flag: "code"}},
		{"AWS_REGION", providers.Config{}, map[string]string{"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "x"}, profiles, nil, "eu-west-2", credchain.Origin{Env: "AWS_REGION"}},
		{"AWS_DEFAULT_REGION", providers.Config{}, map[string]string{"AWS_REGION": " ", "AWS_DEFAULT_REGION": "eu-west-2"}, profiles, nil, "eu-west-2", credchain.Origin{Env: "AWS_DEFAULT_REGION"}},
		{"default profile", providers.Config{}, nil, profiles, nil, "eu-west-1", credchain.Origin{File: file, Line: 2, Section: "default", Key: "region"}},
		{"profile from code", providers.Config{Profile: "p"}, nil, profiles, nil, "eu-west-3", credchain.Origin{File: file, Line: 6, Section: "profile p", Key: "region"}},
		{"profile from the environment", providers.Config{}, map[string]string{"AWS_PROFILE": "p"}, profiles, nil, "eu-west-3", credchain.Origin{File: file, Line: 6, Section: "profile p", Key: "region"}},
		{"the instance's", providers.Config{}, nil, nil, instance, "eu-south-2", credchain.Origin{URL: "http://169.254.169.254"}},
		{"the instance's, under a profile without one", providers.Config{Profile: "bare"}, nil, profiles, instance, "eu-south-2", credchain.Origin{URL: "http://169.254.169.254"}},
		{"not the instance's, whose role is hidden by a key", providers.Config{},
			map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary"}, nil, instance, "us-east-1", credchain.Origin{Key: "default"}},
		{"not the instance's, where the container has credentials", providers.Config{},
			map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/c"}, nil, instance, "us-east-1", credchain.Origin{Key: "default"}},
		{"the default", providers.Config{}, nil, nil, nil, "us-east-1", credchain.Origin{Key: "default"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := &machine{env: tt.env, files: tt.files, wire: wire{answer: tt.answer}}
			tt.config.System = m.system()
			got, origin, err := providers.Region(t.Context(), tt.config)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.origin, origin)
		})
	}
}

func TestRegionErrors(t *testing.T) {
	t.Parallel()
	m := &machine{}
	_, _, err := providers.Region(t.Context(), providers.Config{System: m.system(), NoDefaultRegion: true})
	require.ErrorIs(t, err, providers.ErrNoRegion)

	_, _, err = providers.Region(t.Context(), providers.Config{System: m.system(), Profile: "typo"})
	require.ErrorContains(t, err, `profile "typo"`)

	m.env = map[string]string{"AWS_REGION": "eu-\nwest-1"}
	_, _, err = providers.Region(t.Context(), providers.Config{System: m.system()})
	require.ErrorContains(t, err, "AWS_REGION holds a line break")
}

func TestBind(t *testing.T) {
	t.Parallel()
	fs := flag.NewFlagSet("program", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var c providers.Config
	c.Bind(fs)
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	require.Equal(t, []string{"profile", "region"}, names, "no flag may take a secret")

	require.NoError(t, fs.Parse(strings.Fields("--profile p --region eu-west-9")))
	m := &machine{files: map[string]string{"/home/u/.aws/credentials": "[p]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\naws_secret_access_key=canary\n"},
		env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00001", "AWS_SECRET_ACCESS_KEY": "canary"}}
	c.System = m.system()
	name, origin := providers.ProfileName(c)
	require.Equal(t, "p", name)
	require.Equal(t, "--profile", origin.String())
	region, origin, err := providers.Region(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "eu-west-9", region)
	require.Equal(t, "--region", origin.String())
	creds, err := providers.Default(c).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIAIOSFODNN7EXAMPLE", creds.AccessKeyID)
}

// TestRegionOfAJavaProgram: its keys may come from system properties, and then the instance's region is not its own.
func TestRegionOfAJavaProgram(t *testing.T) {
	t.Parallel()
	m := &machine{env: map[string]string{"JAVA_TOOL_OPTIONS": "-Daws.accessKeyId=AKIAOPTIONS000000001 -Daws.secretAccessKey=canary"},
		wire: wire{answer: instance}}
	region, _, err := providers.Region(t.Context(), providers.Config{System: m.system(), SystemProperties: true})
	require.NoError(t, err)
	require.Equal(t, "us-east-1", region)
	require.Empty(t, m.wire.requests)
}
