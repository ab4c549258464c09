package sts_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

// The fake, which shares no code with this client, accepts the signature and the form of every operation; it
// may refuse only for what it does not know.
func TestFakeAcceptsEveryForm(t *testing.T) {
	t.Parallel()
	unknown := []string{
		"AccessDenied", "InvalidIdentityToken", "InvalidAuthorizationMessageException",
		"OutboundWebIdentityFederationDisabledException", "ExpiredTradeInTokenException",
	}
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			s := service()
			c := client(s, user)
			c.MaxAttempts = 1
			_, err := op.call(t.Context(), c)
			require.Len(t, s.Requests(), 1)
			allowed := unknown
			switch op.name {
			case "GetAccessKeyInfo", "AssumeRoot of an ARN", "AssumeRoleWithWebIdentity, all":
				allowed = append(allowed[:len(allowed):len(allowed)], "ValidationError") // a key, a partition and a pair that it does not know
			}
			if e := (*sts.Error)(nil); errors.As(err, &e) {
				require.Contains(t, allowed, e.Code, "%v", err)
				return
			}
			require.NoError(t, err)
		})
	}
}

// One session after the other: the user's, a role's, and that role's of another.
func TestRolesInARow(t *testing.T) {
	t.Parallel()
	first, second := "arn:aws:iam::123456789012:role/first", "arn:aws:iam::210987654321:role/second"
	s := service()
	s.Roles = []awstest.Role{{ARN: first, Trust: []string{"*"}}, {ARN: second, Trust: []string{first}}}
	c := client(s, user)
	one, err := c.AssumeRole(t.Context(), sts.AssumeRoleInput{RoleARN: first, SessionName: "one", Duration: time.Hour})
	require.NoError(t, err)
	require.Equal(t, "123456789012", one.Credentials.AccountID)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/first/one", one.AssumedRole.ARN)
	two, err := client(s, one.Credentials).AssumeRole(t.Context(), sts.AssumeRoleInput{RoleARN: second, SessionName: "two"})
	require.NoError(t, err)
	require.Equal(t, "210987654321", two.Credentials.AccountID)
	who, err := client(s, two.Credentials).GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, two.AssumedRole.ARN, who.ARN)
	require.WithinDuration(t, time.Now().Add(time.Hour), two.Credentials.Expires, time.Minute)
}

// Large answers end, whatever their shape, and without complete credentials in an error.
func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nested":   "<AssumeRoleResponse><AssumeRoleResult>" + strings.Repeat("<a>", 300_000),
		"wide":     "<AssumeRoleResponse><AssumeRoleResult>" + strings.Repeat("<Credentials/>", 70_000) + "</AssumeRoleResult></AssumeRoleResponse>",
		"one tag":  "<a " + strings.Repeat("b='' ", 100_000) + "/>",
		"entities": "<AssumeRoleResponse>" + strings.Repeat("&amp;", 200_000) + "</AssumeRoleResponse>",
	} {
		for _, status := range []int{200, 400} {
			_, err := client(says(status, body), user).AssumeRole(t.Context(), sts.AssumeRoleInput{RoleARN: roleARN})
			require.Error(t, err, name)
			require.Less(t, len(err.Error()), 300)
		}
	}
}
