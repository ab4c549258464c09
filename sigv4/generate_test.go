package sigv4_test

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/sigv4"
)

// generated is a request with all that is needed to sign it, drawn from what our signer and the SDK's sign alike.
type generated struct {
	request         *http.Request
	creds           aws.Credentials
	service, region string
	s3              bool
	payload         string
	at              time.Time
	expires         time.Duration
}

func (g generated) signer() *sigv4.Signer {
	rule := sigv4.PathTwice // the SDK keeps empty and dot segments
	if g.s3 {
		rule = sigv4.PathOnce
	}
	return &sigv4.Signer{Service: g.service, Region: g.region, Path: rule}
}

type generator struct{ *rand.Rand }

// generate makes the n-th request.
func generate(n int) generated {
	g := generator{rand.New(rand.NewPCG(uint64(n), 20261124))}
	r := &http.Request{
		Method: pick(g, "GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"),
		URL:    &url.URL{Scheme: pick(g, "https", "http"), Host: g.host()},
		Header: http.Header{},
	}
	out := generated{
		request: r, s3: g.IntN(3) == 0, region: pick(g, "us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"),
		at:      time.Unix(g.Int64N(4e9), g.Int64N(1e9)),
		expires: time.Duration(1+g.IntN(604800)) * time.Second,
		creds:   aws.Credentials{AccessKeyID: "AKIA" + g.from("ABCDEFGHIJ234567", 16), SecretAccessKey: g.from("abcXYZ019+/", 40)},
	}
	if out.service = pick(g, "sts", "execute-api", "es", "dynamodb", "iam"); out.s3 {
		out.service = "s3"
	}
	if g.IntN(2) == 0 {
		out.creds.SessionToken = g.from("abcXYZ019+/=", 20+g.IntN(900))
	}
	g.path(r.URL, out.s3)
	r.URL.RawQuery = g.query()
	if g.IntN(6) == 0 {
		r.Host = g.host()
	}
	for range g.IntN(12) {
		key := http.CanonicalHeaderKey(g.headerName())
		for range 1 + g.IntN(2)*g.IntN(3) {
			r.Header.Add(key, g.value())
		}
	}
	if g.IntN(3) == 0 {
		r.ContentLength = g.Int64N(1 << 40)
	}
	out.payload = strings.Repeat(g.from("0123456789abcdef", 8), 8)
	if out.s3 {
		out.payload = pick(g, out.payload, sigv4.UnsignedPayload)
		r.Header.Set("X-Amz-Content-Sha256", out.payload) // which the SDK leaves to its caller
	}
	return out
}

func pick(g generator, of ...string) string { return of[g.IntN(len(of))] }

func (g generator) from(alphabet string, n int) string {
	letters := []rune(alphabet)
	b := make([]rune, n)
	for i := range b {
		b[i] = letters[g.IntN(len(letters))]
	}
	return string(b)
}

func (g generator) host() string {
	return pick(g, "sts.amazonaws.com", "bucket.s3.eu-central-1.amazonaws.com", "Example.COM", "127.0.0.1", "[::1]:9000", "example.com:443", "example.com:80", "example.com:8443")
}

// path sets a path. For S3 it is escaped as S3 wants it, and otherwise in any way that a URL can be.
func (g generator) path(u *url.URL, s3 bool) {
	var decoded, raw strings.Builder
	for range g.IntN(5) {
		segment := g.from("ab cd019-._~!$&'()*+,;=:@%/€ü\"<>[]{}|\\^`?#", g.IntN(9))
		if g.IntN(8) == 0 {
			segment = pick(g, ".", "..", "", "a//b")
		}
		decoded.WriteString("/" + segment)
		raw.WriteByte('/')
		for _, c := range []byte(segment) {
			switch {
			case strings.IndexByte("abcd019-._~", c) >= 0, !s3 && g.IntN(2) == 0 && strings.IndexByte("!$&'()*+,;=:@", c) >= 0:
				raw.WriteByte(c)
			default:
				hex := "0123456789ABCDEF"
				if !s3 && g.IntN(4) == 0 {
					hex = "0123456789abcdef"
				}
				raw.Write([]byte{'%', hex[c>>4], hex[c&15]})
			}
		}
	}
	u.Path, u.RawPath = decoded.String(), raw.String()
}

func (g generator) query() string {
	var pairs []string
	for range g.IntN(7) {
		pair := g.encoded(g.from("abAB-._~ /+&=%€*'", 1+g.IntN(6)))
		if g.IntN(5) > 0 {
			pair += "=" + g.encoded(g.from("abAB-._~ /+&=%€*'", g.IntN(12)))
		}
		pairs = append(pairs, pair)
		if g.IntN(5) == 0 {
			pairs = append(pairs, pick(g, "a", "B")+"=2", "")
		}
	}
	return strings.Join(pairs, "&")
}

// encoded writes a part of a query in one of the ways that clients do.
func (g generator) encoded(s string) string {
	s = url.QueryEscape(s)
	switch g.IntN(3) {
	case 0:
		s = strings.ReplaceAll(s, "+", "%20")
	case 1:
		s = strings.ReplaceAll(strings.ReplaceAll(s, "%2F", "/"), "%2A", "*")
	}
	return s
}

func (g generator) headerName() string {
	return pick(g, "Accept", "Content-Type", "Range", "If-Match", "X-Amz-Meta-"+g.from("abc-", 5), "X-Amz-Target", "User-Agent",
		"X-Amz-Acl", "X-Amz-Checksum-Crc32", "X-Amz-Checksum-Mode", "X-Amz-Object-Lock-Mode", "X-Amz-Expected-Bucket-Owner", "X-Amz-Request-Payer",
		"X-Amz-Tagging", "X-Amz-Copy-Source", "X-Amz-Server-Side-Encryption-Customer-Key", "X-Amzn-Trace-Id", "Expect", "Transfer-Encoding",
		"Cache-Control", "Date", "Content-Length", g.from("abcXYZ019!#$%&'*+.^_`|~", 1+g.IntN(20)))
}

func (g generator) value() string {
	const blanks = "   "
	return blanks[:g.IntN(3)] + g.from("ab \t,\"é=;/", g.IntN(24)) + pick(g, "", "z  \t  z", "  ") + blanks[:g.IntN(3)]
}
