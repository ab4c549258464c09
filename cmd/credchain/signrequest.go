package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/providers"
)

const maxData = 256 << 20 // bytes of a body that are held

// requestFlags say what request is meant. They are those of curl, and mean the same.
type requestFlags struct {
	method  string
	headers []string
	data    []string
	binary  []string
	upload  string
	service string

	regionSet string // "" for a signature of one region
}

func (f *requestFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.method, "request", "X", "", "the `METHOD` (default GET, POST with -d, PUT with -T)")
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "send the header `NAME: VALUE`; may be repeated")
	flags.StringArrayVarP(&f.data, "data", "d", nil, "send `DATA`, @FILE or @- for standard input; line ends of files go; may be repeated")
	flags.StringArrayVar(&f.binary, "data-binary", nil, "send `DATA` as -d does, but a file as it is")
	flags.StringVarP(&f.upload, "upload-file", "T", "", "send a `FILE`, or - for standard input, as it is")
	flags.StringVar(&f.service, "service", "", "the signing `NAME` of the service, such as s3 (default: what the host says)")
}

// bindRegionSet adds the flag for SigV4a to the commands that sign.
func (f *requestFlags) bindRegionSet(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.regionSet, "region-set", "", "sign with SigV4a for these `REGIONS`, such as '*' or us-east-1,eu-*; multi-region hosts need it")
}

// build returns the request for a URL.
func (a *app) build(ctx context.Context, f *requestFlags, raw string) (*http.Request, error) {
	u, err := parseURL(raw)
	if err != nil {
		return nil, err
	}
	if f.upload != "" && len(f.data)+len(f.binary) > 0 {
		return nil, usage("-d and -T cannot go together", "choose one")
	}
	method := http.MethodGet
	var r *http.Request
	switch {
	case f.upload != "":
		method = http.MethodPut
		r, err = a.uploading(ctx, f.upload, u)
	case len(f.data)+len(f.binary) > 0:
		method = http.MethodPost
		var body []byte
		if body, err = a.body(ctx, f); err == nil {
			r, err = http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
		}
	default:
		r, err = http.NewRequestWithContext(ctx, method, u.String(), nil)
	}
	if err != nil {
		if f, ok := err.(*failure); ok {
			return nil, f
		}
		return nil, usage("the request cannot be made: "+err.Error(), "see `credchain curl --help`")
	}
	if r.Method = method; f.method != "" {
		r.Method = f.method
	}
	if !token(r.Method) {
		return nil, usage(fmt.Sprintf("%q is no method of HTTP", r.Method), "write it as GET, PUT or POST")
	}
	if len(f.data)+len(f.binary) > 0 {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl does
	}
	return r, setHeaders(r, f.headers)
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil: // which quotes it, and a presigned URL is a secret
		return nil, usage("the address is not a URL", "write it as https://sqs.eu-central-1.amazonaws.com/?Action=ListQueues")
	case u.Scheme == "s3":
		return nil, usage("the address is not an http or https URL", "write it as https://BUCKET.s3.REGION.amazonaws.com/KEY")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, usage("the address is not an http or https URL", "write it as https://sqs.eu-central-1.amazonaws.com/?Action=ListQueues")
	case u.User != nil:
		return nil, usage("the address has a user name", "leave it out: the credentials come from the chain")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// token reports whether s is a token of HTTP: RFC 9110, 5.6.2.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", c)
	})
}

func setHeaders(r *http.Request, headers []string) error {
	seen := make(http.Header)
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok && strings.HasSuffix(h, ";") { // curl's way to write an empty one
			name, ok = strings.TrimSuffix(h, ";"), true
		}
		if !ok || !token(name) {
			return usage("a header is not NAME: VALUE", "write -H 'Accept: application/json'")
		}
		value = strings.TrimSpace(value)
		key := http.CanonicalHeaderKey(name)
		switch {
		case strings.ContainsAny(value, "\r\n\x00"):
			return usage("the header "+name+" has the end of a line in it", "write each header by itself")
		case key == "Host":
			r.Host = value
		case value == "" && !strings.HasSuffix(h, ";"): // which takes away one that would be sent
			r.Header.Del(key)
		case seen[key] == nil:
			seen.Set(key, value)
			r.Header.Set(key, value)
		default:
			r.Header.Add(key, value)
		}
	}
	return nil
}

