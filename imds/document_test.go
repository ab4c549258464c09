package imds_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/imds"
)

func TestDocument(t *testing.T) {
	t.Parallel()
	f := instance()
	f.paths[documentPath] = `{
  "accountId" : "123456789012",
  "architecture" : "arm64",
  "availabilityZone" : "us-west-2-lax-1a",
  "billingProducts" : null,
  "devpayProductCodes" : null,
  "marketplaceProductCodes" : [ "abc" ],
  "imageId" : "ami-0123",
  "instanceId" : "i-0abc",
  "instanceType" : "t4g.nano",
  "kernelId" : null,
  "pendingTime" : "2026-11-24T08:00:00Z",
  "privateIp" : "10.0.0.7",
  "ramdiskId" : null,
  "region" : "us-west-2",
  "version" : "2017-09-30"
}`
	doc, err := serve(t, f).Document(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(imds.Document{
		AccountID:        "123456789012",
		Region:           "us-west-2",
		AvailabilityZone: "us-west-2-lax-1a",
		InstanceID:       "i-0abc",
		InstanceType:     "t4g.nano",
		ImageID:          "ami-0123",
		Architecture:     "arm64",
		PrivateIP:        "10.0.0.7",
		PendingTime:      time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC),
	}, doc))
}

func TestBadDocument(t *testing.T) {
	t.Parallel()
	for body, problem := range map[string]string{
		"<html></html>":                          "a web page, not a JSON object",
		"[]":                                     "is not a JSON object",
		`{"region":"us-east-1","accountId": 12}`: "a value of the wrong type",
		`{"pendingTime":"monday"}`:               "a value of the wrong type",
		`{"a" "b"}`:                              "is not JSON (at byte 6)",
		`{"accountId":"12345`:                    "cut short",
		" \n":                                    "cut short",
	} {
		f := instance()
		f.paths[documentPath] = body
		doc, err := serve(t, f).Document(t.Context())
		requireFailure(t, err, 200, problem, documentPath)
		require.Zero(t, doc)
	}
}

func TestRegion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, placement, document, want, problem string
		status                                   int
		requests                                 int
	}{
		{"placement", "eu-central-1\n", "", "eu-central-1", "", 0, 2},
		{"document", "", `{"region":"cn-north-1","availabilityZone":"cn-north-1a"}`, "cn-north-1", "", 0, 3},
		{"login page", "<html>", `{"region":"cn-north-1"}`, "", "a web page, not the name of a region", 200, 2},
		{"not a region", "us west", `{"region":"cn-north-1"}`, "", "is not the name of a region", 200, 2},
		{"host in disguise", "evil.example/", "", "", "is not the name of a region", 200, 2},
		{"neither", "", "", "", "404 Not Found", 404, 3},
		{"document without", "", `{"availabilityZone":"us-west-2a"}`, "", "no valid region", 200, 3},
		{"document with another thing", "", `{"region":"<b>"}`, "", "no valid region", 200, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := instance()
			f.paths[regionPath], f.paths[documentPath] = tt.placement, tt.document
			f.paths["/latest/meta-data/placement/availability-zone"] = "us-west-2a"
			region, err := serve(t, f).Region(t.Context())
			require.Len(t, f.requests(), tt.requests)
			require.Equal(t, tt.want, region)
			if tt.problem != "" {
				requireFailure(t, err, tt.status, tt.problem)
				return
			}
			require.NoError(t, err)
		})
	}
}

// Only a 404 means that the service does not know the path; other failures are failures.
func TestRegionFails(t *testing.T) {
	t.Parallel()
	f := instance()
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == regionPath {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	_, err := serve(t, f).Region(t.Context())
	requireFailure(t, err, 403, regionPath)
	require.NotContains(t, f.requests(), "GET "+documentPath)
}
