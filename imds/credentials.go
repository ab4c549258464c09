package imds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	rolesPath    = "/latest/meta-data/iam/security-credentials/"
	extendedPath = "/latest/meta-data/iam/security-credentials-extended/"
	credsSource  = "InstanceProfile"
)

// Role asks for the name of the instance's role. The error is [ErrNoRole] if it has none.
//
// The name is all that the metadata service knows of a role, apart from the credentials. The role's policies
// are not to be had from it: ask IAM, by ListAttachedRolePolicies and ListRolePolicies.
func (c *Client) Role(ctx context.Context) (string, error) {
	ctx = c.limit(ctx)
	return c.list(ctx, rolesPath)
}

// RoleCredentials fetches the credentials of the instance's role, or of the role ProfileName. Their Source is
// "InstanceProfile", and they expire when the service says so, even if that is in the past: whether to go on
// using them is the caller's affair. It remembers the role's name, so the next call has one request less.
//
// The error is [ErrNoRole] if the instance has no role. That is not remembered: proxies of the metadata
// service in container clusters say so until they know the container.
func (c *Client) RoleCredentials(ctx context.Context) (aws.Credentials, error) {
	if err := c.init(); err != nil {
		return aws.Credentials{}, err
	}
	ctx = c.limit(ctx)
	if c.ProfileName != "" {
		creds, err := c.credentials(ctx, c.ProfileName)
		if isNotFound(err) {
			err = fmt.Errorf("the metadata service has no credentials for the instance profile name %q, "+
				"which is configured: %w", c.ProfileName, err)
		}
		return creds, err
	}
	c.mu.Lock()
	role := c.role
	c.mu.Unlock()
	if role != "" {
		creds, err := c.credentials(ctx, role)
		if !isNotFound(err) {
			return creds, err
		}
		// The instance has been given another role, or none.
		c.mu.Lock()
		c.role = ""
		c.mu.Unlock()
	}
	role, err := c.findRole(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return c.credentials(ctx, role)
}

// findRole asks for the role's name, by the extended API first if that is wanted.
func (c *Client) findRole(ctx context.Context) (string, error) {
	extended := c.wantExtended()
	if extended {
		role, err := c.list(ctx, extendedPath)
		if !isNotFound(err) {
			return role, err
		}
	}
	role, err := c.list(ctx, rolesPath)
	if extended && err == nil {
		c.setNoExtended(true)
	}
	return role, err
}

// credentials fetches the credentials of a role, by the extended API first if that is wanted. A service without
// that API is asked for it again only if the ordinary one does not know the role either.
func (c *Client) credentials(ctx context.Context, role string) (aws.Credentials, error) {
	extended := c.wantExtended()
	if extended {
		creds, err := c.fetchCredentials(ctx, extendedPath+role)
		if !isNotFound(err) {
			return creds, err
		}
	}
	creds, err := c.fetchCredentials(ctx, rolesPath+role)
	switch {
	case extended && err == nil:
		c.setNoExtended(true)
	case !extended && isNotFound(err):
		c.setNoExtended(false)
	}
	return creds, err
}

func (c *Client) wantExtended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (c.Extended || c.ProfileName != "") && !c.noExtended
}

func (c *Client) setNoExtended(no bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noExtended = no
}

// isNotFound reports whether the service does not have what was asked for. That it has no token call is another
// matter.
func isNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.StatusCode == http.StatusNotFound && !strings.HasSuffix(e.URL, tokenPath)
}

// list fetches the list of roles at a path and remembers the first, which is the only one there ever is.
func (c *Client) list(ctx context.Context, path string) (role string, err error) {
	err = c.get(ctx, path, func(body []byte) error {
		line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		role = strings.TrimSpace(line)
		switch {
		case role == "":
			return ErrNoRole
		case !isRoleName(role):
			return notWhatWasAsked(body, "the name of a role")
		}
		return nil
	})
	if isNotFound(err) {
		err = c.failure(http.MethodGet, path, http.StatusNotFound, ErrNoRole)
	}
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.role = role
	return role, nil
}

