package quotas_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
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
	header string // X-Amzn-Errortype
	after  bool   // the service has done what was asked all the same
	lost   bool   // the connection breaks
	short  bool   // it breaks in the answer

	becomes string // the state that the service gives the request in the end
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
		if scripted != nil && scripted.becomes != "" {
			s.changes[len(s.changes)-1]["Status"] = scripted.becomes
		}
		if scripted == nil {
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(out)
			return
		}
	}
	if scripted.lost {
		panic(http.ErrAbortHandler)
	}
	if scripted.short {
		w.Header().Set("Content-Length", "1000")
	}
	if scripted.header != "" {
		w.Header().Set("X-Amzn-Errortype", scripted.header)
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

// TestRequest is repeated at will, and there is one request, which is sent once.
func TestRequest(t *testing.T) {
	t.Parallel()
	const list, ask = "ListRequestedServiceQuotaChangeHistoryByQuota", "RequestServiceQuotaIncrease"
	exists := `{"__type":"ResourceAlreadyExistsException","Message":"open"}`
	other := func(c map[string]any, key string, value any) map[string]any { c[key] = value; return c }
	lost := func(a answer) map[string][]answer { return map[string][]answer{ask: {a}} }
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
		{"open for another value", []map[string]any{change("a", "CASE_OPENED", 256)}, nil, "a", true,
			"quotas: a request for 256 is open (CASE_OPENED), so 128 is not asked for", []string{list}},
		{"open for another quota", []map[string]any{other(change("a", "PENDING", 128), "QuotaCode", "L-2")}, nil, "new", false, "", []string{list, ask}},
		{"open for another service", []map[string]any{other(change("a", "PENDING", 128), "ServiceCode", "es")}, map[string][]answer{ask: {{status: 200, body: `{"RequestedQuota":{"Id":"new","DesiredValue":128}}`}}}, "new", false, "", []string{list, ask}},
		{"open for a resource", []map[string]any{other(change("a", "PENDING", 128), "QuotaContext", map[string]any{"ContextId": "arn:d"})},
			map[string][]answer{ask: {{status: 200, body: `{"RequestedQuota":{"Id":"new","DesiredValue":128}}`}}}, "new", false, "", []string{list, ask}},
		{"somebody else's at the same moment", []map[string]any{change("a", "PENDING", 128)}, map[string][]answer{list: {{status: 200, body: "{}"}}}, "a", true, "", []string{list, ask, list}},
		{"somebody else's, for another value", []map[string]any{change("a", "PENDING", 256)}, map[string][]answer{list: {{status: 200, body: "{}"}}}, "a", true, "a request for 256 is open", []string{list, ask, list}},
		{"exists, and cannot be found", nil, map[string][]answer{ask: {{status: 400, body: exists}}}, "", false, "ResourceAlreadyExistsException", []string{list, ask, list}},
		{"not allowed to look", nil, map[string][]answer{list: {{status: 400, body: `{"__type":"AccessDeniedException"}`}}}, "", false, "AccessDeniedException", []string{list}},
		{"refused", nil, map[string][]answer{ask: {{status: 400, body: `{"__type":"QuotaExceededException"}`}}}, "", false, "QuotaExceededException", []string{list, ask}},
		{"throttled", nil, map[string][]answer{ask: {{status: 429, body: `{"__type":"TooManyRequestsException"}`}, {status: 503, body: `{"__type":"ThrottlingException"}`}}}, "new", false, "", []string{list, ask, ask, ask}},

		{"the answer got lost", nil, lost(answer{status: 200, body: "x", after: true, lost: true}), "new", false, "", []string{list, ask, list}},
		{"lost, and approved already", []map[string]any{change("a", "APPROVED", 128)}, lost(answer{status: 200, after: true, lost: true, becomes: "APPROVED"}), "new", false, "", []string{list, ask, list}},
		{"lost in the middle", nil, lost(answer{status: 200, body: "{", after: true, short: true}), "new", false, "", []string{list, ask, list}},
		{"lost in a proxy", nil, lost(answer{status: 504, body: "<html>", after: true}), "new", false, "", []string{list, ask, list}},
		{"a proxy gave up", nil, lost(answer{status: 408, body: "<html>", after: true}), "new", false, "", []string{list, ask, list}},
		{"a proxy gave up, it did not arrive", nil, lost(answer{status: 429, body: "<html>"}), "", false,
			"not Service Quotas' (HTTP status 429), request ID r-1; " + quotas.ErrUnknown.Error(), []string{list, ask, list}},
		{"a redirect", nil, lost(answer{status: 302, after: true}), "new", false, "", []string{list, ask, list}},
		{"another success", nil, lost(answer{status: 204, after: true}), "new", false, "", []string{list, ask, list}},
		{"refused in a header", nil, map[string][]answer{ask: {{status: 400, body: "{}", header: "QuotaExceededException:http://x/"}}}, "", false, "QuotaExceededException (HTTP", []string{list, ask}},
		{"an error that did it all the same", nil, lost(answer{status: 500, body: `{"__type":"ServiceException"}`, after: true}), "new", false, "", []string{list, ask, list}},
		{"an answer without a request", nil, lost(answer{status: 200, body: "{}", after: true}), "new", false, "", []string{list, ask, list}},
		{"an answer that is none", nil, lost(answer{status: 200, body: "<html>", after: true}), "new", false, "", []string{list, ask, list}},
		{"it did not arrive", nil, lost(answer{status: 200, lost: true}), "", false, "reset by peer; " + quotas.ErrUnknown.Error() + ": the history does not have it", []string{list, ask, list}},
		{"it did not arrive, as before", []map[string]any{change("a", "APPROVED", 128)}, lost(answer{status: 500, body: `{"__type":"ServiceException"}`}), "", false,
			"ServiceException (HTTP status 500), request ID r-1; " + quotas.ErrUnknown.Error(), []string{list, ask, list}},
		{"lost, and not allowed to look", nil, map[string][]answer{ask: {{status: 200, lost: true}}, list: {{status: 200, body: "{}"}, {status: 400, body: `{"__type":"AccessDeniedException"}`}}},
			"", false, quotas.ErrUnknown.Error() + ", since the history cannot be read", []string{list, ask, list}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &service{changes: tt.changes, script: tt.script}
				got, existing, err := s.client().Request(t.Context(), "ec2", "L-1", 128)
				require.NoError(t, s.wrong)
				require.Equal(t, tt.calls, s.calls)
				require.Equal(t, tt.id, got.ID)
				require.Equal(t, tt.existing, existing)
				if tt.fails == "" {
					require.NoError(t, err)
					require.Equal(t, 128.0, got.Value)
					return
				}
				require.ErrorContains(t, err, tt.fails)
				require.Equal(t, strings.Contains(tt.fails, quotas.ErrUnknown.Error()), errors.Is(err, quotas.ErrUnknown))
				var open *quotas.OpenError
				require.Equal(t, existing, errors.As(err, &open))
				if existing {
					require.Equal(t, quotas.OpenError{Open: got, Wanted: 128}, *open)
				}
			})
		})
	}
}

