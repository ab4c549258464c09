package quotas_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/quotas"
	"github.com/credchain/credchain/sigv4"
)

var creds = aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "canary/secret", SessionToken: "canary-session-token/of+some=length"}

var provider = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })

// service is Service Quotas with two quotas of EC2 and the requests that were made.
type service struct {
	changes []map[string]any
	script  map[string][]answer // in place of an answer of its own, by operation
	pages   int                 // more pages than one for a list

	calls []string
	wrong error
}

type answer struct {
	status int
	body   string
	after  bool // the service has done what was asked all the same
	lost   bool // the connection breaks
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := sigv4.Verifier{Service: "servicequotas", Region: "eu-west-1", Credentials: func(context.Context, string, string) (aws.Credentials, error) { return creds, nil }}
	_, err := v.Verify(r, time.Now())
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "ServiceQuotasV20190624.")
	var in map[string]any
	err = errors.Join(err, json.NewDecoder(r.Body).Decode(&in))
	if err != nil || !ok || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		s.wrong = errors.Join(err, errors.New("not in the protocol"))
	}
	n := 0
	for _, c := range s.calls {
		if c == operation {
			n++
		}
	}
	s.calls = append(s.calls, operation)
	w.Header().Set("X-Amzn-Requestid", "r-1")
	var scripted *answer
	if n < len(s.script[operation]) && s.script[operation][n].status+len(s.script[operation][n].body) > 0 {
		scripted = &s.script[operation][n]
	}
	if scripted == nil || scripted.after {
		status, out := s.answer(operation, in)
		if scripted == nil {
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(out)
			return
		}
	}
	if scripted.lost {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(scripted.status)
	io.WriteString(w, scripted.body)
}

func quota(value float64) map[string]any {
	return map[string]any{"ServiceCode": "ec2", "ServiceName": "Amazon EC2", "QuotaCode": "L-1", "QuotaName": "On-Demand", "QuotaArn": "arn:q",
		"Value": value, "Unit": "None", "Adjustable": true, "GlobalQuota": false}
}

var wanted = quotas.Quota{ServiceCode: "ec2", QuotaCode: "L-1", ServiceName: "Amazon EC2", Name: "On-Demand", ARN: "arn:q", Value: 64, Unit: "None", Adjustable: true}

func (s *service) answer(operation string, in map[string]any) (int, any) {
	refused := func(code string) (int, any) {
		return 400, map[string]any{"__type": "com.amazonaws.servicequotas#" + code, "message": "no"}
	}
	switch operation {
	case "ListServices":
		return 200, map[string]any{"Services": []any{map[string]any{"ServiceCode": "ec2", "ServiceName": "Amazon EC2"}}}
	case "ListServiceQuotas":
		out := map[string]any{"Quotas": []any{quota(64)}}
		if s.pages--; s.pages > 0 {
			out["NextToken"] = strings.Repeat("t", s.pages)
		}
		return 200, out
	case "GetServiceQuota", "GetAWSDefaultServiceQuota":
		switch {
		case in["QuotaCode"] != "L-1":
			return refused("NoSuchResourceException")
		case operation == "GetServiceQuota":
			return 200, map[string]any{"Quota": quota(64)}
		}
		return 200, map[string]any{"Quota": quota(5)}
	case "RequestServiceQuotaIncrease":
		for _, c := range s.changes {
			if c["QuotaCode"] == in["QuotaCode"] && (c["Status"] == "PENDING" || c["Status"] == "CASE_OPENED") {
				return refused("ResourceAlreadyExistsException")
			}
		}
		c := change("new", "PENDING", in["DesiredValue"].(float64))
		s.changes = append(s.changes, c)
		return 200, map[string]any{"RequestedQuota": c}
	case "ListRequestedServiceQuotaChangeHistoryByQuota", "ListRequestedServiceQuotaChangeHistory":
		return 200, map[string]any{"RequestedQuotas": s.changes}
	case "GetRequestedServiceQuotaChange":
		for _, c := range s.changes {
			if c["Id"] == in["RequestId"] {
				return 200, map[string]any{"RequestedQuota": c}
			}
		}
		return refused("NoSuchResourceException")
	}
	return refused("UnknownOperationException")
}

