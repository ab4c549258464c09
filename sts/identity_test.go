package sts_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	role := awstest.Temporary("role", time.Now().Add(time.Hour))
	for name, creds := range map[string]aws.Credentials{"user": user, "role": role} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := sts.Identity{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/a&b", UserID: "AIDAX"}
			s := &awstest.STS{Region: "eu-west-1", Principals: []awstest.Principal{
				{Credentials: creds, Account: want.Account, ARN: want.ARN, UserID: want.UserID},
			}}
			got, err := client(s, creds).GetCallerIdentity(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Len(t, s.Requests(), 1)
		})
	}
}

func TestGetCallerIdentityOnLoopback(t *testing.T) {
	t.Parallel()
	c := &sts.Client{
		Region: "eu-west-1", Endpoint: awstest.Serve(t, service()), Transport: new(http.Transport),
		Credentials: awstest.Script(awstest.Result{Credentials: user}),
	}
	got, err := c.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "123456789012", got.Account)
}

// A secret that changes under the same access key ID must be used at once.
func TestSignsWithTheSecretOfTheMoment(t *testing.T) {
	t.Parallel()
	next := user
	next.SecretAccessKey = awstest.LongTerm("next").SecretAccessKey
	s := service()
	c := client(s, user)
	c.Credentials = awstest.Script(awstest.Result{Credentials: user}, awstest.Result{Credentials: next})
	_, err := c.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	s.Add(awstest.Principal{Credentials: next})
	_, err = c.GetCallerIdentity(t.Context())
	require.NoError(t, err)
}

