package sigv4_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// python runs a script with a Python that has a module, one case a line in and out. It skips, by name, where there is none.
func python(t *testing.T, module, script string, cases any) [][]byte {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		path, err := exec.LookPath(name)
		if err != nil || hermetic(exec.CommandContext(t.Context(), path, "-c", "import "+module), t).Run() != nil {
			continue
		}
		in, err := json.Marshal(cases)
		require.NoError(t, err)
		cmd := hermetic(exec.CommandContext(t.Context(), path, "-c", script), t)
		cmd.Stdin = bytes.NewReader(in)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, stderr.String())
		return bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	}
	t.Skipf("no Python with %s", module)
	return nil
}

func hermetic(cmd *exec.Cmd, t *testing.T) *exec.Cmd {
	cmd.Env = []string{"HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true", "PATH=" + os.Getenv("PATH"), "PYTHONPATH=" + os.Getenv("PYTHONPATH")}
	return cmd
}

// signedCase is a request as another signer gets it, and as it must sign it.
type signedCase struct {
	Method, URL, Host, Service, Region, Key, Secret, Token, Date, Payload string
	Headers                                                               [][2]string
	want                                                                  string
	creds                                                                 aws.Credentials
}

// cases are generated requests that ours has signed. What the others read in another way is left out: a body's length,
// which they sign only as a header, Transfer-Encoding, which the CRT signs, blanks that are no spaces, and paths in which the
// CRT sees a host and a port.
func cases(t *testing.T, n int) []signedCase {
	var out []signedCase
	for i := range n {
		g := generate(i)
		g.request.ContentLength, g.request.Host = 0, ""
		g.request.URL.Host = "host.example"
		g.request.URL.Path, g.request.URL.RawPath = "/x"+g.request.URL.Path, "/x"+g.request.URL.RawPath
		if strings.Contains(g.request.URL.RawPath, "//") && strings.Contains(g.request.URL.RawPath, ":") {
			continue
		}
		if g.payload = emptyHash; g.s3 {
			g.payload = sigv4.UnsignedPayload
		}
		header := http.Header{}
		for key, values := range g.request.Header {
			if key == "Date" || key == "Content-Length" || key == "Transfer-Encoding" || strings.HasPrefix(key, "X-Amz-") && key != "X-Amz-Target" && !strings.HasPrefix(key, "X-Amz-Meta") {
				continue
			}
			for _, v := range values[:1] {
				header[key] = append(header[key], "v"+strings.Map(func(c rune) rune {
					if c > '~' || c == '\t' {
						return 'x'
					}
					return c
				}, v))
			}
		}
		g.request.Header = header
		g.at = time.Unix(1577836800+g.at.Unix()%1e8, 0) // botocore wants years of today
		s := &sigv4.Signer{Service: g.service, Region: g.region}
		c := signedCase{Method: g.request.Method, Service: g.service, Region: g.region, Key: g.creds.AccessKeyID, Secret: g.creds.SecretAccessKey, Token: g.creds.SessionToken,
			Date: g.at.UTC().Format("20060102T150405Z"), Payload: g.payload, creds: g.creds}
		for key, values := range header {
			for _, v := range values {
				c.Headers = append(c.Headers, [2]string{key, v})
			}
		}
		require.NoError(t, s.Sign(g.request, g.creds, g.payload, g.at))
		c.want, c.URL = g.request.Header.Get("Authorization"), g.request.URL.String()
		out = append(out, c)
	}
	return out
}

const botocore = `
import datetime, json, sys
import botocore.auth, botocore.awsrequest, botocore.credentials
for c in json.load(sys.stdin):
    at = datetime.datetime.strptime(c["Date"], "%Y%m%dT%H%M%SZ")
    botocore.auth.get_current_datetime = lambda *a, **k: at
    r = botocore.awsrequest.AWSRequest(method=c["Method"], url=c["URL"], headers=dict(c["Headers"] or []))
    creds = botocore.credentials.Credentials(c["Key"], c["Secret"], c["Token"] or None)
    s3 = c["Service"] == "s3"
    r.context["payload_signing_enabled"] = not s3
    signer = (botocore.auth.S3SigV4Auth if s3 else botocore.auth.SigV4Auth)(creds, c["Service"], c["Region"])
    if s3:
        signer.payload = lambda request: "UNSIGNED-PAYLOAD"
    signer.add_auth(r)
    print(json.dumps(r.headers["Authorization"]))
`

// TestBotocore wants the signatures of botocore, with the paths normalized.
func TestBotocore(t *testing.T) {
	t.Parallel()
	all := cases(t, 300)
	for i, line := range python(t, "botocore.auth", botocore, all) {
		var got string
		require.NoError(t, json.Unmarshal(line, &got))
		require.Equal(t, got, all[i].want, "request %d: %s %s %v", i, all[i].Method, all[i].URL, all[i].Headers)
	}
}