func change(id, status string, value float64) map[string]any {
	return map[string]any{"Id": id, "CaseId": "c-" + id, "ServiceCode": "ec2", "ServiceName": "Amazon EC2", "QuotaCode": "L-1", "QuotaName": "On-Demand",
		"DesiredValue": value, "Status": status, "Created": 1.7e9, "LastUpdated": 1700000000.5, "Requester": `{"accountId":"1"}`, "Unit": "None"}
}

func (s *service) client() *quotas.Client {
	return &quotas.Client{Region: "eu-west-1", Credentials: provider, Transport: awstest.Transport(map[string]http.Handler{"servicequotas.eu-west-1.amazonaws.com": s})}
}

func TestReads(t *testing.T) {
	t.Parallel()
	s := &service{pages: 3, changes: []map[string]any{change("a", "APPROVED", 64)}}
	c, ctx := s.client(), t.Context()

	services, err := c.Services(ctx)
	require.NoError(t, err)
	require.Equal(t, []quotas.Service{{Code: "ec2", Name: "Amazon EC2"}}, services)
	list, err := c.List(ctx, "ec2")
	require.NoError(t, err)
	require.Equal(t, []quotas.Quota{wanted, wanted, wanted}, list, "three pages")
	got, err := c.Get(ctx, "ec2", "L-1")
	require.NoError(t, err)
	require.Equal(t, wanted, got)
	got, err = c.Default(ctx, "ec2", "L-1")
	require.NoError(t, err)
	require.Equal(t, 5.0, got.Value)
	want := quotas.Change{ID: "a", CaseID: "c-a", ServiceCode: "ec2", QuotaCode: "L-1", ServiceName: "Amazon EC2", QuotaName: "On-Demand", Value: 64, Unit: "None",
		Status: quotas.Approved, Created: time.Unix(1.7e9, 0).UTC(), Updated: time.Unix(1.7e9, 5e8).UTC(), Requester: `{"accountId":"1"}`}
	for _, q := range []string{"", "L-1"} {
		history, err := c.History(ctx, "ec2", q)
		require.NoError(t, err)
		require.Equal(t, []quotas.Change{want}, history)
	}
	state, err := c.Status(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, want, state)
	require.NoError(t, s.wrong)

	_, err = c.Get(ctx, "ec2", "L-2")
	var e *quotas.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, quotas.Error{Code: "NoSuchResourceException", Message: "no", RequestID: "r-1", StatusCode: 400}, *e)
	require.EqualError(t, err, "quotas: GetServiceQuota: NoSuchResourceException: no (HTTP status 400), request ID r-1")
}

// TestRequest is repeated at will, and there is one request.
func TestRequest(t *testing.T) {
	t.Parallel()
	const list, ask = "ListRequestedServiceQuotaChangeHistoryByQuota", "RequestServiceQuotaIncrease"
	exists := `{"__type":"ResourceAlreadyExistsException","Message":"open"}`
	for _, tt := range []struct {
		name     string
		changes  []map[string]any
		script   map[string][]answer
		id       string
		existing bool
		fails    string
		calls    []string
	}{
		{"new", nil, nil, "new", false, "", []string{list, ask}},
		{"pending", []map[string]any{change("a", "PENDING", 128)}, nil, "a", true, "", []string{list}},
		{"a case is open", []map[string]any{change("x", "DENIED", 128), change("a", "CASE_OPENED", 128)}, nil, "a", true, "", []string{list}},
		{"decided", []map[string]any{change("a", "APPROVED", 128), change("b", "DENIED", 128), change("c", "CASE_CLOSED", 128), change("d", "NOT_APPROVED", 128), change("e", "INVALID_REQUEST", 128)},
			nil, "new", false, "", []string{list, ask}},
		{"open for another value", []map[string]any{change("a", "PENDING", 256)}, nil, "", false, "ResourceAlreadyExistsException", []string{list, ask, list}},
		{"somebody else's at the same moment", []map[string]any{change("a", "PENDING", 128)}, map[string][]answer{list: {{status: 200, body: "{}"}}}, "a", true, "", []string{list, ask, list}},
		{"the answer got lost", nil, map[string][]answer{ask: {{status: 200, body: "x", after: true, lost: true}}}, "new", true, "", []string{list, ask, ask, list}},
		{"throttled", nil, map[string][]answer{ask: {{status: 429, body: `{"__type":"TooManyRequestsException"}`}}}, "new", false, "", []string{list, ask, ask}},
		{"exists, and cannot be found", nil, map[string][]answer{ask: {{status: 400, body: exists}}}, "", false, "ResourceAlreadyExistsException", []string{list, ask, list}},
		{"not allowed to look", nil, map[string][]answer{list: {{status: 400, body: `{"__type":"AccessDeniedException"}`}}}, "", false, "AccessDeniedException", []string{list}},
		{"an answer without a request", nil, map[string][]answer{ask: {{status: 200, body: "{}"}}}, "", false, "no request", []string{list, ask}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &service{changes: tt.changes, script: tt.script}
				got, existing, err := s.client().Request(t.Context(), "ec2", "L-1", 128)
				require.NoError(t, s.wrong)
				require.Equal(t, tt.calls, s.calls)
				if tt.fails != "" {
					require.ErrorContains(t, err, tt.fails)
					return
				}
				require.NoError(t, err)
				require.Equal(t, tt.id, got.ID)
				require.Equal(t, tt.existing, existing)
				require.Equal(t, 128.0, got.Value)
			})
		})
	}
}