// body joins the data as curl does.
func (a *app) body(ctx context.Context, f *requestFlags) ([]byte, error) {
	var all []byte
	add := func(value string, clean bool) error {
		text := []byte(value)
		if name, ok := strings.CutPrefix(value, "@"); ok {
			var err error
			if text, err = a.readData(ctx, "the body", name); err != nil {
				return err
			}
			if clean {
				text = slices.DeleteFunc(text, func(b byte) bool { return b == '\r' || b == '\n' })
			}
		}
		if all != nil {
			all = append(all, '&')
		}
		if all = append(all, text...); all == nil {
			all = []byte{}
		}
		return nil
	}
	for _, v := range f.data {
		if err := add(v, true); err != nil {
			return nil, err
		}
	}
	for _, v := range f.binary {
		if err := add(v, false); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readData reads a file, or standard input for "-", until ctx ends: a pipe may never.
func (a *app) readData(ctx context.Context, what, name string) ([]byte, error) {
	in := a.in
	if name != "-" {
		in = &unopened{name: name}
	}
	text, err := readInput(ctx, in, maxData)
	switch {
	case errors.Is(err, errTooLong):
		return nil, usage(what+" is longer than 256 MiB", "give a file with -T")
	case err != nil:
		return nil, &failure{code: exitUsage, what: what + " cannot be read: " + err.Error()}
	}
	return text, nil
}

// unopened is a file that is opened when it is read, since to open a pipe can take as long as to read it.
type unopened struct {
	name string
	f    *os.File
}

func (u *unopened) Read(b []byte) (n int, err error) {
	if u.f == nil {
		if u.f, err = os.Open(u.name); err != nil {
			return 0, err
		}
	}
	if n, err = u.f.Read(b); err != nil {
		u.f.Close()
	}
	return n, err
}

// uploading returns a request with a file for its body, which is opened for each attempt. A path that ends in a slash gets
// the file's name, as with curl.
func (a *app) uploading(ctx context.Context, name string, u *url.URL) (*http.Request, error) {
	if name == "-" {
		text, err := a.readData(ctx, "the body", name)
		if err != nil {
			return nil, err
		}
		return http.NewRequestWithContext(ctx, http.MethodPut, u.String(), bytes.NewReader(text))
	}
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		return nil, &failure{code: exitUsage, what: "the body cannot be read: " + err.Error()}
	}
	if u.Path == "" || strings.HasSuffix(u.Path, "/") {
		base := filepath.Base(name)
		if u.RawPath != "" {
			u.RawPath = strings.TrimSuffix(u.RawPath, "/") + "/" + url.PathEscape(base)
		}
		u.Path = strings.TrimSuffix(u.Path, "/") + "/" + base
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, u.String(), nil)
	if err != nil || info.Size() == 0 {
		return r, err
	}
	r.ContentLength = info.Size()
	r.GetBody = func() (io.ReadCloser, error) { return os.Open(name) }
	r.Body, err = r.GetBody()
	return r, err
}

// carrier is what requests to other services than STS are sent with: the same CA bundle, and in tests the same world.
func (a *app) carrier(ctx context.Context) (http.RoundTripper, error) {
	cfg := a.cfg
	cfg.Region = "us-east-1" // it is not for STS, and need not be a region of AWS's
	client, err := providers.STS(ctx, cfg)
	if err != nil {
		return nil, failed(err)
	}
	return client.Transport, nil
}

func oneURL(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(cmd.Name()+" takes one URL", "see `%s --help`", cmd.CommandPath())
	}
	return nil
}
