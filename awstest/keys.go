package awstest

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Canary is in every secret access key and session token of [LongTerm] and [Temporary], and in nothing else
// of them. A test for leaks searches all that a program writes for it.
const Canary = "canary"

// LongTerm returns the access key of an imaginary user: no session token, no expiry. The same name always
// gives the same key, another name another.
func LongTerm(name string) aws.Credentials {
	return aws.Credentials{AccessKeyID: keyID("AKIA", name), SecretAccessKey: secret("secret", name)}
}

// Temporary returns credentials with a session token that end at expires, which is kept to the second, as the
// services give it. The same name always gives the same keys, another name others.
func Temporary(name string, expires time.Time) aws.Credentials {
	return aws.Credentials{
		AccessKeyID:     keyID("ASIA", name),
		SecretAccessKey: secret("temporary", name),
		SessionToken:    Canary + "/Token+" + strings.Repeat(secret("token", name), 6) + "==",
		CanExpire:       true,
		Expires:         expires.UTC().Truncate(time.Second),
	}
}

// keyID has the length and alphabet of a real access key ID.
func keyID(prefix, name string) string {
	sum := sha256.Sum256([]byte(prefix + name))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:16]
}

// secret has the 40 characters of a real secret access key, and two that URLs and regular expressions mind.
func secret(kind, name string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + name))
	return Canary + "/+" + hex.EncodeToString(sum[:])[:32]
}
