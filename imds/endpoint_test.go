package imds_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

func TestEndpoint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ endpoint, want, problem string }{
		{"", "http://169.254.169.254/latest/x", ""},
		{imds.EndpointIPv6, "http://[fd00:ec2::254]/latest/x", ""},
		{"http://127.0.0.1:1338", "http://127.0.0.1:1338/latest/x", ""},
		{"http://127.0.0.1:1338/", "http://127.0.0.1:1338/latest/x", ""},
		{"https://imds.example/proxied", "https://imds.example/proxied/latest/x", ""},
		{"http://imds.example/proxied//", "http://imds.example/proxied/latest/x", ""},
		{" http://imds.example\n", "http://imds.example/latest/x", ""},
		{"HTTP://imds.example/@x", "http://imds.example/@x/latest/x", ""},

		{"169.254.169.254", "", "does not start with http:// or https://"},
		{"169.254.169.254:80", "", "is not a URL like http://HOST"},
		{"ftp://169.254.169.254", "", "does not start with http:// or https://"},
		{"http://", "", "has no host"},
		{"http:///latest", "", "has no host"},
		{"http://:80", "", "has no host"},
		{"http://h?a=b", "", "has a query"},
		{"http://h?", "", "has a query"},
		{"http://h#f", "", "has a fragment"},
		{"http://user:sesame@h", "", "has user information"},
		{"http://user:ses ame@h", "", "has user information"},
		{"http://h:sesame@[", "", "has user information"},
		{"http://169.254.269.254", "", "common misprint (269 is no octet) for 169.254.169.254"},
		{"169.254.269.254", "", "common misprint"},
	} {
		t.Run(tt.endpoint, func(t *testing.T) {
			t.Parallel()
			var asked []string
			client := &imds.Client{Endpoint: tt.endpoint, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.String())
				u, err := url.Parse(r.URL.String())
				if err != nil || u.Host != r.Host {
					t.Errorf("the request is for host %q and URL %v", r.Host, r.URL)
				}
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("abc"))}, nil
			})}
			body, err := client.Get(t.Context(), "/latest/x")
			check := imds.CheckEndpoint(tt.endpoint)
			if tt.problem != "" {
				require.ErrorContains(t, err, tt.problem)
				require.NotErrorIs(t, err, imds.ErrUnreachable)
				require.NotContains(t, err.Error(), "sesame")
				require.Equal(t, err, check)
				require.Empty(t, asked)
				_, again := client.Region(t.Context())
				require.Equal(t, err, again)
				return
			}
			require.NoError(t, err)
			require.NoError(t, check)
			require.Equal(t, "abc", string(body))
			require.Equal(t, tt.want, asked[1])
			require.Equal(t, strings.TrimSuffix(tt.want, "/latest/x")+tokenPath, asked[0])
		})
	}
}

func TestEndpointWithPath(t *testing.T) {
	t.Parallel()
	f := instance()
	client := serve(t, f)
	client.Endpoint += "/proxied/"
	body, err := client.Get(t.Context(), "/latest/meta-data/ami-id")
	require.NoError(t, err)
	require.Equal(t, "ami-1", string(body))
}

func TestGetNeedsASlash(t *testing.T) {
	t.Parallel()
	var client imds.Client
	_, err := client.Get(t.Context(), "latest/meta-data/")
	require.ErrorContains(t, err, "must start with a slash")
	require.NotErrorIs(t, err, imds.ErrUnreachable)
}
