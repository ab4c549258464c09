package sts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sts"
)

const denied = `{"allowed":false,"explicitDeny":true,
"matchedStatements":{"items":[{"statementId":"EUOnly","effect":"DENY","principals":{"items":[{"value":"AROAXP3VY5ZK4YNK2XXXX"}]},"principalGroups":{"items":[]},
 "actions":{"items":[{"value":"ec2:RunInstances"},{"value":"ec2:StartInstances"}]},"resources":{"items":[{"value":"*"}]},
 "conditions":{"items":[{"key":"aws:RequestedRegion","values":{"items":[{"value":"eu-central-1"},{"value":"eu-west-1"}]}}]}}]},
"failures":{"items":[]},
"context":{"principal":{"id":"AIDAXP3VY5ZK4YNK2XXXX","name":"bob","arn":"arn:aws:iam::123456789012:user/bob"},
 "action":"ec2:RunInstances","resource":"arn:aws:ec2:us-east-1:123456789012:instance/*",
 "conditions":{"items":[{"key":"ec2:InstanceType","values":{"items":[{"value":"t3.micro"}]}},{"key":"aws:Region","values":{"items":[]}}]}}}`

func TestParseAuthorizationMessage(t *testing.T) {
	t.Parallel()
	bob := sts.Principal{ID: "AIDAXP3VY5ZK4YNK2XXXX", Name: "bob", ARN: "arn:aws:iam::123456789012:user/bob"}
	for _, tt := range []struct {
		name, raw string
		want      sts.AuthorizationMessage
	}{
		{"denied by a statement", denied, sts.AuthorizationMessage{
			ExplicitDeny: true, Principal: bob, Action: "ec2:RunInstances", Resource: "arn:aws:ec2:us-east-1:123456789012:instance/*",
			MatchedStatements: []sts.Statement{{
				ID: "EUOnly", Effect: "DENY", Principals: []string{"AROAXP3VY5ZK4YNK2XXXX"}, Actions: []string{"ec2:RunInstances", "ec2:StartInstances"},
				Resources: []string{"*"}, Conditions: []sts.Condition{{Key: "aws:RequestedRegion", Values: []string{"eu-central-1", "eu-west-1"}}},
			}},
			Conditions: []sts.Condition{{Key: "ec2:InstanceType", Values: []string{"t3.micro"}}, {Key: "aws:Region"}},
		}},
		{"allowed", `{"allowed":true}`, sts.AuthorizationMessage{Allowed: true}},
		{"nothing", ` {} `, sts.AuthorizationMessage{}},
		{"nulls", `{"allowed":null,"matchedStatements":null,"context":null}`, sts.AuthorizationMessage{}},
		{"text for a flag", `{"allowed":"true","explicitDeny":"no"}`, sts.AuthorizationMessage{Allowed: true}},
		{"plain lists", `{"matchedStatements":[{"effect":"DENY","actions":["s3:GetObject",{"value":"s3:*"}]}],"context":{"conditions":[{"key":"k","values":["a",1,true,null]}]}}`,
			sts.AuthorizationMessage{
				MatchedStatements: []sts.Statement{{Effect: "DENY", Actions: []string{"s3:GetObject", "s3:*"}}},
				Conditions:        []sts.Condition{{Key: "k", Values: []string{"a", "1", "true", ""}}},
			}},
		{"no context around it", `{"action":"a","resource":"r","principal":{"arn":"p"}}`, sts.AuthorizationMessage{Action: "a", Resource: "r", Principal: sts.Principal{ARN: "p"}}},
		{"other forms", `{"allowed":[1],"matchedStatements":{"items":{"a":1}},"context":{"principal":"bob","action":{"x":1},"resource":["r"],"conditions":"c"}}`,
			sts.AuthorizationMessage{}},
		{"a context that is none", `{"context":"c","action":"a"}`, sts.AuthorizationMessage{Action: "a"}},
		{"one bad statement", `{"matchedStatements":{"items":[7,{"effect":"DENY"}]}}`, sts.AuthorizationMessage{MatchedStatements: []sts.Statement{{Effect: "DENY"}}}},
		{"more than we know", `{"allowed":false,"new":{"x":[1]},"context":{"action":"a","new":2}}`, sts.AuthorizationMessage{Action: "a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := sts.ParseAuthorizationMessage([]byte(tt.raw))
			require.NoError(t, err)
			tt.want.Raw = tt.raw
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What cannot be parsed is an error, and the text is there all the same.
func TestParseAuthorizationMessageOfOtherText(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", " ", "null", "[]", `"text"`, "{", "{}x", "<a/>", "\xff", "7"} {
		got, err := sts.ParseAuthorizationMessage([]byte(raw))
		require.EqualError(t, err, "sts: the decoded authorization message is no JSON object", "%q", raw)
		require.Equal(t, sts.AuthorizationMessage{Raw: raw}, got)
	}
	c := client(says(200, xmlAnswer("DecodeAuthorizationMessage", "<DecodedMessage>what?</DecodedMessage>")), user)
	got, err := c.DecodeAuthorizationMessage(t.Context(), "m")
	require.ErrorContains(t, err, "is no JSON object")
	require.Equal(t, "what?", got.Raw)
}

func ExampleParseAuthorizationMessage() {
	m, err := sts.ParseAuthorizationMessage([]byte(`{"allowed":false,"explicitDeny":false,"context":{
		"principal":{"arn":"arn:aws:iam::123456789012:user/bob"},"action":"ec2:RunInstances"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Principal.ARN, m.Action, m.Allowed, m.ExplicitDeny)
	// Output: arn:aws:iam::123456789012:user/bob ec2:RunInstances false false
}

// Whatever the document: no panic, the text is kept, and nothing is made up.
func FuzzParseAuthorizationMessage(f *testing.F) {
	for _, raw := range []string{denied, "{}", "{", "null", `{"context":{"context":{}}}`, `{"matchedStatements":{"items":[[[[]]]]}}`, `{"allowed":tru`, "\xff", strings.Repeat(`{"context":`, 50)} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := sts.ParseAuthorizationMessage(raw)
		require.Equal(t, string(raw), m.Raw)
		if err != nil {
			require.Equal(t, sts.AuthorizationMessage{Raw: string(raw)}, m)
			require.Less(t, len(err.Error()), 100)
			return
		}
		again, err := sts.ParseAuthorizationMessage(raw)
		require.NoError(t, err)
		require.Equal(t, m, again)
		require.LessOrEqual(t, len(m.MatchedStatements)+len(m.Conditions), len(raw))
	})
}
