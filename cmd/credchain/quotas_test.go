package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

// limits is Service Quotas with one quota, and a request for it if open is not 0.
type limits struct {
	fixed bool
	unit  string // "": None
	open  float64
	lost  bool // the answer to a request for more does not come
	deaf  bool // nor does the request
	calls []string

	standard string // the code with which the default is refused
	absent   bool   // there is only the default
}

func (l *limits) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := accepts(mine).Verify(r, time.Now()); err != nil {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"__type":"UnrecognizedClientException","message":"`+secret+`"}`)
		return
	}
	var in map[string]any
	_ = json.NewDecoder(r.Body).Decode(&in)
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "ServiceQuotasV20190624.")
	l.calls = append(l.calls, operation)
	change := func(v float64) string {
		return fmt.Sprintf(`{"Id":"id-1","ServiceCode":"ec2","QuotaCode":"L-1","QuotaName":"On-Demand","DesiredValue":%v,"Status":"PENDING","Created":1.7e9,"Unit":"None"}`, v)
	}
	unit := "None"
	if l.unit != "" {
		unit = l.unit
	}
	quota := fmt.Sprintf(`{"ServiceCode":"ec2","QuotaCode":"L-1","QuotaName":"On-Demand","QuotaArn":"arn:q","Value":64,"Unit":%q,"Adjustable":%v}`, unit, !l.fixed)
	switch {
	case operation == "ListServices":
		io.WriteString(w, `{"Services":[{"ServiceCode":"ec2","ServiceName":"Amazon EC2"}]}`)
	case operation == "ListServiceQuotas":
		fmt.Fprintf(w, `{"Quotas":[%s]}`, quota)
	case operation == "GetAWSDefaultServiceQuota" && l.standard != "":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":%q,"message":"not now"}`, l.standard)
	case operation == "GetAWSDefaultServiceQuota":
		fmt.Fprintf(w, `{"Quota":%s}`, strings.Replace(quota, "64", "5", 1))
	case operation == "GetServiceQuota" && in["QuotaCode"] == "L-1" && !l.absent:
		fmt.Fprintf(w, `{"Quota":%s}`, quota)
	case strings.HasPrefix(operation, "ListRequested"):
		if l.open == 0 {
			io.WriteString(w, "{}")
			return
		}
		fmt.Fprintf(w, `{"RequestedQuotas":[%s]}`, change(l.open))
	case operation == "RequestServiceQuotaIncrease" && l.lost:
		if !l.deaf {
			l.open = in["DesiredValue"].(float64)
		}
		panic(http.ErrAbortHandler)
	case operation == "RequestServiceQuotaIncrease" && l.open == 0:
		fmt.Fprintf(w, `{"RequestedQuota":%s}`, change(in["DesiredValue"].(float64)))
	case operation == "RequestServiceQuotaIncrease":
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"ResourceAlreadyExistsException","message":"one is open"}`)
	case operation == "GetRequestedServiceQuotaChange" && in["RequestId"] == "id-1":
		fmt.Fprintf(w, `{"RequestedQuota":%s}`, change(128))
	default:
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"__type":"NoSuchResourceException","message":"no such quota"}`)
	}
}

