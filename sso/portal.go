package sso

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// source is the Source of the credentials that [Client.RoleCredentials] returns.
const source = "sso.GetRoleCredentials"

// RoleCredentials asks the portal for credentials of a role (a permission set's name) in an account. The access
// token is a [Token]'s. If the portal refuses, the error wraps an [*Error]; its NeedsSignIn says whether the
// access token is to blame.
//
// The credentials' Source is "sso.GetRoleCredentials", and they expire when the portal says so.
func (c *Client) RoleCredentials(ctx context.Context, accessToken, accountID, roleName string) (aws.Credentials, error) {
	creds, err := c.roleCredentials(ctx, accessToken, accountID, roleName)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("sso: %w", err)
	}
	return creds, nil
}

func (c *Client) roleCredentials(ctx context.Context, accessToken, accountID, roleName string) (aws.Credentials, error) {
	address, err := c.address(portal, "/federation/credentials")
	switch {
	case err != nil:
	case accountID == "":
		err = errors.New("the account ID is missing")
	case roleName == "":
		err = errors.New("the role name is missing")
	default:
		err = checkToken("the access token", accessToken)
	}
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("GetRoleCredentials: %w", err)
	}
	var doc struct {
		RoleCredentials struct {
			AccessKeyID     string `json:"accessKeyId"`
			SecretAccessKey string `json:"secretAccessKey"`
			SessionToken    string `json:"sessionToken"`
			Expiration      int64  `json:"expiration"` // milliseconds
		} `json:"roleCredentials"`
	}
	query := url.Values{"account_id": {accountID}, "role_name": {roleName}}.Encode()
	query = strings.ReplaceAll(query, "+", "%20") // as the SDKs write a blank
	err = c.run(ctx, call{
		operation: "GetRoleCredentials", address: address + "?" + query,
		token: accessToken, result: &doc, secrets: []string{accessToken},
	})
	if err != nil {
		return aws.Credentials{}, err
	}
	answer := doc.RoleCredentials
	expires := time.UnixMilli(answer.Expiration).UTC()
	var missing string
	switch {
	case answer.AccessKeyID == "":
		missing = "accessKeyId"
	case answer.SecretAccessKey == "":
		missing = "secretAccessKey"
	case answer.SessionToken == "":
		missing = "sessionToken"
	case answer.Expiration <= 0 || !inYears(expires):
		missing = "time of expiration"
	}
	if missing != "" {
		return aws.Credentials{}, fmt.Errorf("GetRoleCredentials: the answer has no %s", missing)
	}
	return aws.Credentials{
		AccessKeyID:     answer.AccessKeyID,
		SecretAccessKey: answer.SecretAccessKey,
		SessionToken:    answer.SessionToken,
		Source:          source,
		CanExpire:       true,
		Expires:         expires,
		AccountID:       accountID,
	}, nil
}
