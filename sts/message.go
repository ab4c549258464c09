package sts

import (
	"bytes"
	"encoding/json"
	"errors"
)

// AuthorizationMessage is a decoded authorization message: why a request was allowed or refused. AWS does not
// document the form of each part, so that what is missing or has another form stays empty; Raw has it all.
type AuthorizationMessage struct {
	// Raw is the document as STS gave it.
	Raw string

	// Allowed says that the request was allowed.
	Allowed bool

	// ExplicitDeny says that a statement denied it; if neither is true, no statement allowed it.
	ExplicitDeny bool

	// Principal is who asked.
	Principal Principal

	// Action is what was asked, such as "ec2:RunInstances".
	Action string

	// Resource is the ARN of what it was asked for.
	Resource string

	// MatchedStatements are the policy statements that decided.
	MatchedStatements []Statement

	// Conditions are the condition keys of the request and their values.
	Conditions []Condition
}

// Principal is who made the request of an authorization message.
type Principal struct {
	// ID is the unique ID, for a role with the session's name.
	ID string
	// Name is the user's, or the session's.
	Name string
	// ARN names the user, or the role and its session.
	ARN string
}

// Statement is a statement of a policy, as an authorization message tells it.
type Statement struct {
	// ID is the statement's Sid.
	ID string
	// Effect is ALLOW or DENY.
	Effect string
	// Principals are whom it is for.
	Principals []string
	// Actions are what it is about.
	Actions []string
	// Resources are what it holds for.
	Resources []string
	// Conditions are when it holds.
	Conditions []Condition
}

// Condition is a condition key and its values.
type Condition struct {
	// Key is the condition key, such as "aws:RequestedRegion".
	Key string
	// Values are its values.
	Values []string
}

// messageDocument is the form that messages have been seen in: each list in an object with "items", each value
// in an object with "value".
type messageDocument struct {
	Allowed           flag
	ExplicitDeny      flag
	MatchedStatements items[struct {
		StatementID text
		Effect      text
		Principals  items[text]
		Actions     items[text]
		Resources   items[text]
		Conditions  conditions
	}]
	messageContext
	Context object[messageContext]
}

type messageContext struct {
	Principal  object[struct{ ID, Name, ARN text }]
	Action     text
	Resource   text
	Conditions conditions
}

type conditions = items[struct {
	Key    text
	Values items[text]
}]

// ParseAuthorizationMessage reads a decoded authorization message, such as the one that
// DecodeAuthorizationMessage, the AWS CLI or a colleague with more permissions got. A document that is no JSON
// object is an error, which comes with Raw set.
func ParseAuthorizationMessage(raw []byte) (AuthorizationMessage, error) {
	m := AuthorizationMessage{Raw: string(raw)}
	var doc messageDocument
	if trimmed := bytes.TrimSpace(raw); len(trimmed) == 0 || trimmed[0] != '{' || json.Unmarshal(raw, &doc) != nil {
		return m, errors.New("sts: the decoded authorization message is no JSON object")
	}
	about := doc.messageContext
	if doc.Context.there {
		about = doc.Context.value
	}
	who := about.Principal.value
	m.Allowed, m.ExplicitDeny = bool(doc.Allowed), bool(doc.ExplicitDeny)
	m.Principal = Principal{ID: string(who.ID), Name: string(who.Name), ARN: string(who.ARN)}
	m.Action, m.Resource = string(about.Action), string(about.Resource)
	m.Conditions = conditionsOf(about.Conditions)
	for _, s := range doc.MatchedStatements {
		m.MatchedStatements = append(m.MatchedStatements, Statement{
			ID: string(s.StatementID), Effect: string(s.Effect),
			Principals: stringsOf(s.Principals), Actions: stringsOf(s.Actions), Resources: stringsOf(s.Resources),
			Conditions: conditionsOf(s.Conditions),
		})
	}
	return m, nil
}

func conditionsOf(list conditions) []Condition {
	var all []Condition
	for _, c := range list {
		all = append(all, Condition{Key: string(c.Key), Values: stringsOf(c.Values)})
	}
	return all
}

func stringsOf(list items[text]) []string {
	var all []string
	for _, v := range list {
		all = append(all, string(v))
	}
	return all
}

// items is a list: {"items": [...]} or [...]. What is neither is an empty one.
type items[T any] []T

// UnmarshalJSON never fails: a message is worth reading for the parts of it that can be read.
func (l *items[T]) UnmarshalJSON(b []byte) error {
	var wrapped struct{ Items []json.RawMessage }
	if json.Unmarshal(b, &wrapped.Items) != nil && json.Unmarshal(b, &wrapped) != nil {
		return nil
	}
	*l = nil
	for _, raw := range wrapped.Items {
		var v T
		if json.Unmarshal(raw, &v) == nil {
			*l = append(*l, v)
		}
	}
	return nil
}

// text is a string, another scalar as it is written, or either in an object's "value".
type text string

// UnmarshalJSON never fails: a message is worth reading for the parts of it that can be read.
func (t *text) UnmarshalJSON(b []byte) error {
	var wrapped struct{ Value json.RawMessage }
	if b[0] == '{' && json.Unmarshal(b, &wrapped) == nil {
		b = wrapped.Value
	}
	var s string
	switch {
	case len(b) == 0 || b[0] == '{' || b[0] == '[' || string(b) == "null":
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	default:
		*t = text(b)
	}
	return nil
}

// flag is true, or the text "true".
type flag bool

// UnmarshalJSON never fails: a message is worth reading for the parts of it that can be read.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = string(b) == "true" || string(b) == `"true"`
	return nil
}

// object is T if the document has an object there.
type object[T any] struct {
	value T
	there bool
}

// UnmarshalJSON never fails: a message is worth reading for the parts of it that can be read.
func (o *object[T]) UnmarshalJSON(b []byte) error {
	var v T
	if b[0] == '{' && json.Unmarshal(b, &v) == nil {
		o.value, o.there = v, true
	}
	return nil
}
