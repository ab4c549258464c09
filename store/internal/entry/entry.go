// Package entry is the form in which credentials are kept outside of a process: the JSON of the AWS CLI's cache,
// with a field more.
package entry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	version = 1       // what an entry is written as; a newer one is not read
	maxSize = 1 << 20 // more is no entry
)

// Errors of Parse.
var (
	ErrForeign = errors.New("it was not written by this library")
	ErrOther   = errors.New("it belongs to another key")
)

// Entry is what is kept. It must not be formatted: its credentials would show.
type Entry struct {
	Key         string // what the entry is kept under
	Credentials aws.Credentials
	Foreign     bool // the AWS CLI wrote it, and Key is ""
}

// file is the JSON of an entry. The AWS CLI reads and writes Credentials; what else it writes, the rest of what
// STS answered, it never reads.
type file struct {
	Credentials struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
		AccountID       string `json:"AccountId,omitempty"`
	}
	AssumedRoleUser *struct{ Arn string } `json:",omitempty"`
	Credchain       *ours                 `json:",omitempty"`
}

type ours struct {
	Version int
	Key     string
	Source  string `json:",omitempty"`
}

// Keepable reports whether credentials are of the kind that is kept: temporary ones, which end.
func Keepable(c aws.Credentials) bool {
	return c.CanExpire && field(c.AccessKeyID) && field(c.SecretAccessKey) && field(c.SessionToken) && inYears(c.Expires)
}

// Write returns the JSON of credentials that are Keepable.
func Write(key string, c aws.Credentials) []byte {
	var f file
	f.Credentials.AccessKeyID, f.Credentials.SecretAccessKey, f.Credentials.SessionToken = c.AccessKeyID, c.SecretAccessKey, c.SessionToken
	f.Credentials.AccountID = c.AccountID
	f.Credentials.Expiration = c.Expires.UTC().Format("2006-01-02T15:04:05") + "UTC" // as Python's %Z has it
	f.Credchain = &ours{Version: version, Key: key, Source: c.Source}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil { // of strings and a number: it cannot be
		return nil
	}
	return b.Bytes()
}

// Parse reads an entry that is kept under key. One that the AWS CLI wrote does not say its key; it is an entry if
// foreign allows it. An error never quotes the data.
func Parse(data []byte, key string, foreign bool) (Entry, error) {
	if len(data) > maxSize {
		return Entry{}, fmt.Errorf("it is longer than %d bytes", maxSize)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return Entry{}, errors.New("it is not the JSON of an entry") // err may quote
	}
	switch o := f.Credchain; {
	case o == nil && !foreign:
		return Entry{}, ErrForeign
	case o == nil:
	case o.Version > version:
		return Entry{}, fmt.Errorf("it has version %d, and this release reads none after %d", o.Version, version)
	case o.Version < 1:
		return Entry{}, errors.New("it has no version")
	case o.Key != key:
		return Entry{}, ErrOther
	}
	c := f.Credentials
	for _, v := range []struct{ name, value string }{
		{"AccessKeyId", c.AccessKeyID}, {"SecretAccessKey", c.SecretAccessKey}, {"SessionToken", c.SessionToken}, {"Expiration", c.Expiration},
	} {
		if !field(v.value) {
			return Entry{}, fmt.Errorf("its %s is missing, or has a blank or a control character", v.name)
		}
	}
	expires, ok := parseTime(c.Expiration)
	if !ok {
		return Entry{}, errors.New("its Expiration is not a time such as 2006-01-02T15:04:05UTC")
	}
	e := Entry{Foreign: f.Credchain == nil, Credentials: aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey,
		SessionToken: c.SessionToken, CanExpire: true, Expires: expires, AccountID: c.AccountID}}
	if f.Credchain != nil {
		e.Key, e.Credentials.Source = key, f.Credchain.Source
	}
	if e.Credentials.AccountID == "" && f.AssumedRoleUser != nil {
		if part := strings.Split(f.AssumedRoleUser.Arn, ":"); len(part) == 6 && part[0] == "arn" {
			e.Credentials.AccountID = part[4]
		}
	}
	return e, nil
}

// field reports whether s can be a part of credentials, or a time.
func field(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// parseTime reads the forms that the AWS CLI and others write: with UTC, Z or an offset at the end.
func parseTime(s string) (time.Time, bool) {
	if before, found := strings.CutSuffix(s, "UTC"); found {
		s = before + "Z"
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil && inYears(t) {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// inYears reports whether t can be written.
func inYears(t time.Time) bool {
	y := t.UTC().Year()
	return 1 <= y && y <= 9999 && !t.IsZero()
}
