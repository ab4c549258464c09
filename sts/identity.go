package sts

import (
	"context"
	"encoding/xml"
	"errors"
)

// Identity says whose credentials signed a request.
type Identity struct {
	// Account is the account's twelve-digit ID.
	Account string
	// ARN names the user, or the role and its session.
	ARN string
	// UserID is the unique ID of the user, or that of the role with the session's name.
	UserID string
}

// GetCallerIdentity asks STS who the credentials belong to. No permission is needed, and no policy can deny
// it. If STS refuses, the error wraps an [*Error]; if there are no credentials, it wraps the provider's error.
func (c *Client) GetCallerIdentity(ctx context.Context) (Identity, error) {
	var doc struct {
		XMLName xml.Name `xml:"GetCallerIdentityResponse"`
		Account string   `xml:"GetCallerIdentityResult>Account"`
		ARN     string   `xml:"GetCallerIdentityResult>Arn"`
		UserID  string   `xml:"GetCallerIdentityResult>UserId"`
	}
	if err := c.do(ctx, newParams("GetCallerIdentity"), call{result: &doc}); err != nil {
		return Identity{}, err
	}
	if doc.Account == "" || doc.ARN == "" {
		return Identity{}, errors.New("sts: GetCallerIdentity: the answer names no identity")
	}
	return Identity{Account: doc.Account, ARN: doc.ARN, UserID: doc.UserID}, nil
}

// GetAccessKeyInfo asks STS which account an access key belongs to, and returns the account's ID. The key ID is
// 16 to 128 letters, digits and _; one of another length is an [*InputError]. STS does not say whether the key
// still works.
func (c *Client) GetAccessKeyInfo(ctx context.Context, accessKeyID string) (account string, err error) {
	var doc struct {
		XMLName xml.Name `xml:"GetAccessKeyInfoResponse"`
		Account string   `xml:"GetAccessKeyInfoResult>Account"`
	}
	p := newParams("GetAccessKeyInfo")
	p.required("AccessKeyID", "AccessKeyId", accessKeyID, 16, 128, isWord)
	if err := c.do(ctx, p, call{result: &doc}); err != nil {
		return "", err
	}
	if doc.Account == "" {
		return "", errors.New("sts: GetAccessKeyInfo: the answer names no account")
	}
	return doc.Account, nil
}
