package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/wire"
)

// containerCredentials reads the endpoint's document.
func containerCredentials(body []byte) (aws.Credentials, error) {
	var d struct {
		AccessKeyId, SecretAccessKey, Token, AccountId string // spelled as on the wire
		Expiration                                     string
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return aws.Credentials{}, errors.New("the answer is no JSON document of credentials") // the parser's error could quote it
	}
	for _, field := range [...]struct{ name, value string }{
		{"AccessKeyId", d.AccessKeyId}, {"SecretAccessKey", d.SecretAccessKey}, {"Token", d.Token}, {"Expiration", d.Expiration},
	} {
		if field.value == "" { // all four, as the AWS CLI has it: these are a role's credentials
			return aws.Credentials{}, fmt.Errorf("the answer has no %s", field.name)
		}
	}
	end, err := time.Parse(time.RFC3339, d.Expiration)
	if err != nil {
		return aws.Credentials{}, errors.New("the answer's Expiration is no RFC 3339 time")
	}
	if !end.After(time.Now()) { // as the AWS CLI has it
		return aws.Credentials{}, fmt.Errorf("the credentials in the answer expired at %s", end.UTC().Format(time.RFC3339))
	}
	return aws.Credentials{
		AccessKeyID:     d.AccessKeyId,
		SecretAccessKey: d.SecretAccessKey,
		SessionToken:    d.Token,
		AccountID:       d.AccountId,
		Source:          "Container",
		CanExpire:       true,
		Expires:         end,
	}, nil
}

// answerError is an answer other than 200, in words.
type answerError struct {
	status        int
	code, message string
}

func (e *answerError) Error() string {
	s := fmt.Sprintf("HTTP %d", e.status)
	for _, part := range [...]string{e.code, e.message} {
		if part != "" {
			s += ": " + part
		}
	}
	return s
}

// HTTPStatusCode is what the retryer classifies by.
func (e *answerError) HTTPStatusCode() int { return e.status }

// refusedError is such an answer of a container's agent, whose codes are AWS's: the retryer looks at them as well.
type refusedError struct{ answerError }

func (e *refusedError) ErrorCode() string { return e.code }

// refusal reads code and message of an error answer, the two fields that the ECS agent and the EKS agent give.
// They are shown without the token, should the service repeat it.
func refusal(resp *wire.Response, token string) error {
	var d struct{ Code, Message string }
	_ = json.Unmarshal(resp.Body, &d) // any other body says nothing that may be shown
	return backoff.Hinted(resp.Header, &refusedError{answerError{resp.StatusCode, wire.Clean(d.Code, token), wire.Clean(d.Message, token)}})
}
