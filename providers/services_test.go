package providers_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

// cloud has the services and the people that a profile may need. Each world has one of its own.
type cloud struct {
	sts    *awstest.STS
	oidc   *awstest.OIDC
	sso    *awstest.SSO
	signin *awstest.SignIn
	at     map[string]string       // the host of a service that is not where AWS has it
	hosts  map[string]http.Handler // by the first words of a host name: sts, portal.sso, oidc, signin

	parrots []string // services that refuse everything, and say what they were asked

	mu        sync.Mutex
	programs  map[string]map[string]string // by the program's path: stdout, stderr, exit or hang
	answers   []string
	terminal  bool
	questions []string
	ran       []string
}

// builtFrom reads the sections of a scenario that describe the cloud. files are those of the world, to which
// sessions and tokens are added.
func builtFrom(s *scenario, files map[string]string) *cloud {
	c := &cloud{
		sts: &awstest.STS{}, oidc: &s.oidc, sso: &awstest.SSO{}, signin: &awstest.SignIn{},
		programs: map[string]map[string]string{}, hosts: map[string]http.Handler{}, at: map[string]string{},
	}
	c.sso.STS, c.signin.STS = c.sts, c.sts
	c.sts.Issuers = []*awstest.OIDC{c.oidc}
	for name, part := range map[string]struct {
		service http.Handler
		add     func(*scenario, map[string]string, []string) []awstest.Fault
		hosts   []string
	}{
		"sts":    {c.sts, c.addToSTS, []string{"sts"}},
		"sso":    {c.sso, c.addToSSO, []string{"portal.sso", "oidc"}},
		"signin": {c.signin, c.addToSignIn, []string{"signin"}},
	} {
		var faults []awstest.Fault
		for _, f := range s.cloud[name] {
			faults = append(faults, part.add(s, files, f)...)
		}
		if len(s.cloud[name]) > 0 {
			h := awstest.Faulty(part.service, faults...)
			for _, host := range part.hosts {
				c.hosts[host] = c.parroted(host, h)
			}
		}
	}
	for _, f := range s.cloud["run"] { // PROGRAM stdout|stderr|exit|hang TEXT
		program, _ := url.PathUnescape(f[0])
		if c.programs[program] == nil {
			c.programs[program] = map[string]string{}
		}
		c.programs[program][f[1]] = strings.Join(f[2:], " ")
	}
	_, c.terminal = s.cloud["answers"]
	for _, f := range s.cloud["answers"] {
		c.answers = append(c.answers, f[0])
	}
	return c
}

func (c *cloud) addToSTS(s *scenario, files map[string]string, f []string) (faults []awstest.Fault) {
	o := options(f[1:])
	switch f[0] {
	case "region":
		c.sts.Region = f[1]
	case "user": // ID [arn=ARN]
		c.sts.Principals = append(c.sts.Principals, awstest.Principal{Credentials: keysOf(f[1]), ARN: o.get("arn", "")})
	case "role": // ARN trust=ARN,ARN external=X mfa max=DURATION subject=S audience=A
		r := awstest.Role{ARN: f[1], ExternalID: o.get("external", ""), RequireMFA: o.has("mfa"), MaxDuration: o.duration("max")}
		if o.has("trust") {
			r.Trust = strings.Split(o["trust"], ",")
		}
		if o.has("subject") || o.has("audience") {
			r.WebIdentity = []awstest.WebIdentityTrust{{Issuer: "https://oidc.example.com", Subject: o.get("subject", ""), Audience: o.get("audience", "")}}
		}
		c.sts.Roles = append(c.sts.Roles, r)
	case "device": // SERIAL CODE...
		c.sts.MFADevices = append(c.sts.MFADevices, awstest.MFADevice{Serial: f[1], Codes: f[2:]})
	case "token": // PATH subject=S [audience=A] [expires=TIME]
		claims := awstest.Claims{Subject: o.get("subject", ""), Expires: o.time("expires")}
		if o.has("audience") {
			claims.Audience = []string{o["audience"]}
		}
		end := "\n"
		if o.has("crlf") {
			end = " \r\n\r\n"
		}
		files[s.path(f[1])] = c.oidc.Token(claims) + end
	case "fault": // CODE TIMES, an answer of STS; or status=N
		var fault awstest.Fault
		if f[1] != strings.ToUpper(f[1][:1])+f[1][1:] || f[1][0] <= '9' {
			fault = faultOf(f, "<html>nothing to see here</html>")
		} else {
			fault = awstest.STSFault(f[1])
		}
		fault.Times, _ = strconv.Atoi(f[2])
		faults = append(faults, fault)
	case "at": // HOST
		c.at["sts"] = f[1]
	case "disabled": // REGION
		c.sts.DisabledRegions = append(c.sts.DisabledRegions, f[1])
	case "unreachable": // the issuer of web identity tokens
		c.oidc.SetUnreachable(true)
	case "parrots":
		c.parrots = append(c.parrots, "sts")
	case "here": // nothing but the service
	default:
		panic("sts: " + f[0])
	}
	return faults
}

