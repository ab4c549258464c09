package awstest_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// assume has the parameters that each AssumeRole needs, and some more.
func assume(arn string, more ...string) []string {
	return append([]string{"RoleArn", arn, "RoleSessionName", "s1"}, more...)
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := people(awstest.Role{ARN: roleARN, ID: "AROAX", Trust: []string{userARN}, ExternalID: "ext", MaxDuration: 2 * time.Hour})
		got := call(t, s, ann(), "AssumeRole", assume(roleARN, "ExternalId", "ext", "DurationSeconds", "7200",
			"Policy", `{"Version":"2012-10-17","Statement":[]}`, "PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess",
			"Tags.member.1.Key", "team", "Tags.member.1.Value", "a b", "Tags.member.2.Key", "env", "Tags.member.2.Value", "",
			"TransitiveTagKeys.member.1", "team", "SourceIdentity", "ann", "MinimumSessionTokenSize", "4096",
			"ProvidedContexts.member.1.ProviderArn", "arn:aws:iam::aws:contextProvider/IdentityCenter",
			"ProvidedContexts.member.1.ContextAssertion", "assertion")...)
		creds := got.credentials()
		require.Equal(t, "arn:aws:sts::"+account+":assumed-role/deploy/s1", got.field("Arn"))
		require.Equal(t, "AROAX:s1", got.field("AssumedRoleId"))
		require.Equal(t, "ann", got.field("SourceIdentity"))
		require.Equal(t, "3", got.field("PackedPolicySize"))
		require.Equal(t, "4096", got.field("SessionTokenSize"))
		require.Equal(t, "100", got.field("SessionTokenUtilization"))
		require.Len(t, creds.SessionToken, 4096)
		require.True(t, strings.HasPrefix(creds.AccessKeyID, "ASIA"))
		require.Equal(t, time.Now().Add(2*time.Hour), creds.Expires.Local())
		require.Contains(t, got.body, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">`)
		require.Contains(t, got.body, "<AssumeRoleResult>")

		want := []awstest.Session{{
			Operation: "AssumeRole", Caller: userARN, Duration: 2 * time.Hour,
			Policy: `{"Version":"2012-10-17","Statement":[]}`, PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
			Tags: map[string]string{"team": "a b", "env": ""}, TransitiveTagKeys: []string{"team"},
			Contexts:   map[string]string{"arn:aws:iam::aws:contextProvider/IdentityCenter": "assertion"},
			ExternalID: "ext", SourceIdentity: "ann",
			Principal: awstest.Principal{Account: account, ARN: got.field("Arn"), UserID: "AROAX:s1"},
		}}
		require.Empty(t, cmp.Diff(want, s.Sessions(), cmpopts.IgnoreFields(awstest.Principal{}, "Credentials")))
		require.Equal(t, creds.SessionToken, s.Sessions()[0].Principal.Credentials.SessionToken)
		require.Equal(t, 1, s.Calls("AssumeRole"))
		require.Equal(t, awstest.Request{Method: "POST", Path: "/", Authorized: true, Status: 200, Operation: "AssumeRole"}, s.Requests()[0])

		// What was handed out signs, until it expires.
		who := call(t, s, creds, "GetCallerIdentity")
		require.Equal(t, got.field("Arn"), who.field("Arn"))
		require.Equal(t, "AROAX:s1", who.field("UserId"))
		require.Equal(t, account, who.field("Account"))
		time.Sleep(2*time.Hour - time.Second)
		require.Equal(t, 200, call(t, s, creds, "GetCallerIdentity").status)
		time.Sleep(time.Second)
		call(t, s, creds, "GetCallerIdentity").refused(403, "ExpiredToken")
	})
}

func TestAssumeRoleDefaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := people(awstest.Role{ARN: roleARN, Trust: []string{"*"}}, awstest.Role{ARN: roleARN + "2", Trust: []string{"*"}, MaxDuration: 12 * time.Hour})
		for _, arn := range []string{roleARN, roleARN + "2"} {
			got := call(t, s, ann(), "AssumeRole", assume(arn)...)
			require.Equal(t, time.Now().Add(time.Hour), got.credentials().Expires.Local())
			require.Empty(t, got.field("PackedPolicySize"))
			require.Empty(t, got.field("SourceIdentity"))
		}
	})
}