func TestInput(t *testing.T) {
	t.Parallel()
	s := &service{}
	c, ctx := s.client(), t.Context()
	for name, call := range map[string]func() error{
		"no service":        func() error { _, err := c.List(ctx, ""); return err },
		"a long service":    func() error { _, err := c.List(ctx, strings.Repeat("x", 64)); return err },
		"a service's name":  func() error { _, err := c.Get(ctx, "Amazon EC2", "L-1"); return err },
		"no quota":          func() error { _, err := c.Default(ctx, "ec2", ""); return err },
		"no request":        func() error { _, err := c.Status(ctx, ""); return err },
		"history of nobody": func() error { _, err := c.History(ctx, "", "L-1"); return err },
		"nothing":           func() error { _, _, err := c.Request(ctx, "ec2", "L-1", 0); return err },
		"not a number":      func() error { _, _, err := c.Request(ctx, "ec2", "L-1", nan()); return err },
		"too much":          func() error { _, _, err := c.Request(ctx, "ec2", "L-1", 1e10+1); return err },
		"a bad quota":       func() error { _, _, err := c.Request(ctx, "ec2", "L 1", 1); return err },
	} {
		var e *quotas.InputError
		err := call()
		require.ErrorAs(t, err, &e, name)
		require.ErrorContains(t, err, "quotas: ")
	}
	require.Empty(t, s.calls)
}

func nan() float64 { zero := 0.0; return zero / zero }

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		a    answer
		want string
	}{
		"no JSON":              {answer{status: 200, body: "<html>"}, "no JSON"},
		"a time in words":      {answer{status: 200, body: `{"RequestedQuota":{"Id":"a","Created":"today"}}`}, "no JSON"},
		"nothing":              {answer{status: 200, body: "{}"}, "no request"},
		"not Service Quotas":   {answer{status: 404, body: "<html>"}, "not Service Quotas' (HTTP status 404)"},
		"a token in the words": {answer{status: 403, body: `{"__type":"AccessDeniedException","Message":"` + creds.SessionToken + `\nsecond"}`}, "AccessDeniedException: REDACTED (HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{script: map[string][]answer{"GetRequestedServiceQuotaChange": {tt.a}}}
			_, err := s.client().Status(t.Context(), "a")
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
	s := &service{script: map[string][]answer{"ListServiceQuotas": {
		{status: 200, body: `{"NextToken":"t"}`}, {status: 200, body: `{"NextToken":"t"}`}, {status: 200, body: `{"NextToken":"t"}`}}}}
	_, err := s.client().List(t.Context(), "ec2")
	require.ErrorContains(t, err, "does not end")
	s = &service{script: map[string][]answer{"ListServiceQuotas": {{status: 200, body: `{"Quotas":[{"QuotaCode":"L-1","ErrorReason":{"ErrorCode":"DEPENDENCY_ACCESS_DENIED_ERROR","ErrorMessage":"x"}}]}`}}}}
	_, err = s.client().List(t.Context(), "ec2")
	require.ErrorContains(t, err, "L-1: DEPENDENCY_ACCESS_DENIED_ERROR")
}