func TestNoCredentialsIsNoRequest(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, tt := range []struct {
		name     string
		provider aws.CredentialsProvider
		is       error
		text     string
	}{
		{"none", nil, nil, "no credentials provider"},
		{"not configured", awstest.Script(awstest.NotConfigured("x")), credchain.ErrNotConfigured, "credentials: x"},
		{"failure", awstest.Script(awstest.Result{Err: down}), down, "credentials: down"},
		{"empty", awstest.Script(awstest.Result{}), nil, "empty credentials"},
		{"half", awstest.Script(awstest.Result{Credentials: aws.Credentials{AccessKeyID: "AKIA"}}), nil, "empty credentials"},
		{"anonymous", aws.AnonymousCredentials{}, nil, "credentials: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := service()
			c := client(s, user)
			c.Credentials = tt.provider
			_, err := c.GetCallerIdentity(t.Context())
			require.ErrorContains(t, err, "sts: GetCallerIdentity: ")
			require.ErrorContains(t, err, tt.text)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			require.Empty(t, s.Requests())
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	bad := user
	bad.SecretAccessKey = awstest.LongTerm("other").SecretAccessKey
	expired := awstest.Temporary("role", time.Now().Add(-time.Hour))
	for name, creds := range map[string]aws.Credentials{
		"InvalidClientTokenId": awstest.LongTerm("stranger"), "SignatureDoesNotMatch": bad, "ExpiredToken": expired,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := service()
			s.Add(awstest.Principal{Credentials: expired})
			_, err := client(s, creds).GetCallerIdentity(t.Context())
			var e *sts.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, name, e.ErrorCode())
			require.Equal(t, 403, e.HTTPStatusCode())
			require.NotEmpty(t, e.RequestID)
			require.ErrorContains(t, err, "sts: GetCallerIdentity: "+name+": "+e.Message+" (HTTP status 403), request ID "+e.RequestID)
			require.NotErrorIs(t, err, credchain.ErrNotConfigured)
			require.NotContains(t, err.Error(), awstest.Canary)
			require.Len(t, s.Requests(), 1) // not retried
		})
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	throttled := `<ErrorResponse><Error><Code>Throttling</Code><Message>slow</Message></Error></ErrorResponse>`
	for _, tt := range []struct {
		name     string
		attempts int // of the client
		faults   []awstest.Fault
		min, max time.Duration
		fails    string
		reached  int // requests that the service saw
	}{
		{"none", 0, nil, 0, 0, "", 1},
		{"503 twice", 0, []awstest.Fault{{Status: 503, Times: 2}}, 0, 150 * time.Millisecond, "", 1},
		{"503 for ever", 0, []awstest.Fault{{Status: 503}}, 0, 150 * time.Millisecond, "HTTP status 503 without an STS error (after 3 attempts)", 0},
		{"one attempt", 1, []awstest.Fault{{Status: 503, Times: 1}}, 0, 0, "HTTP status 503", 0},
		{"reset", 0, []awstest.Fault{{Reset: true, Times: 1}}, 0, 50 * time.Millisecond, "", 1},
		{"cut off", 0, []awstest.Fault{{Truncate: 50, Times: 1}}, 0, 50 * time.Millisecond, "", 2},
		{"no answer once", 0, []awstest.Fault{{Drop: true, Times: 1}}, 10 * time.Second, 10*time.Second + 50*time.Millisecond, "", 1},
		{"half an answer once", 0, []awstest.Fault{{Drop: true, Truncate: 50, Times: 1}}, 10 * time.Second, 10*time.Second + 50*time.Millisecond, "", 2},
		{"throttled", 0, []awstest.Fault{{Status: 400, Body: throttled, Times: 1}}, 0, time.Second, "", 1},
		{"throttled with a hint", 0, []awstest.Fault{{
			Status: 400, Body: throttled, Times: 1, Header: http.Header{"X-Amz-Retry-After": {"3000"}},
		}}, 3 * time.Second, 3 * time.Second, "", 1},
		{"redirect", 0, []awstest.Fault{{Redirect: "https://elsewhere.example/"}}, 0, 0, "the service redirects to", 0},
		{"redirect that keeps the method", 0, []awstest.Fault{{Redirect: "/x", Status: 308}}, 0, 0, "HTTP 308", 0},
		{"endless", 0, []awstest.Fault{{Huge: 1 << 50}}, 0, 0, "longer than 1048576 bytes", 0},
		{"endless error", 0, []awstest.Fault{{Huge: 1 << 50, Status: 400}}, 0, 0, "longer than 1048576 bytes", 0},
		{"no XML", 0, []awstest.Fault{{Status: 200, Body: "<html>canary<br></html>"}}, 0, 0, "no XML as STS gives it", 0},
		{"another document", 0, []awstest.Fault{{Status: 200, Body: "<a>canary</a>"}}, 0, 0, "another document was expected", 0},
		{"an empty document", 0, []awstest.Fault{{Status: 200, Body: "<GetCallerIdentityResponse/>"}}, 0, 0, "names no identity", 0},
		{"an empty answer", 0, []awstest.Fault{{Status: 204}}, 0, 0, "HTTP status 204", 0},
		{"a name that is not there", 0, []awstest.Fault{{Status: 404, Body: "<html/>"}}, 0, 0, "HTTP status 404", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := service()
				c := client(awstest.Faulty(s, tt.faults...), user)
				c.MaxAttempts = tt.attempts
				start := time.Now()
				_, err := c.GetCallerIdentity(t.Context())
				if tt.fails == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.fails)
					require.NotContains(t, err.Error(), awstest.Canary)
				}
				require.GreaterOrEqual(t, time.Since(start), tt.min)
				require.LessOrEqual(t, time.Since(start), tt.max)
				require.Len(t, s.Requests(), tt.reached)
			})
		})
	}
}

// Each attempt is signed at its own time, or a late one would be refused.
func TestRetriesAreSignedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dates := make(chan string, 2)
		h := awstest.Faulty(service(), awstest.Fault{Drop: true, Times: 1})
		c := client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			dates <- r.Header.Get("X-Amz-Date")
			h.ServeHTTP(w, r)
		}), user)
		_, err := c.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, <-dates, <-dates)
	})
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := service()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := client(awstest.Faulty(s, awstest.Fault{Drop: true}), user).GetCallerIdentity(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// What STS says may hold the canonical request, and that the session token.
func TestErrorsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	role := awstest.Temporary("role", time.Now().Add(time.Hour))
	for _, message := range []string{
		"does not match.\n\nThe Canonical String was\nx-amz-security-token:" + role.SessionToken[:40],
		"token " + role.SessionToken + " and secret " + role.SecretAccessKey,
		strings.Repeat("x", 600) + role.SessionToken,
		"a tab\tand the turn of a terminal's text\u202e",
	} {
		doc := "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>" + message +
			"</Message></Error><RequestId>" + role.SessionToken + "</RequestId></ErrorResponse>"
		_, err := client(says(403, doc), role).GetCallerIdentity(t.Context())
		var e *sts.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "SignatureDoesNotMatch", e.Code)
		require.NotContains(t, err.Error(), awstest.Canary)
		require.False(t, strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }))
		require.LessOrEqual(t, len(e.Message), 515)
	}
}