func (l *limits) machine(vars ...string) *machine {
	return &machine{env: environment(append([]string{"AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true"}, vars...)...),
		imds: awstest.Transport(map[string]http.Handler{"servicequotas.eu-west-1.amazonaws.com": l, "localhost:4566": l})}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	const asked = "PENDING  2023-11-14  ec2  L-1  128  On-Demand  id-1\n"
	for name, tt := range map[string]struct {
		limits *limits
		args   string
		code   int
		out    string
		errs   string
		asks   bool
	}{
		"services":         {&limits{}, "list", exitFound, "ec2  Amazon EC2\n", "", false},
		"list":             {&limits{}, "list ec2", exitFound, "QUOTA  VALUE  UNIT  ADJUSTABLE  NAME\nL-1    64     -     yes         On-Demand\n", "", false},
		"list, fixed":      {&limits{fixed: true}, "list ec2", exitFound, "QUOTA  VALUE  UNIT  ADJUSTABLE  NAME\nL-1    64     -     no          On-Demand\n", "", false},
		"list, a unit":     {&limits{unit: "Megabytes"}, "list ec2", exitFound, "QUOTA  VALUE  UNIT       ADJUSTABLE  NAME\nL-1    64     Megabytes  yes         On-Demand\n", "", false},
		"get":              {&limits{}, "get ec2 L-1", exitFound, "name        On-Demand\nvalue       64\ndefault     5\nadjustable  yes\nglobal      no\narn         arn:q\n", "", false},
		"only a default":   {&limits{}, "get ec2 L-2", exitFound, "name        On-Demand\nvalue       5\n", "", false},
		"request":          {&limits{}, "request ec2 L-1 128", exitFound, asked, "", true},
		"request again":    {&limits{open: 128}, "request ec2 L-1 128", exitFound, asked, "open request for it already", false},
		"another is open":  {&limits{open: 256}, "request ec2 L-1 128", exitFailed, strings.Replace(asked, "128", "256", 1), "a request for 256 is open (PENDING), so 128 is not asked for", false},
		"dry run, another": {&limits{open: 256}, "request ec2 L-1 128 --dry-run", exitFailed, strings.Replace(asked, "128", "256", 1), "a request for 256 is open (PENDING), so 128 is not asked for", false},
		"the answer lost":  {&limits{lost: true}, "request ec2 L-1 128", exitFound, asked, "", true},
		"it got lost":      {&limits{lost: true, deaf: true}, "request ec2 L-1 128", exitFailed, "", "ask again later", true},
		"dry run":          {&limits{}, "request ec2 L-1 128 --dry-run", exitFound, "would ask for 128 instead of 64: On-Demand (ec2 L-1)\n", "", false},
		"dry run, open":    {&limits{open: 128}, "request ec2 L-1 128 --dry-run", exitFound, asked, "none would be made", false},
		"dry run, fixed":   {&limits{fixed: true}, "request ec2 L-1 128 --dry-run", exitFailed, "", "cannot be changed", false},
		"dry run, enough":  {&limits{}, "request ec2 L-1 64 --dry-run", exitFailed, "", "is 64 already", false},
		"status":           {&limits{}, "status id-1", exitFound, asked, "", false},
		"history":          {&limits{open: 128}, "history ec2", exitFound, asked, "", false},
		"history of one":   {&limits{open: 128}, "history ec2 L-1", exitFound, asked, "", false},
		"an endpoint":      {&limits{}, "list --endpoint-url http://localhost:4566", exitFound, "ec2  Amazon EC2\n", "", false},
		"not a number":     {&limits{}, "request ec2 L-1 many", exitUsage, "", "is no number", false},
		"nothing":          {&limits{}, "request ec2 L-1 0", exitUsage, "", "VALUE: want more than 0", false},
		"a quota's name":   {&limits{}, "get ec2 On/Demand", exitUsage, "", "QUOTA: only letters", false},
		"no such quota":    {&limits{}, "status id-2", exitFailed, "", "NoSuchResourceException: no such quota", false},
		"a wrong ID":       {&limits{}, "status id-2", exitFailed, "", "`credchain quotas history SERVICE` lists the requests with their IDs", false},
		"no ID":            {&limits{}, "status", exitUsage, "", "status takes ID\n  `credchain quotas history SERVICE` lists", false},
		"no ID at all":     {&limits{}, "status a/b", exitUsage, "", "`credchain quotas history SERVICE` lists", false},
		"too few":          {&limits{}, "get ec2", exitUsage, "", "get takes SERVICE QUOTA", false},
		"no such command":  {&limits{}, "lst", exitUsage, "", "did you mean list", false},
		"nothing like it":  {&limits{}, "zzzzzz", exitUsage, "", "see `credchain quotas --help`", false},
		"a bad endpoint":   {&limits{}, "list --endpoint-url localhost", exitUsage, "", "endpoint", false},
		"no such endpoint": {&limits{}, "list --endpoint-url http://127.0.0.1:1", exitFailed, "", "127.0.0.1:1", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, errs, code := tt.limits.machine().run(t, append([]string{"quotas"}, strings.Fields(tt.args)...)...)
			require.Equal(t, tt.code, code, errs)
			if name == "only a default" {
				require.Contains(t, out, tt.out)
			} else {
				require.Equal(t, tt.out, out)
			}
			require.Contains(t, errs, tt.errs)
			require.Equal(t, tt.asks, strings.Contains(strings.Join(tt.limits.calls, " "), "RequestServiceQuotaIncrease"))
		})
	}
}

