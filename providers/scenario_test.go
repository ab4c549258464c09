package providers_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// scenario is one machine, as a file of testdata/chain describes it. The file begins with the rule that it
// pins and the rule's source. A section that is missing means that there is no such thing; a service that
// is not there refuses connections.
//
//	-- args --       --profile P, --region R, code-profile P, order java|java-v2, static ID SECRET [TOKEN [ACCOUNT]],
//	                 no-default-region, or no-home: nobody knows where the home directory is
//	-- env --        NAME=value, or NAME="a Go string"; HOME is /home/u unless it is given
//	-- home/FILE --  a file in the home directory; -- /PATH -- any other
//	-- special --    PATH unreadable|directory, in place of a file
//	-- hosts --      NAME ADDRESS...
//	-- imds --       role NAME, credentials ID [ACCOUNT], expires TIME, mode both|v1|v2, region NAME, extended, at HOST,
//	                 status TARGET WHAT, body TARGET TEXT, silent; targets: token list role extended region
//	-- container --  credentials ID [ACCOUNT], expires TIME, path PATH, token TOKEN, at HOST, silent,
//	                 status document WHAT, body document TEXT
//
// WHAT is an HTTP status, cut (half the answer), reset or silent; of several with commas each holds for one
// request, and the last for all that follow. The clock stands at 2000-01-01 00:00 UTC.
//
// By convention the secret of an access key ID is s3cret/ID+= and its session token, if it has one,
// t0ken/ID+=; so it shows if the parts of two sources are mixed, and a leak is found (see leak_test.go).
// The authorization token of a container is auth0/..., the session token of the metadata service s3ssion/....
type scenario struct {
	args      [][]string
	env       map[string]string
	home      string
	files     map[string]string
	special   map[string]error
	hosts     map[string][]string
	imds      service // nil: there is none
	container service
	want      [][2]string // verb and rest of each line; see check
}

// service is the script of a service: the lines of its section by their first word, or two for status and body.
type service map[string]string

const metadataSession = "s3ssion/metadata+="

var errSpecial = map[string]error{
	"unreadable": fs.ErrPermission,
	"directory":  syscall.EISDIR,
}

func secretOf(id string) string { return "s3cret/" + id + "+=" }
func tokenOf(id string) string  { return "t0ken/" + id + "+=" }

func readScenario(t testing.TB, path string) *scenario {
	a, err := txtar.ParseFile(path)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(a.Comment), 40, "a scenario begins with its rule and the rule's source")
	return parseScenario(t, a)
}

func parseScenario(t testing.TB, a *txtar.Archive) *scenario {
	s := &scenario{home: "/home/u", files: map[string]string{}, special: map[string]error{}, hosts: map[string][]string{}}
	s.env = map[string]string{"HOME": s.home, "USERPROFILE": s.home}
	text := map[string]string{}
	for _, f := range a.Files {
		require.NotContains(t, text, f.Name, "a section twice")
		text[f.Name] = string(f.Data)
	}
	for _, line := range lines(text["env"]) {
		name, value, ok := strings.Cut(line, "=")
		require.True(t, ok, "env: %s", line)
		if strings.HasPrefix(value, `"`) {
			var err error
			value, err = strconv.Unquote(value)
			require.NoError(t, err, "env: %s", line)
		}
		s.env[name] = value
	}
	if s.home = s.env["HOME"]; s.home == "" { // then it is the password database's
		s.env["USERPROFILE"] = ""
		u, err := user.Current()
		require.NoError(t, err)
		s.home = filepath.ToSlash(u.HomeDir)
	}
	for name, data := range text {
		switch {
		case strings.HasPrefix(name, "home/"), strings.HasPrefix(name, "/"):
			s.files[s.path(name)] = data
		case name == "args":
			for _, line := range lines(data) {
				s.args = append(s.args, strings.Fields(line))
			}
		case name == "special":
			for _, line := range lines(data) {
				path, kind, _ := strings.Cut(line, " ")
				require.Contains(t, errSpecial, kind)
				s.special[s.path(path)] = errSpecial[kind]
			}
		case name == "hosts":
			for _, line := range lines(data) {
				f := strings.Fields(line)
				s.hosts[f[0]] = f[1:]
			}
		case name == "imds":
			s.imds = parseService(data)
		case name == "container":
			s.container = parseService(data)
		case name == "want":
			for _, line := range lines(data) {
				verb, rest, _ := strings.Cut(line, " ")
				s.want = append(s.want, [2]string{verb, strings.ReplaceAll(rest, "~/", s.home+"/")})
			}
		default:
			require.Equal(t, "env", name, "an unknown section")
		}
	}
	return s
}

func parseService(text string) service {
	s := service{}
	for _, line := range lines(text) {
		key, value, _ := strings.Cut(line, " ")
		if key == "status" || key == "body" {
			target, rest, _ := strings.Cut(value, " ")
			key, value = key+" "+target, rest
		}
		s[key] = value
	}
	return s
}

func lines(text string) (out []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func (s *scenario) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "home/"); ok {
		return s.home + "/" + rest
	}
	return name
}