const awscrt = `
import datetime, json, sys
import awscrt.auth as auth, awscrt.http as http
from urllib.parse import urlsplit
for c in json.load(sys.stdin):
    at = datetime.datetime.strptime(c["Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    u = urlsplit(c["URL"])
    path = u.path + ("?" + u.query if u.query else "")
    headers = http.HttpHeaders([("Host", u.netloc)] + [tuple(h) for h in c["Headers"] or []])
    s3 = c["Service"] == "s3"
    out = []
    for algorithm, region in ((auth.AwsSigningAlgorithm.V4, c["Region"]), (auth.AwsSigningAlgorithm.V4_ASYMMETRIC, "us-*,eu-west-1")):
        config = auth.AwsSigningConfig(
            algorithm=algorithm, signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=auth.AwsCredentialsProvider.new_static(c["Key"], c["Secret"], c["Token"] or None),
            region=region, service=c["Service"], date=at, use_double_uri_encode=not s3, should_normalize_uri_path=not s3,
            signed_body_value=c["Payload"],
            signed_body_header_type=auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256 if s3 else auth.AwsSignedBodyHeaderType.NONE)
        r = http.HttpRequest(c["Method"], path, http.HttpHeaders(list(headers)))
        auth.aws_sign_request(r, config).result()
        out.append([list(h) for h in r.headers])
    print(json.dumps(out))
`

// TestCRT wants the signatures of AWS's signer in C; and its SigV4a signatures, no two of which are alike, to be verified.
func TestCRT(t *testing.T) {
	t.Parallel()
	all := cases(t, 150)
	for i, line := range python(t, "awscrt.auth", awscrt, all) {
		var got [2][][2]string
		require.NoError(t, json.Unmarshal(line, &got))
		c := all[i]
		for j, headers := range got {
			r := request(t, c.Method, c.URL)
			for _, h := range headers {
				if h[0] == "Host" {
					continue
				}
				r.Header.Add(h[0], h[1])
			}
			if j == 0 {
				require.Equal(t, strings.Fields(r.Header.Get("Authorization")), strings.Fields(c.want), "request %d: %s %s %v", i, c.Method, c.URL, headers)
			}
			for _, key := range []string{"Expect", "Transfer-Encoding"} {
				r.Header.Del(key)
			}
			at, err := time.Parse("20060102T150405Z", c.Date)
			require.NoError(t, err)
			v := verifier(c.creds)
			v.Service = c.Service
			verified, err := v.Verify(sent(t, r), at)
			require.NoErrorf(t, err, "request %d: %s %s %v", i, c.Method, c.URL, headers)
			if j == 1 {
				require.Equal(t, "us-*,eu-west-1", verified.Region)
			}
		}
	}
}

// TestCurl has curl sign what the verifier checks. Old versions sign the path and the query as they are.
func TestCurl(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl")
	}
	help, err := hermetic(exec.CommandContext(t.Context(), curl, "--help", "all"), t).Output()
	if err != nil || !bytes.Contains(help, []byte("--aws-sigv4")) {
		t.Skip("this curl has no --aws-sigv4")
	}
	v := verifier(documented)
	v.Service, v.Region, v.UnsignedPayload = "execute-api", "eu-central-1", true
	var mu sync.Mutex
	var last error
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := v.Verify(r, time.Now())
		mu.Lock()
		defer mu.Unlock()
		last = err
	}))
	defer server.Close()
	for name, tt := range map[string]struct {
		args []string
		want sigv4.Part
	}{
		"GET":             {[]string{"/pets?a=1&b=2"}, ""},
		"GET of the root": {[]string{"/"}, ""},
		"POST":            {[]string{"/pets", "-d", "name=cat"}, ""},
		"JSON":            {[]string{"/pets", "-H", "Content-Type: application/json", "-H", "X-Amz-Target: Pets.List", "-d", `{"a":1}`}, ""},
		"a wrong secret":  {[]string{"/pets", "-u", documented.AccessKeyID + ":wrong"}, sigv4.PartUnknown},
		"a wrong region":  {[]string{"/pets", "--aws-sigv4", "aws:amz:us-east-1:execute-api"}, sigv4.PartScope},
	} {
		args := append([]string{"-q", "-sS", "--noproxy", "*", "--aws-sigv4", "aws:amz:eu-central-1:execute-api", "-u", documented.AccessKeyID + ":" + documented.SecretAccessKey}, tt.args[1:]...)
		out, err := hermetic(exec.CommandContext(t.Context(), curl, append(args, server.URL+tt.args[0])...), t).CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		mu.Lock()
		got := last
		mu.Unlock()
		if tt.want == "" {
			require.NoError(t, got, name)
		} else {
			require.Equal(t, tt.want, part(t, got), "%s: %v", name, got)
		}
	}
}