func TestQuotasJSON(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"list":                          `[{"code":"ec2","name":"Amazon EC2"}]`,
		"list ec2":                      `[{"service_code":"ec2","quota_code":"L-1","name":"On-Demand","arn":"arn:q","value":64,"unit":"None","adjustable":true,"global":false}]`,
		"get ec2 L-1":                   `{"service_code":"ec2","quota_code":"L-1","name":"On-Demand","arn":"arn:q","value":64,"default_value":5,"unit":"None","adjustable":true,"global":false}`,
		"history ec2":                   `[]`,
		"status id-1":                   `[{"id":"id-1","status":"PENDING","service_code":"ec2","quota_code":"L-1","name":"On-Demand","desired_value":128,"created":"2023-11-14T22:13:20Z"}]`,
		"request ec2 L-1 128 --dry-run": `{"service_code":"ec2","quota_code":"L-1","name":"On-Demand","value":64,"desired_value":128}`,
	} {
		out, errs, code := (&limits{}).machine().run(t, append([]string{"quotas", "--json"}, strings.Fields(args)...)...)
		require.Equal(t, exitFound, code, errs)
		require.JSONEq(t, want, out, args)
	}
}

func TestQuotasFail(t *testing.T) {
	t.Parallel()
	l := &limits{}
	_, errs, code := l.machine("AWS_SECRET_ACCESS_KEY=another").run(t, "quotas", "list")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "UnrecognizedClientException")
	_, errs, code = l.machine("AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=").run(t, "quotas", "list")
	require.Equal(t, exitNothing, code, errs)
	require.Empty(t, l.calls)
	// The environment's endpoint holds, unless it is turned off.
	out, errs, code := l.machine("AWS_ENDPOINT_URL_SERVICE_QUOTAS=http://localhost:4566").run(t, "quotas", "list")
	require.Equal(t, exitFound, code, errs)
	require.NotEmpty(t, out)
}

// TestQuotasDefault: a default that there is not, or that may not be read, is left out; any other failure is one.
func TestQuotasDefault(t *testing.T) {
	t.Parallel()
	const denied, none, slow = "AccessDeniedException", "NoSuchResourceException", "ThrottlingException"
	for _, tt := range []struct {
		standard string
		absent   bool
		args     string
		code     int
		errs     string
	}{
		{denied, false, "get ec2 L-1", exitFound, ""},
		{none, false, "get ec2 L-1", exitFound, ""},
		{slow, false, "get ec2 L-1", exitFailed, slow},
		{"ServiceException", false, "get ec2 L-1", exitFailed, "ServiceException"},
		{denied, true, "get ec2 L-1", exitFailed, none},
		{none, true, "get ec2 L-1", exitFailed, none},
		{slow, true, "get ec2 L-1", exitFailed, slow},
		{slow, false, "request ec2 L-1 128 --dry-run", exitFound, ""},
		{slow, true, "request ec2 L-1 128 --dry-run", exitFailed, slow},
		{"", true, "request ec2 L-1 128 --dry-run", exitFound, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &limits{standard: tt.standard, absent: tt.absent}
			out, errs, code := l.machine().run(t, append([]string{"quotas"}, strings.Fields(tt.args)...)...)
			require.Equal(t, tt.code, code, "%v: %s", tt, errs)
			require.Contains(t, errs, tt.errs, "%v", tt)
			if code == exitFound && strings.HasPrefix(tt.args, "get") {
				require.Contains(t, out, "value       64\nadjustable")
			}
		})
	}
}