func (c *cloud) addToSSO(s *scenario, files map[string]string, f []string) (faults []awstest.Fault) {
	o := options(f[1:])
	switch f[0] {
	case "role": // ACCOUNT NAME ID
		creds := keysOf(f[3])
		creds.CanExpire, creds.Expires = true, time.Date(2000, 1, 1, 6, 0, 0, 0, time.UTC)
		c.sso.Roles = append(c.sso.Roles, awstest.SSORole{AccountID: f[1], Name: f[2], Credentials: creds})
	case "session": // NAME-OR-URL expires=TIME [legacy] [registration=TIME] [utc]
		session := c.sso.Session(o.time("expires"))
		if o.has("legacy") {
			session.RefreshToken, session.ClientID, session.ClientSecret = "", "", ""
		}
		if o.has("registration") {
			session.RegistrationExpires = o.time("registration")
		}
		text := session.File()
		if o.has("utc") { // as older versions of the AWS CLI wrote it
			text = strings.ReplaceAll(text, session.Expires.UTC().Format("2006-01-02T15:04:05Z"), session.Expires.UTC().Format("2006-01-02T15:04:05UTC"))
		}
		files[s.path("home/.aws/sso/cache/"+sha1Hex(f[1])+".json")] = o.withMore(text)
	case "signed-out":
		c.sso.SignOut()
	case "keeps-refresh-token":
		c.sso.KeepRefreshToken = true
	case "fault": // STATUS TIMES PATH
		fault := faultOf(f, `{"message":"nothing to see here"}`)
		fault.Path = f[3]
		faults = append(faults, fault)
	case "at": // SERVICE HOST
		c.at[f[1]] = f[2]
	case "parrots": // SERVICE
		c.parrots = append(c.parrots, f[1])
	case "here":
	default:
		panic("sso: " + f[0])
	}
	return faults
}

// parroted returns a service, or what stands in its place and repeats each request in its refusal: the error must
// not show what was secret in the request.
func (c *cloud) parroted(name string, service http.Handler) http.Handler {
	if !slices.Contains(c.parrots, name) {
		return service
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said := []string{"what does this mean", r.URL.RawQuery, string(body)}
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			said = append(said, r.Header[name]...)
		}
		if form, err := url.ParseQuery(string(body)); err == nil {
			for _, name := range slices.Sorted(maps.Keys(form)) {
				said = append(said, form[name]...)
			}
		}
		message := strings.Join(said, " ")
		w.WriteHeader(http.StatusBadRequest)
		if name == "sts" {
			fmt.Fprint(w, "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>")
			_ = xml.EscapeText(w, []byte(message))
			fmt.Fprint(w, "</Message></Error></ErrorResponse>")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": message, "message": message})
	})
}

func (c *cloud) addToSignIn(s *scenario, files map[string]string, f []string) (faults []awstest.Fault) {
	o := options(f[1:])
	switch f[0] {
	case "session": // ARN expires=TIME [short] [file=PATH] [more=FIELD:VALUE]
		session := c.signin.Session(o.time("expires"))
		if o.has("short") {
			session = c.signin.ShortKeySession(o.time("expires"))
		}
		files[s.path(o.get("file", "home/.aws/login/cache/"+sha256Hex(f[1])+".json"))] = o.withMore(session.File())
	case "refuse": // CODE
		c.signin.Refuse(f[1])
	case "at": // HOST
		c.at["signin"] = f[1]
	case "fault": // FAULT TIMES
		faults = append(faults, faultOf(f, "nothing to see here"))
	case "parrots":
		c.parrots = append(c.parrots, "signin")
	case "here":
	default:
		panic("signin: " + f[0])
	}
	return faults
}

// faultOf reads a line: fault WHAT TIMES, where WHAT is an HTTP status, reset or silent.
func faultOf(f []string, body string) (fault awstest.Fault) {
	switch fault.Times, _ = strconv.Atoi(f[2]); f[1] {
	case "reset":
		fault.Reset = true
	case "silent":
		fault.Drop = true
	default:
		fault.Status, _ = strconv.Atoi(f[1])
		fault.Body = body
	}
	return fault
}

// keysOf are the credentials of an access key ID, by the convention of the scenarios.
func keysOf(id string) aws.Credentials {
	c := aws.Credentials{AccessKeyID: id, SecretAccessKey: secretOf(id)}
	if strings.HasPrefix(id, "ASIA") {
		c.SessionToken = tokenOf(id)
	}
	return c
}

