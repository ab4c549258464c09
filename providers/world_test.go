package providers_test

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// world is a scenario brought to life, with a record of what was done in it.
type world struct {
	*scenario
	cloud *cloud
	full  bool              // the disk
	born  map[string]string // the files of the scenario
	files map[string]string // those, and what was written

	mu     sync.Mutex
	opened []string
	asked  map[string]int      // requests by service; those for nobody count as "nobody"
	at     map[string][]string // hosts by service
	wrote  []string
	calls  map[string]int // requests by the target of a service
}

func (s *scenario) world() *world {
	w := &world{scenario: s, asked: map[string]int{}, at: map[string][]string{}, calls: map[string]int{}, files: maps.Clone(s.files)}
	w.cloud = builtFrom(s, w.files)
	w.born = maps.Clone(w.files)
	return w
}

// config returns what the program says, in this world.
func (w *world) config() providers.Config {
	c := providers.Config{System: providers.System{
		Getenv:    func(name string) string { return w.env[name] },
		Open:      w.open,
		Update:    w.update,
		Run:       w.cloud.run,
		Prompt:    w.cloud.prompt,
		Transport: w,
		LookupHost: func(_ context.Context, host string) ([]string, error) {
			if a, ok := w.hosts[host]; ok {
				return a, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		},
	}}
	var flags flag.FlagSet
	for _, a := range w.args {
		switch a[0] {
		case "--profile", "--region":
			if flags.Lookup("profile") == nil {
				c.Bind(&flags)
			}
			_ = flags.Set(a[0][2:], a[1])
		case "code-profile":
			c.Profile = a[1]
		case "no-default-region":
			c.NoDefaultRegion = true
		case "no-home":
			c.System.Home = func() (string, error) { return "", errors.New("nobody knows this user's home") }
		case "static":
			a = append(a, "", "", "")
			c.Static = providers.Static{AccessKeyID: a[1], SecretAccessKey: a[2], SessionToken: a[3], AccountID: a[4]}
		}
	}
	return c
}

func (w *world) open(name string) (io.ReadCloser, error) {
	name = filepath.ToSlash(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.opened, name) {
		w.opened = append(w.opened, name)
	}
	text, ok := w.files[name]
	switch {
	case w.special[name] != nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: w.special[name]}
	case !ok:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (w *world) update(_ context.Context, name string, edit func([]byte) ([]byte, error)) error {
	name = filepath.ToSlash(name)
	w.mu.Lock()
	text, ok := w.files[name]
	w.mu.Unlock()
	var old []byte
	if ok {
		old = []byte(text)
	}
	data, err := edit(old)
	if err != nil || data == nil {
		return err
	}
	if w.full {
		return errors.New("no space left on device")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[name], w.wrote = string(data), append(w.wrote, name)
	return nil
}

// RoundTrip carries a request to the service whose address it names.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if name, h := w.cloud.handler(r.URL.Host); h != nil {
		w.mu.Lock()
		w.asked[name]++
		if !slices.Contains(w.at[name], r.URL.Host) {
			w.at[name] = append(w.at[name], r.URL.Host)
		}
		w.mu.Unlock()
		return awstest.Transport(map[string]http.Handler{r.URL.Host: h}).RoundTrip(r)
	}
	name, svc, handle := "nobody", service(nil), w.metadata
	switch r.URL.Host {
	case w.imds.get("at", "169.254.169.254"):
		name, svc = "imds", w.imds
	case w.container.get("at", "169.254.170.2"):
		name, svc, handle = "container", w.container, w.agent
	}
	w.mu.Lock()
	w.asked[name]++
	w.mu.Unlock()
	if svc == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	target, status, body := handle(r)
	w.mu.Lock()
	w.calls[target]++
	n := w.calls[target]
	w.mu.Unlock()

	what := strings.Split(svc.get("status "+target, "200"), ",")
	fault := what[min(n, len(what))-1]
	if svc.has("silent") {
		fault = "silent"
	}
	scripted := svc.get("body "+target, body)
	switch fault {
	case "200":
		if scripted != body {
			status = http.StatusOK
		}
		return answer(status, scripted)(r)
	case "cut":
		return answer(status, scripted[:len(scripted)/2])(r)
	case "reset":
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	case "silent":
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	status, err := strconv.Atoi(fault)
	if err != nil {
		return nil, fmt.Errorf("the scenario has a status that is none: %s", fault)
	}
	return answer(status, svc.get("body "+target, ""))(r)
}

func (s service) has(key string) bool { _, ok := s[key]; return ok }

func (s service) get(key, otherwise string) string {
	if v, ok := s[key]; ok {
		return v
	}
	return otherwise
}

// metadata is the instance metadata service.
func (w *world) metadata(r *http.Request) (target string, status int, body string) {
	const base = "/latest/meta-data/iam/security-credentials"
	token, role := r.Header.Get("X-Aws-Ec2-Metadata-Token"), w.imds.get("role", "")
	mode := w.imds.get("mode", "both")
	path := r.URL.Path
	switch {
	case path == "/latest/api/token":
		target, status, body = "token", 200, metadataSession
		if mode == "v1" || r.Method != http.MethodPut {
			return target, 404, ""
		}
		return target, status, body
	case path == base+"/":
		target, body = "list", role+"\n"
	case path == "/latest/meta-data/placement/region":
		target, body = "region", w.imds.get("region", "")
	case path == base+"/"+role:
		target, body = "role", w.imds.document("ASIAINSTANCE00000006", false)
	case w.imds.has("extended") && path == base+"-extended/"+role:
		target, body = "extended", w.imds.document("ASIAINSTANCE00000006", true)
	default:
		target = "nothing"
	}
	switch {
	case token != metadataSession && (token != "" || mode == "v2"):
		return target, 401, ""
	case strings.TrimSpace(body) == "":
		return target, 404, ""
	}
	return target, 200, body
}

// agent is the container's endpoint.
func (w *world) agent(r *http.Request) (target string, status int, body string) {
	target = "document"
	switch {
	case r.URL.Path != w.container.get("path", r.URL.Path):
		return target, 404, `{"code":"NotFound","message":"no such path"}`
	case r.Header.Get("Authorization") != w.container.get("token", ""):
		return target, 401, `{"code":"Unauthorized","message":"another token is wanted"}`
	}
	return target, 200, w.container.document("ASIACONTAINER0000005", true)
}

// document is a document of credentials as both services write it. The metadata service has the account ID
// in its extended form only.
func (s service) document(id string, account bool) string {
	f := append(strings.Fields(s.get("credentials", id)), "")
	d := fmt.Sprintf(`{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q`,
		f[0], secretOf(f[0]), tokenOf(f[0]), s.get("expires", "2000-01-01T06:00:00Z"))
	if account && f[1] != "" {
		d += fmt.Sprintf(`,"AccountId":%q`, f[1])
	}
	return d + "}"
}

func sha1Hex(s string) string   { return fmt.Sprintf("%x", sha1.Sum([]byte(s))) }
func sha256Hex(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
