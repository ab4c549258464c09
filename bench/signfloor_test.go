package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/sigv4"
)

// hashingFloor hashes a canonical request of a size, and signs the hash: what nobody can leave out.
func hashingFloor(size int) func(*http.Request) error {
	canonical, toSign := []byte(strings.Repeat("x", size)), make([]byte, 0, 256)
	mac := hmac.New(sha256.New, []byte("key"))
	var signature [32]byte
	return func(r *http.Request) error {
		sum := sha256.Sum256(canonical)
		toSign = append(toSign[:0], "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/s3/aws4_request\n"...)
		toSign = hex.AppendEncode(toSign, sum[:])
		mac.Reset()
		mac.Write(toSign)
		text := hex.EncodeToString(mac.Sum(signature[:0]))
		r.Header["Authorization"] = []string{text}
		return nil
	}
}

// signFloor signs for S3 with the least work that gives a good signature: it writes the canonical request with the
// headers sorted and trimmed, hashes it, and signs the hash. It is right for the requests of this benchmark only. The date
// and the key of its day are at hand. It checks nothing, and takes the path and the query for escaped and sorted, each
// header for one of one value, and one goroutine for all that there is.
type signFloor struct {
	date, scope, credential string
	mac                     hash.Hash
	names                   []string
	buf, out                []byte
	number, signature       [sha256.Size]byte
}

func newSignFloor(creds aws.Credentials, at time.Time) *signFloor {
	f := &signFloor{date: at.UTC().Format("20060102T150405Z")}
	f.scope = f.date[:8] + "/" + region + "/s3/aws4_request"
	f.credential = creds.AccessKeyID + "/" + f.scope
	key := []byte("AWS4" + creds.SecretAccessKey)
	for _, part := range strings.Split(f.scope, "/") {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	f.mac = hmac.New(sha256.New, key)
	return f
}

// sign is the signature for the canonical request in f.buf, in hexadecimal, at the end of f.out.
func (f *signFloor) sign() {
	sum := sha256.Sum256(f.buf)
	f.buf = append(append(append(append(append(f.buf[:0], "AWS4-HMAC-SHA256\n"...), f.date...), '\n'), f.scope...), '\n')
	f.buf = hex.AppendEncode(f.buf, sum[:])
	f.mac.Reset()
	f.mac.Write(f.buf)
	f.out = hex.AppendEncode(f.out, f.mac.Sum(f.signature[:0]))
}

func (f *signFloor) header(payload string) func(*http.Request) error {
	return func(r *http.Request) error {
		r.Header["X-Amz-Date"] = []string{f.date}
		f.names = f.names[:0]
		for name := range r.Header {
			if name != "Authorization" {
				f.names = append(f.names, name)
			}
		}
		slices.Sort(f.names) // as the names in lower case, here
		f.out = append(append(append(f.out[:0], "AWS4-HMAC-SHA256 Credential="...), f.credential...), ", SignedHeaders="...)
		names := len(f.out)
		f.buf = append(append(append(append(f.buf[:0], r.Method...), '\n'), r.URL.Path...), '\n')
		f.buf = append(append(f.buf, r.URL.RawQuery...), '\n')
		host := false
		add := func(name, value string) {
			at := len(f.buf)
			f.buf = append(append(append(append(f.buf, name...), ':'), strings.TrimSpace(value)...), '\n')
			lower := f.buf[at : at+len(name)]
			for i, c := range lower {
				if 'A' <= c && c <= 'Z' {
					lower[i] = c + 'a' - 'A'
				}
			}
			f.out = append(append(f.out, lower...), ';')
		}
		if r.ContentLength > 0 {
			add("content-length", string(strconv.AppendInt(f.number[:0], r.ContentLength, 10)))
		}
		for _, name := range f.names {
			if !host && name > "Host" {
				host = true
				add("host", r.URL.Host)
			}
			add(name, r.Header[name][0])
		}
		f.out = f.out[:len(f.out)-1]
		f.buf = append(append(append(append(f.buf, '\n'), f.out[names:]...), '\n'), payload...)
		f.out = append(f.out, ", Signature="...)
		f.sign()
		r.Header["Authorization"] = []string{string(f.out)}
		return nil
	}
}

// presign gives the URL to take. The request has a query with the expiry alone.
func (f *signFloor) presign(take func(url string)) func(*http.Request) error {
	return func(r *http.Request) error {
		f.appendURL(r)
		take(string(f.out))
		return nil
	}
}

func (f *signFloor) appendURL(r *http.Request) {
	f.out = append(append(append(f.out[:0], "https://"...), r.URL.Host...), r.URL.Path...)
	f.out = append(f.out, '?')
	query := len(f.out)
	f.out = append(f.out, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="...)
	for rest := f.credential; ; {
		part, after, more := strings.Cut(rest, "/")
		f.out = append(f.out, part...)
		if !more {
			break
		}
		f.out, rest = append(f.out, "%2F"...), after
	}
	f.out = append(append(append(f.out, "&X-Amz-Date="...), f.date...), '&')
	f.out = append(append(f.out, r.URL.RawQuery...), "&X-Amz-SignedHeaders=host"...)
	f.buf = append(append(append(append(f.buf[:0], r.Method...), '\n'), r.URL.Path...), '\n')
	f.buf = append(append(append(f.buf, f.out[query:]...), "\nhost:"...), r.URL.Host...)
	f.buf = append(f.buf, "\n\nhost\nUNSIGNED-PAYLOAD"...)
	f.out = append(f.out, "&X-Amz-Signature="...)
	f.sign()
}

// TestSignFloor shows that the floor does all the work: its signatures are credchain's. A floor that left something out
// would have others.
func TestSignFloor(t *testing.T) {
	at := time.Now()
	creds, provider := signCreds()
	for _, s := range signings(at) {
		got, want := s.request(), s.request()
		for _, by := range s.by {
			r := map[string]*http.Request{"floor": got, "credchain": want}[by.name]
			if r == nil {
				continue
			}
			if err := by.do(r); err != nil {
				t.Fatal(err)
			}
		}
		if s.name != "presign" && (want.Header.Get("Authorization") == "" || !maps.EqualFunc(got.Header, want.Header, slices.Equal)) {
			t.Errorf("%s: the floor signs\n%v\ninstead of\n%v", s.name, got.Header, want.Header)
		}
		if s.name == "presign" {
			p, err := (&sigv4.Signer{Service: "s3", Region: region}).Presign(t.Context(), want, provider, sigv4.PresignInput{}, at)
			if err != nil {
				t.Fatal(err)
			}
			_ = newSignFloor(creds, at).presign(func(url string) {
				if url != p.URL {
					t.Errorf("presign: the floor gives\n%s\ninstead of\n%s", url, p.URL)
				}
			})(got)
		}
	}
}