func TestAssumeRoleTrust(t *testing.T) {
	t.Parallel()
	const session = "arn:aws:sts::" + account + ":assumed-role/base/x"
	for _, tt := range []struct {
		name     string
		trust    []string
		as       string // the principal's ARN
		accepted bool
	}{
		{"nobody", nil, userARN, false},
		{"everybody", []string{"*"}, userARN, true},
		{"the user", []string{otherARN, userARN}, userARN, true},
		{"another user", []string{otherARN}, userARN, false},
		{"the account", []string{"arn:aws:iam::" + account + ":root"}, userARN, true},
		{"another account", []string{"arn:aws:iam::444455556666:root"}, userARN, false},
		{"the session", []string{session}, session, true},
		{"another session", []string{session + "y"}, session, false},
		{"the session's role", []string{"arn:aws:iam::" + account + ":role/path/base"}, session, true},
		{"another role", []string{"arn:aws:iam::" + account + ":role/base2"}, session, false},
		{"the same role of another account", []string{"arn:aws:iam::444455556666:role/base"}, session, false},
		{"the session's account", []string{"arn:aws:iam::" + account + ":root"}, session, true},
		{"a user with the name of a role", []string{"arn:aws:iam::" + account + ":role/ann"}, userARN, false},
		{"a pattern is not one", []string{"arn:aws:iam::" + account + ":user/*"}, userARN, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			creds := awstest.LongTerm("x")
			s := &awstest.STS{
				Principals: []awstest.Principal{{Credentials: creds, ARN: tt.as}},
				Roles:      []awstest.Role{{ARN: roleARN, Trust: tt.trust}},
			}
			got := call(t, s, creds, "AssumeRole", assume(roleARN)...)
			if tt.accepted {
				got.credentials()
				return
			}
			got.refused(403, "AccessDenied")
			require.Equal(t, "User: "+tt.as+" is not authorized to perform: sts:AssumeRole on resource: "+roleARN, got.field("Message"))
			require.Empty(t, s.Sessions())
			require.Equal(t, "AccessDenied", s.Requests()[0].Code)
		})
	}
}

func TestAssumeRoleRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2000)
	for _, tt := range []struct {
		name   string
		as     string // "" = ann
		params []string
		code   string
	}{
		{"no such role", "", assume(roleARN + "s"), "AccessDenied"},
		{"without the external ID", "", assume(roleARN), "AccessDenied"},
		{"another external ID", "", assume(roleARN, "ExternalId", "ext2"), "AccessDenied"},
		{"the root user", "root", assume(roleARN, "ExternalId", "ext"), "AccessDenied"},
		{"longer than the role allows", "", assume(roleARN, "ExternalId", "ext", "DurationSeconds", "3601"), "ValidationError"},
		{"no ARN", "", assume("arn:aws:iam:eu-west-1:role/deploy", "ExternalId", "ext"), "ValidationError"},
		{"ARN of a user", "", assume(userARN, "ExternalId", "ext"), "ValidationError"},
		{"ARN with a short account", "", assume("arn:aws:iam::12:role/deploy", "ExternalId", "ext"), "ValidationError"},
		{"a policy that is no JSON", "", assume(roleARN, "ExternalId", "ext", "Policy", "{"), "MalformedPolicyDocument"},
		{"a policy without statements", "", assume(roleARN, "ExternalId", "ext", "Policy", `{"Version":"2012-10-17"}`), "MalformedPolicyDocument"},
		{"a policy ARN that is none", "", assume(roleARN, "ExternalId", "ext", "PolicyArns.member.1.arn", "arn:aws:iam::aws:role/ReadOnly"), "ValidationError"},
		{"policies that need too much room", "", assume(roleARN, "ExternalId", "ext",
			"PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/"+long, "PolicyArns.member.2.arn", "arn:aws:iam::aws:policy/"+long,
			"PolicyArns.member.3.arn", "arn:aws:iam::aws:policy/"+long), "PackedPolicyTooLarge"},
		{"the same tag twice", "", assume(roleARN, "ExternalId", "ext", "Tags.member.1.Key", "team", "Tags.member.1.Value", "1",
			"Tags.member.2.Key", "Team", "Tags.member.2.Value", "2"), "ValidationError"},
		{"a transitive key without its tag", "", assume(roleARN, "ExternalId", "ext", "TransitiveTagKeys.member.1", "team"), "ValidationError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := people(awstest.Role{ARN: roleARN, Trust: []string{"*"}, ExternalID: "ext"})
			creds := ann()
			if tt.as != "" {
				creds = awstest.LongTerm(tt.as)
			}
			status := map[string]int{"AccessDenied": 403}[tt.code]
			if status == 0 {
				status = 400
			}
			call(t, s, creds, "AssumeRole", tt.params...).refused(status, tt.code)
			require.Empty(t, s.Sessions())
		})
	}
}