func (c *Client) fetchCredentials(ctx context.Context, path string) (creds aws.Credentials, err error) {
	var code string
	err = c.get(ctx, path, func(body []byte) error {
		creds, code, err = parseCredentials(body)
		return err
	})
	var e *Error
	if code != "" && errors.As(err, &e) {
		e.Code = code
	}
	return creds, err
}

// parseCredentials reads the document of a role's credentials. If the document is the service's word that it has
// no credentials, code says why.
func parseCredentials(body []byte) (creds aws.Credentials, code string, err error) {
	var doc struct {
		Code, Message                       string
		AccessKeyId, SecretAccessKey, Token string
		Expiration, AccountId               string
	}
	if err := parseJSON(body, &doc); err != nil {
		return aws.Credentials{}, "", err
	}
	if !strings.EqualFold(doc.Code, "Success") {
		if doc.Code == "" {
			return aws.Credentials{}, "", errors.New("the credentials document has no Code")
		}
		return aws.Credentials{}, clip(doc.Code),
			fmt.Errorf("the service has no credentials: %s: %s", clip(doc.Code), clip(doc.Message))
	}
	for _, field := range []struct{ name, value string }{
		{"AccessKeyId", doc.AccessKeyId},
		{"SecretAccessKey", doc.SecretAccessKey},
		{"Token", doc.Token},
		{"Expiration", doc.Expiration},
	} {
		switch {
		case field.value == "":
			return aws.Credentials{}, "", fmt.Errorf("the credentials document has no %s", field.name)
		case !isVisible([]byte(field.value)):
			return aws.Credentials{}, "", fmt.Errorf("the credentials document's %s has blanks or control characters", field.name)
		}
	}
	expires, err := time.Parse(time.RFC3339, doc.Expiration)
	if err != nil {
		return aws.Credentials{}, "", errors.New("the credentials document's Expiration is not an RFC 3339 time")
	}
	return aws.Credentials{
		AccessKeyID:     doc.AccessKeyId,
		SecretAccessKey: doc.SecretAccessKey,
		SessionToken:    doc.Token,
		AccountID:       doc.AccountId,
		Source:          credsSource,
		CanExpire:       true,
		Expires:         expires,
	}, "", nil
}

// parseJSON decodes a JSON object. Its errors say nothing of the content. An object that ends too early is a
// truncated answer, which another attempt may cure.
func parseJSON(body []byte, v any) error {
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] != '{' {
		return notWhatWasAsked(body, "a JSON object")
	}
	err := json.Unmarshal(body, v)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax) && strings.Contains(syntax.Error(), "unexpected end"):
		return fmt.Errorf("the answer is cut short: %w", io.ErrUnexpectedEOF)
	case errors.As(err, &syntax):
		return fmt.Errorf("the answer is not JSON (at byte %d)", syntax.Offset)
	}
	return errors.New("the answer's JSON has a value of the wrong type")
}

// notWhatWasAsked is a 200 with the wrong content, most often the login page of a network or a proxy's page.
func notWhatWasAsked(body []byte, want string) error {
	if looksLikeHTML(body) {
		return fmt.Errorf("the answer is a web page, not %s: it seems that not the metadata service answered, "+
			"but a proxy or a network's login page", want)
	}
	return fmt.Errorf("the answer is not %s", want)
}

func looksLikeHTML(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// isRoleName tells whether s can be an IAM role's or instance profile's name: letters, digits and +=,.@_-
func isRoleName(s string) bool {
	return s != "" && len(s) <= 128 && strings.Trim(s, ".") != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("+=,.@_-", r))
	}) < 0
}

// isVisible tells whether b is not empty and has visible ASCII characters only, so that it is fit for a header.
func isVisible(b []byte) bool {
	return len(b) > 0 && bytes.IndexFunc(b, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

// clip makes a text from outside fit for a line of an error.
func clip(s string) string {
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "?")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "..."
	}
	return s
}