// TestRequestConnects: what never left is sent again.
func TestRequestConnects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		c := s.client()
		carrier, refused := c.Transport, 0
		c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".RequestServiceQuotaIncrease") && refused < 2 {
				refused++
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
			return carrier.RoundTrip(r)
		})
		got, existing, err := c.Request(t.Context(), "ec2", "L-1", 128)
		require.NoError(t, err)
		require.False(t, existing)
		require.Equal(t, "new", got.ID)
		require.Equal(t, 2, refused)
	})
}

// TestReadsAreRepeated whatever breaks.
func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{script: map[string][]answer{"ListServices": {{status: 200, lost: true}, {status: 500, body: "{}"}}}}
		_, err := s.client().Services(t.Context())
		require.NoError(t, err)
		require.Len(t, s.calls, 3)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

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
}

// TestTokenThatWasSent is the one that is redacted, not the one that the provider gives later.
func TestTokenThatWasSent(t *testing.T) {
	t.Parallel()
	n := 0
	rotating := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		n++
		c := creds
		c.SessionToken = strings.Repeat("canary", n*3)
		return c, nil
	})
	parrot := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(map[string]string{"__type": "AccessDeniedException", "message": "token " + r.Header.Get("X-Amz-Security-Token")})
	})
	c := &quotas.Client{Region: "eu-west-1", Credentials: rotating, Transport: awstest.Transport(map[string]http.Handler{"servicequotas.eu-west-1.amazonaws.com": parrot})}
	_, err := c.Status(t.Context(), "a")
	require.EqualError(t, err, "quotas: GetRequestedServiceQuotaChange: AccessDeniedException: token REDACTED (HTTP status 403)")
	require.Equal(t, 1, n)
}

// TestReasonsAreCleaned: the error of one quota in a list has no secret, no second line and an end.
func TestReasonsAreCleaned(t *testing.T) {
	t.Parallel()
	hostile := creds.SessionToken + ` \u001b[31m` + strings.Repeat("x", 1000) + `\nsecond`
	body := `{"Quotas":[{"QuotaCode":"L-1` + hostile + `","ErrorReason":{"ErrorCode":"DEPENDENCY_ACCESS_DENIED_ERROR","ErrorMessage":"` + hostile + `"}},` +
		`{"QuotaCode":"L-2","ErrorReason":{"ErrorCode":"` + hostile + `"}}]}`
	s := &service{script: map[string][]answer{"ListServiceQuotas": {{status: 200, body: body}}}}
	_, err := s.client().List(t.Context(), "ec2")
	var e *quotas.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "DEPENDENCY_ACCESS_DENIED_ERROR", e.Code)
	require.True(t, strings.HasPrefix(e.Message, "REDACTED  [31mxxx"), e.Message)
	require.Len(t, e.Message, 512)
	require.Less(t, len(err.Error()), 1200)
	for _, bad := range []string{"canary", "\x1b", "\n", "second"} {
		require.NotContains(t, err.Error(), bad)
	}
}
