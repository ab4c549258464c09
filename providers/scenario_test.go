package providers_test

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/awstest"
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
//	-- sts --        here; region NAME: the one to sign for; disabled REGION; at HOST; user ID [arn=ARN]; role ARN trust=ARN,...
//	                 [external=ID] [mfa] [max=DURATION] [subject=S] [audience=A]; device SERIAL CODE...; token PATH subject=S
//	                 [audience=A] [expires=TIME] [crlf] writes a web identity token; unreachable: its issuer; fault CODE|FAULT TIMES; parrots: refuses
//	                 everything, and repeats the request
//	-- sso --        here; at portal.sso|oidc HOST; role ACCOUNT NAME ID; session NAME-OR-URL expires=TIME [legacy]
//	                 [registration=TIME] [utc] [more=FIELD:VALUE] writes the file of a session; signed-out; keeps-refresh-token; fault FAULT TIMES PATH;
//	                 parrots portal.sso|oidc
//	-- signin --     here; at HOST; session ARN expires=TIME [short] [file=PATH] [more=FIELD:VALUE] writes the file of a session; refuse CODE; fault FAULT TIMES; parrots
//	-- run --        PROGRAM, with %20 for a blank, then stdout TEXT, stderr TEXT, exit N or hang
//	-- answers --    what the person at the terminal answers, a line each; without the section there is no terminal
//
// WHAT is an HTTP status, cut (half the answer), reset or silent; of several with commas each holds for one
// request, and the last for all that follow. FAULT is an HTTP status, reset or silent; TIMES 0 is always. The clock stands at 2000-01-01 00:00 UTC.
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
	cloud     map[string][][]string // the words of each line of sts, sso, signin, run and answers
	oidc      awstest.OIDC          // the issuer of web identity tokens, whose keys all worlds know
	want      [][2]string           // verb and rest of each line; see check
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
	require.GreaterOrEqual(t, len(a.Comment), 12, "a scenario begins with the rule that it shows")
	return parseScenario(t, a)
}

func parseScenario(t testing.TB, a *txtar.Archive) *scenario {
	s := &scenario{home: "/home/u", files: map[string]string{}, special: map[string]error{}, hosts: map[string][]string{}, cloud: map[string][][]string{}}
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
		case name == "sts", name == "sso", name == "signin", name == "run", name == "answers":
			s.cloud[name] = [][]string{}
			for _, line := range lines(data) {
				s.cloud[name] = append(s.cloud[name], strings.Fields(line))
			}
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

func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/chain/*.txtar")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 400, "the scenarios are not where they should be")
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
//	error TEXT                 is in the error as well; without TEXT: is not
//	masked LINK...             all links that Explain calls masked; without the word there is none
//	warning CODE...            all warnings of Explain; without the word there is none
//	status LINK STATUS         what Explain says of a link; says LINK TEXT: its reason has the text
//	origin PLACE               is among the origins of the link that is used or fails
//	region NAME PLACE          what Region says; region error TEXT
//	account, token, secret     of the credentials: the value, or none; expires TIME or never
//	opened PATH...             all files that Retrieve opens, or none
//	asked SERVICE N            how many requests Retrieve makes of imds, container, sts, portal.sso, oidc or signin
//	host SERVICE HOST...       all hosts at which Retrieve asks it
//	within DURATION            how long Retrieve takes at most
//	identity TEXT              is in the ARN of the identity that STS has given the credentials to
//	callers TEXT...            is in the ARNs of those who called STS, in order; - for nobody
//	session KEY VALUE          of the last session of STS: duration, external-id, serial or name
//	did OPERATION N            how often Retrieve calls it, of STS, SSO or sign-in
//	questions N                how many the person is asked
//	ran WORD|WORD...           what is run
//	kept PATH TEXT             is in the file after Retrieve; same, changed PATH FIELD: so is the field of its JSON object
func (o *outcome) check(t *testing.T) {
	masked, warnings, outcomes := "", "", 0
	for _, w := range o.world.want {
		verb, rest := w[0], w[1]
		first, second, _ := strings.Cut(rest, " ")
		switch verb {
		case "used":
			outcomes++
			require.NoError(t, o.err)
			if second != "-" {
				require.Equal(t, second, o.creds.AccessKeyID)
			}
			require.Equal(t, first, o.linkOf(o.creds.Source))
			require.NotEmpty(t, second, "used LINK ID, or - for one that STS has made up")
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
		case "host":
			require.Equal(t, second, strings.Join(o.world.at[first], " "))
		case "within":
			limit, err := time.ParseDuration(rest)
			require.NoError(t, err)
			require.LessOrEqual(t, o.took, limit)
		case "kept":
			require.Contains(t, o.world.files[first], second)
		case "same", "changed":
			before, after := field(t, o.world.born[first], second), field(t, o.world.files[first], second)
			require.Equal(t, verb == "same", before == after, "%s of %s", second, first)
		case "without":
			require.NotContains(t, o.err.Error(), rest)
		default:
			require.True(t, o.world.cloud.check(t, verb, rest, o.creds), "an unknown word in want: %s", verb)
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

// field returns a field of a file that is a JSON object. It has to be there.
func field(t *testing.T, file, name string) string {
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(file), &object))
	require.Contains(t, object, name)
	return string(object[name])
}
