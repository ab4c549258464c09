package sts

import (
	"context"
	"encoding/xml"
	"errors"
)

// DecodeAuthorizationMessage has STS decode the message that some services attach to "not authorized" errors,
// 1 to 10240 characters, and parses what comes out. It needs the permission sts:DecodeAuthorizationMessage, in
// the account of the refused request. If the document is none that can be parsed, the error says so and the
// message's Raw holds it all the same.
func (c *Client) DecodeAuthorizationMessage(ctx context.Context, message string) (AuthorizationMessage, error) {
	var doc struct {
		XMLName xml.Name `xml:"DecodeAuthorizationMessageResponse"`
		Decoded string   `xml:"DecodeAuthorizationMessageResult>DecodedMessage"`
	}
	p := newParams("DecodeAuthorizationMessage")
	p.required("Message", "EncodedMessage", message, 1, 10240, nil)
	if err := c.do(ctx, p, call{result: &doc}); err != nil {
		return AuthorizationMessage{}, err
	}
	if doc.Decoded == "" {
		return AuthorizationMessage{}, errors.New("sts: DecodeAuthorizationMessage: the answer has no message")
	}
	return ParseAuthorizationMessage([]byte(doc.Decoded))
}
