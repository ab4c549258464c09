package sts

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// session is what the answers of all operations that give credentials have in common. What is not a field of
// one of them stays empty.
type session struct {
	Credentials struct {
		AccessKeyId, SecretAccessKey, SessionToken, Expiration string
	}
	AssumedRoleUser                                             struct{ Arn, AssumedRoleId string }
	PackedPolicySize, SessionTokenSize, SessionTokenUtilization string
}

func (s *session) assumedRole() AssumedRole {
	return AssumedRole{ARN: s.AssumedRoleUser.Arn, ID: s.AssumedRoleUser.AssumedRoleId}
}

// credentials checks that they are complete. whose is the ARN, or the account ID, that says whose they are.
func (s *session) credentials(operation, whose string) (aws.Credentials, error) {
	c := s.Credentials
	for _, part := range []struct{ name, value string }{
		{"AccessKeyId", c.AccessKeyId}, {"SecretAccessKey", c.SecretAccessKey},
		{"SessionToken", c.SessionToken}, {"Expiration", c.Expiration},
	} {
		if part.value == "" {
			return aws.Credentials{}, fmt.Errorf("sts: %s: the answer's credentials have no %s", operation, part.name)
		}
		// They go into headers and into signed text.
		if strings.ContainsFunc(part.value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return aws.Credentials{}, fmt.Errorf("sts: %s: the answer's %s has a character that none can have", operation, part.name)
		}
	}
	expires, err := time.Parse(time.RFC3339, c.Expiration)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("sts: %s: the answer's Expiration is no time", operation)
	}
	return aws.Credentials{
		AccessKeyID:     c.AccessKeyId,
		SecretAccessKey: c.SecretAccessKey,
		SessionToken:    c.SessionToken,
		Source:          "sts." + operation,
		CanExpire:       true,
		Expires:         expires.UTC(),
		AccountID:       accountID(whose),
	}, nil
}

// accountID takes the account out of an ARN; an account ID is its own. Servers that imitate STS can have
// neither, which is no reason to refuse their credentials.
func accountID(whose string) string {
	if fields := strings.SplitN(whose, ":", 6); len(fields) == 6 && fields[0] == "arn" {
		whose = fields[4]
	}
	if len(whose) != 12 || strings.ContainsFunc(whose, func(r rune) bool { return r < '0' || r > '9' }) {
		return ""
	}
	return whose
}

// count reads a size that is only told for information: one that cannot be read is as good as none.
func count(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