// option are the words NAME=VALUE or NAME of a line.
type option map[string]string

func options(words []string) option {
	o := option{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		o[name] = value
	}
	return o
}

func (o option) has(name string) bool { _, ok := o[name]; return ok }

func (o option) get(name, otherwise string) string {
	if v, ok := o[name]; ok {
		return v
	}
	return otherwise
}

func (o option) time(name string) time.Time {
	t, _ := time.Parse(time.RFC3339, o[name])
	return t
}

// withMore adds the field of more=NAME:VALUE to a JSON object.
func (o option) withMore(object string) string {
	name, value, ok := strings.Cut(o["more"], ":")
	if !ok {
		return object
	}
	return strings.Replace(object, "{", fmt.Sprintf("{%q: %q, ", name, value), 1)
}

func (o option) duration(name string) time.Duration {
	d, _ := time.ParseDuration(o[name])
	return d
}

// handler returns the service that a host name means, and its name.
func (c *cloud) handler(host string) (name string, h http.Handler) {
	for prefix, h := range c.hosts {
		if at, moved := c.at[prefix]; moved {
			if host == at {
				return prefix, h
			}
			continue
		}
		if strings.HasPrefix(host, prefix+".") || strings.HasPrefix(host, prefix+"-fips.") || prefix == "signin" && strings.Contains(host, ".signin.") {
			return prefix, h
		}
	}
	return "", nil
}

// prompt is a person who takes a while to find the device.
func (c *cloud) prompt(ctx context.Context, question string) (string, error) {
	if !c.terminal {
		return "", providers.ErrNoTerminal
	}
	select {
	case <-time.After(7 * time.Second):
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.questions = append(c.questions, question)
	if len(c.answers) == 0 {
		return "", errors.New("the person has gone away")
	}
	answer := c.answers[0]
	c.answers = c.answers[1:]
	return answer, nil
}

type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
func (e exitStatus) ExitCode() int { return int(e) }

func (c *cloud) run(ctx context.Context, argv []string) (stdout, stderr []byte, err error) {
	c.mu.Lock()
	c.ran = append(c.ran, strings.Join(argv, "|"))
	p, there := c.programs[argv[0]]
	c.mu.Unlock()
	if !there {
		name, _, _ := strings.Cut(argv[0], "=") // as package process says it
		return nil, nil, fmt.Errorf("%s: not found", name)
	}
	if _, hangs := p["hang"]; hangs {
		<-ctx.Done()
		return nil, nil, context.Cause(ctx)
	}
	if n, _ := strconv.Atoi(p["exit"]); n != 0 {
		err = exitStatus(n)
	}
	return []byte(p["stdout"]), []byte(p["stderr"]), err
}

// last is the session that STS has handed out last.
func (c *cloud) last(t *testing.T) awstest.Session {
	all := c.sts.Sessions()
	require.NotEmpty(t, all, "STS has handed out nothing")
	return all[len(all)-1]
}

// calls counts the calls of an operation, whichever service has it.
func (c *cloud) calls(operation string) int {
	return c.sts.Calls(operation) + c.sso.Calls(operation) + c.signin.Calls(operation)
}

// check compares one line of want; it reports whether it knows the verb. See scenario.
func (c *cloud) check(t *testing.T, verb, rest string, creds aws.Credentials) bool {
	first, second, _ := strings.Cut(rest, " ")
	switch verb {
	case "identity":
		var arn string
		for _, s := range c.sts.Sessions() {
			if s.Principal.Credentials.AccessKeyID == creds.AccessKeyID {
				arn = s.Principal.ARN
			}
		}
		require.Contains(t, arn, rest, "the identity of %s", creds.AccessKeyID)
	case "callers":
		var callers []string
		for _, s := range c.sts.Sessions() {
			callers = append(callers, s.Caller)
		}
		require.Len(t, callers, len(strings.Fields(rest)))
		for i, want := range strings.Fields(rest) {
			require.Contains(t, callers[i], strings.Trim(want, "-"), "who called %d", i+1)
		}
	case "session":
		s := c.last(t)
		got := map[string]string{
			"duration": s.Duration.String(), "external-id": s.ExternalID, "serial": s.SerialNumber,
			"name": s.Principal.ARN[strings.LastIndexByte(s.Principal.ARN, '/')+1:],
		}
		require.Contains(t, got, first)
		require.Equal(t, second, got[first])
	case "did":
		require.Equal(t, second, strconv.Itoa(c.calls(first)), "calls of %s", first)
	case "questions":
		require.Equal(t, rest, strconv.Itoa(len(c.questions)), "%q", c.questions)
	case "ran":
		require.Equal(t, rest, strings.Join(c.ran, " & "))
	default:
		return false
	}
	return true
}
