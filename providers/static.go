package providers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
)

// Static gives the credentials that are written in it. The zero Static is not configured. There is no flag
// for keys on a command line, because every user of the machine can read those.
type Static struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // "" for a long-term key
	AccountID       string // "" if not known
}

var _ credchain.Detector = Static{}

// Name returns "static".
func (s Static) Name() string { return "static" }

var (
	errStatic   = absent("no keys were given in code")
	staticNames = names{id: "AccessKeyID", secret: "SecretAccessKey", token: "SessionToken", account: "AccountID"}
)

// Detect tells whether there are keys. Half a key pair is an error.
func (s Static) Detect(context.Context) (credchain.Evidence, error) {
	k, _, err := s.read()
	return k.evidence(), err
}

// Retrieve returns the keys. They do not expire.
func (s Static) Retrieve(context.Context) (aws.Credentials, error) {
	_, creds, err := s.read()
	return creds, err
}

func (s Static) read() (keySet, aws.Credentials, error) {
	if s == (Static{}) {
		return keySet{}, aws.Credentials{}, errStatic
	}
	var k keySet
	k.read(&staticNames, func(name string) setting {
		var v string
		switch name {
		case "AccessKeyID":
			v = s.AccessKeyID
		case "SecretAccessKey":
			v = s.SecretAccessKey
		case "SessionToken":
			v = s.SessionToken
		case "AccountID":
			v = s.AccountID
		}
		return trimmedSetting(v, name, &credchain.Origin{Flag: "code", Key: name})
	})
	if !k.any() {
		return k, aws.Credentials{}, &failure{what: "the keys given in code have neither AccessKeyID nor SecretAccessKey"}
	}
	creds, err := k.credentials(&staticNames, "Static", "")
	return k, creds, err
}

// Format writes the same words for every verb: no secret gets into a program's output by way of a %+v.
func (s Static) Format(f fmt.State, _ rune) { io.WriteString(f, redactedStatic) }

// MarshalJSON is Format for JSON, which structured logs write.
func (s Static) MarshalJSON() ([]byte, error) { return json.Marshal(redactedStatic) }

const redactedStatic = "static credentials (redacted)"