func (s *scenario) arg(name string) []string {
	for _, a := range s.args {
		if a[0] == name {
			return a
		}
	}
	return nil
}

// world is a scenario brought to life, with a record of what was done in it.
type world struct {
	*scenario

	mu     sync.Mutex
	opened []string
	asked  map[string]int // requests by service; those for nobody count as "nobody"
	calls  map[string]int // requests by the target of a service
}

func (s *scenario) world() *world {
	return &world{scenario: s, asked: map[string]int{}, calls: map[string]int{}}
}

// config returns what the program says, in this world.
func (w *world) config() providers.Config {
	c := providers.Config{System: providers.System{
		Getenv:    func(name string) string { return w.env[name] },
		Open:      w.open,
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

// RoundTrip carries a request to the service whose address it names.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
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

// now is the start of every scenario's clock, that of a synctest bubble.
var now = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/chain/*.txtar")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 60, "the scenarios are not where they should be")
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := readScenario(t, path)
			synctest.Test(t, func(t *testing.T) {
				o := s.resolve(t.Context())
				t.Logf("error: %v\nlive:\n%voffline:\n%v", o.err, o.live, o.offline)
				o.check(t)
				require.Empty(t, o.disagreement())
			})
		})
	}
}

// check compares an outcome with what the scenario wants. The words are
//
//	used LINK ID               Retrieve gives this access key, and Explain says of which link
//	failed LINK: TEXT          Retrieve fails at this link, with this text in its error
//	none                       nothing is configured
//	error TEXT                 is in the error as well
//	masked LINK...             all links that Explain calls masked; without the word there is none
//	warning CODE...            all warnings of Explain; without the word there is none
//	status LINK STATUS         what Explain says of a link; says LINK TEXT: its reason has the text
//	origin PLACE               is among the origins of the link that is used or fails
//	region NAME PLACE          what Region says; region error TEXT
//	account, token, secret     of the credentials: the value, or none; expires TIME or never
//	opened PATH...             all files that Retrieve opens, or none
//	asked SERVICE N            how many requests Retrieve makes of imds or container
//	within DURATION            how long Retrieve takes at most
func (o *outcome) check(t *testing.T) {
	masked, warnings, outcomes := "", "", 0
	for _, w := range o.world.want {
		verb, rest := w[0], w[1]
		first, second, _ := strings.Cut(rest, " ")
		switch verb {
		case "used":
			outcomes++
			require.NoError(t, o.err)
			require.Equal(t, second, o.creds.AccessKeyID)
			require.Equal(t, first, o.linkOf(o.creds.Source))
		case "failed":
			outcomes++
			require.NotErrorIs(t, o.err, credchain.ErrNotConfigured)
			require.Equal(t, strings.TrimSuffix(first, ":"), o.failedAt())
			require.ErrorContains(t, o.err, second)
		case "none":
			outcomes++
			require.ErrorIs(t, o.err, credchain.ErrNotConfigured)
		case "error":
			require.ErrorContains(t, o.err, rest)
		case "masked":
			masked = rest
		case "warning":
			warnings = rest
		case "status":
			require.Equal(t, second, o.attempt(first).Status.String(), first)
		case "says":
			require.Contains(t, o.attempt(first).Reason, second)
		case "origin":
			name, _ := ended(o.live)
			require.Contains(t, shownOrigins(o.attempt(name)), rest)
		case "region":
			name, origin, err := providers.Region(t.Context(), o.world.world().config())
			if first == "error" {
				require.ErrorContains(t, err, second)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, rest, name+" "+origin.String())
		case "account":
			require.Equal(t, rest, cmp.Or(o.creds.AccountID, "none"))
		case "token":
			require.Equal(t, rest, cmp.Or(o.creds.SessionToken, "none"))
		case "secret":
			require.Equal(t, rest, o.creds.SecretAccessKey)
		case "expires":
			expires := "never"
			if o.creds.CanExpire {
				expires = o.creds.Expires.UTC().Format(time.RFC3339)
			}
			require.Equal(t, rest, expires)
		case "opened":
			require.Equal(t, rest, cmp.Or(strings.Join(o.world.opened, " "), "none"))
		case "asked":
			require.Equal(t, second, strconv.Itoa(o.world.asked[first]))
		case "within":
			limit, err := time.ParseDuration(rest)
			require.NoError(t, err)
			require.LessOrEqual(t, o.took, limit)
		default:
			require.Fail(t, "an unknown word in want", verb)
		}
	}
	require.Equal(t, 1, outcomes, "a scenario has one outcome: used, failed or none")
	var gotMasked, gotWarnings []string
	for _, a := range o.live.Attempts {
		if a.Status == credchain.Masked {
			gotMasked = append(gotMasked, a.Provider)
		}
	}
	for _, w := range o.live.Warnings {
		gotWarnings = append(gotWarnings, w.Code)
	}
	require.Equal(t, masked, strings.Join(gotMasked, " "), "masked")
	require.Equal(t, warnings, strings.Join(gotWarnings, " "), "warnings")
}