// A role's session can assume a role for an hour, and no longer, whatever the role allows.
func TestRoleChaining(t *testing.T) {
	t.Parallel()
	const second = "arn:aws:iam::444455556666:role/second"
	s := people(awstest.Role{ARN: roleARN, Trust: []string{userARN}},
		awstest.Role{ARN: second, Trust: []string{roleARN}, MaxDuration: 12 * time.Hour})
	call(t, s, ann(), "AssumeRole", assume(second)...).refused(403, "AccessDenied") // only the role is trusted
	first := call(t, s, ann(), "AssumeRole", assume(roleARN, "SourceIdentity", "ann",
		"Tags.member.1.Key", "team", "Tags.member.1.Value", "a", "Tags.member.2.Key", "env", "Tags.member.2.Value", "b",
		"TransitiveTagKeys.member.1", "team")...).credentials()

	got := call(t, s, first, "AssumeRole", assume(second, "DurationSeconds", "3601")...)
	got.refused(400, "ValidationError")
	require.Contains(t, got.field("Message"), "1 hour session limit for roles assumed by role chaining")
	call(t, s, first, "AssumeRole", assume(second, "SourceIdentity", "bob")...).refused(403, "AccessDenied")
	call(t, s, first, "AssumeRole", assume(second, "Tags.member.1.Key", "TEAM", "Tags.member.1.Value", "c")...).refused(400, "ValidationError")

	call(t, s, first, "AssumeRole", assume(second, "DurationSeconds", "3600", "Tags.member.1.Key", "env", "Tags.member.1.Value", "c")...).credentials()
	sessions := s.Sessions()
	require.Len(t, sessions, 2)
	require.Equal(t, "arn:aws:sts::"+account+":assumed-role/deploy/s1", sessions[1].Caller)
	require.Equal(t, "arn:aws:sts::444455556666:assumed-role/second/s1", sessions[1].Principal.ARN)
	require.Equal(t, map[string]string{"team": "a", "env": "c"}, sessions[1].Tags)
	require.Equal(t, []string{"team"}, sessions[1].TransitiveTagKeys)
	require.Equal(t, "ann", sessions[1].SourceIdentity)
	require.Equal(t, time.Hour, sessions[1].Duration)
}

func TestMFA(t *testing.T) {
	t.Parallel()
	locked := awstest.Role{ARN: roleARN, Trust: []string{"*"}, RequireMFA: true, MaxDuration: 12 * time.Hour}
	with := func(serial, code string) []string { return assume(roleARN, "SerialNumber", serial, "TokenCode", code) }

	t.Run("code", func(t *testing.T) {
		t.Parallel()
		s := people(locked)
		call(t, s, ann(), "AssumeRole", assume(roleARN)...).refused(403, "AccessDenied")
		wrong := call(t, s, ann(), "AssumeRole", with(serial, "654321")...)
		wrong.refused(403, "AccessDenied")
		require.Contains(t, wrong.field("Message"), "invalid MFA one time pass code")
		call(t, s, ann(), "AssumeRole", with(serial, "123456")...).credentials()
		require.Equal(t, serial, s.Sessions()[0].SerialNumber)
		again := call(t, s, ann(), "AssumeRole", with(serial, "123456")...)
		again.refused(403, "AccessDenied")
		require.Contains(t, again.field("Message"), "invalid MFA one time pass code")
		s.AddCodes(serial, "222222")
		call(t, s, ann(), "AssumeRole", with(serial, "222222")...).credentials()
		call(t, s, ann(), "AssumeRole", with(serial, "222222")...).refused(403, "AccessDenied")
	})
	t.Run("serial", func(t *testing.T) {
		t.Parallel()
		s := people(locked)
		for name, got := range map[string]result{
			"unknown":        call(t, s, ann(), "AssumeRole", with(serial+"2", "123456")...),
			"another user's": call(t, s, awstest.LongTerm("bob"), "AssumeRole", with(serial, "123456")...),
		} {
			got.refused(403, "AccessDenied")
			require.Contains(t, got.field("Message"), "verify your MFA serial number", name)
		}
		call(t, s, ann(), "AssumeRole", assume(roleARN, "SerialNumber", serial)...).refused(400, "ValidationError")
		call(t, s, ann(), "AssumeRole", assume(roleARN, "TokenCode", "123456")...).refused(400, "ValidationError")
		call(t, s, ann(), "AssumeRole", with(serial, "123456")...).credentials() // none of this has used it up
	})
	t.Run("a role's session has no device", func(t *testing.T) {
		t.Parallel()
		s := people(locked, awstest.Role{ARN: roleARN + "2", Trust: []string{"*"}})
		s.MFADevices[0].User = ""
		role := call(t, s, ann(), "AssumeRole", assume(roleARN+"2")...).credentials()
		call(t, s, role, "AssumeRole", with(serial, "123456")...).refused(403, "AccessDenied")
	})
	t.Run("session with a code", func(t *testing.T) {
		t.Parallel()
		s := people(locked)
		session := call(t, s, ann(), "GetSessionToken", "SerialNumber", serial, "TokenCode", "123456").credentials()
		call(t, s, ann(), "AssumeRole", with(serial, "123456")...).refused(403, "AccessDenied") // used up
		// It is no role, so that more than an hour is fine.
		call(t, s, session, "AssumeRole", assume(roleARN, "DurationSeconds", "43200")...).credentials()
	})
	t.Run("session without a code", func(t *testing.T) {
		t.Parallel()
		s := people(locked)
		session := call(t, s, ann(), "GetSessionToken").credentials()
		call(t, s, session, "AssumeRole", assume(roleARN)...).refused(403, "AccessDenied")
	})
	t.Run("used by one of many", func(t *testing.T) {
		t.Parallel()
		s := people(locked)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				call(t, s, ann(), "AssumeRole", with(serial, "123456")...)
			})
		}
		all.Wait()
		require.Len(t, s.Sessions(), 1)
	})
}
