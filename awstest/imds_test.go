package awstest_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

const (
	tokenHeader = "X-aws-ec2-metadata-token"
	ttlHeader   = "X-aws-ec2-metadata-token-ttl-seconds"
	base        = "http://169.254.169.254"
	tokenURL    = base + "/latest/api/token"
	rolesURL    = base + "/latest/meta-data/iam/security-credentials/"
	extendedURL = base + "/latest/meta-data/iam/security-credentials-extended/"
)

func imds(m *awstest.IMDS) http.RoundTripper {
	return awstest.Transport(map[string]http.Handler{"169.254.169.254": m})
}

func TestIMDSSessionTokenRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		mode    awstest.Mode
		method  string
		headers []string
		want    int
	}{
		{"shortest lifetime", awstest.V1AndV2, "PUT", []string{ttlHeader, "1"}, 200},
		{"longest lifetime", awstest.V2Only, "PUT", []string{ttlHeader, "21600"}, 200},
		{"no lifetime", awstest.V2Only, "PUT", nil, 400},
		{"no number", awstest.V2Only, "PUT", []string{ttlHeader, "6h"}, 400},
		{"zero", awstest.V2Only, "PUT", []string{ttlHeader, "0"}, 400},
		{"negative", awstest.V2Only, "PUT", []string{ttlHeader, "-1"}, 400},
		{"too long", awstest.V2Only, "PUT", []string{ttlHeader, "21601"}, 400},
		{"through a proxy", awstest.V2Only, "PUT", []string{ttlHeader, "60", "X-Forwarded-For", "10.0.0.1"}, 403},
		{"an empty proxy header", awstest.V2Only, "PUT", []string{ttlHeader, "60", "X-Forwarded-For", ""}, 403},
		{"GET", awstest.V1AndV2, "GET", []string{ttlHeader, "60"}, 405},
		{"POST", awstest.V1AndV2, "POST", []string{ttlHeader, "60"}, 405},
		{"no tokens", awstest.V1Only, "PUT", []string{ttlHeader, "60"}, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ask(t, imds(&awstest.IMDS{Mode: tt.mode}), tt.method, tokenURL, tt.headers...)
			require.Equal(t, tt.want, got.status)
			if tt.want == 200 {
				require.Equal(t, tt.headers[1], got.header.Get(ttlHeader))
				require.GreaterOrEqual(t, len(got.body), 40)
			} else {
				require.Contains(t, got.body, http.StatusText(tt.want))
			}
		})
	}
}

func TestIMDSAdmission(t *testing.T) {
	t.Parallel()
	const url = base + "/latest/meta-data/instance-id"
	for _, tt := range []struct {
		name                string
		mode                awstest.Mode
		without, bad, valid int
	}{
		{"both versions", awstest.V1AndV2, 200, 401, 200},
		{"version 2", awstest.V2Only, 401, 401, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rt := imds(&awstest.IMDS{Mode: tt.mode})
			token := ask(t, rt, "PUT", tokenURL, ttlHeader, "60").body
			require.Equal(t, tt.without, ask(t, rt, "GET", url).status)
			require.Equal(t, tt.bad, ask(t, rt, "GET", url, tokenHeader, "AQAEbad").status)
			require.Equal(t, tt.bad, ask(t, rt, "GET", url, tokenHeader, "").status)
			require.Equal(t, tt.valid, ask(t, rt, "GET", url, tokenHeader, token).status)
			require.Equal(t, tt.valid, ask(t, rt, "HEAD", url, tokenHeader, token).status)
			require.Equal(t, 405, ask(t, rt, "PUT", url, tokenHeader, token).status)
		})
	}
	t.Run("version 1", func(t *testing.T) {
		t.Parallel()
		rt := imds(&awstest.IMDS{Mode: awstest.V1Only})
		require.Equal(t, 200, ask(t, rt, "GET", url).status)
		require.Equal(t, 200, ask(t, rt, "GET", url, tokenHeader, "whatever").status)
	})
}

func TestIMDSTokensExpireAndAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &awstest.IMDS{Mode: awstest.V2Only}
		rt := imds(m)
		const url = base + "/latest/meta-data/placement/region"
		short := ask(t, rt, "PUT", tokenURL, ttlHeader, "10").body
		long := ask(t, rt, "PUT", tokenURL, ttlHeader, "60").body
		require.NotEqual(t, short, long)
		time.Sleep(10*time.Second - 1)
		require.Equal(t, 200, ask(t, rt, "GET", url, tokenHeader, short).status)
		time.Sleep(time.Nanosecond)
		require.Equal(t, 401, ask(t, rt, "GET", url, tokenHeader, short).status)
		require.Equal(t, 200, ask(t, rt, "GET", url, tokenHeader, long).status)
		m.ForgetTokens()
		require.Equal(t, 401, ask(t, rt, "GET", url, tokenHeader, long).status)
	})
}

func TestIMDSPaths(t *testing.T) {
	t.Parallel()
	full := &awstest.IMDS{Role: "app", Credentials: awstest.LongTerm("x"), Extended: true, Region: "eu-west-1"}
	for _, tt := range []struct {
		name, path string
		fake       *awstest.IMDS
		status     int
		body       string // not looked at if ""
	}{
		{"role", "/latest/meta-data/iam/security-credentials/", full, 200, "app"},
		{"role without slash", "/latest/meta-data/iam/security-credentials", full, 200, "app"},
		{"another role", "/latest/meta-data/iam/security-credentials/other", full, 404, ""},
		{"slash after the role", "/latest/meta-data/iam/security-credentials/app/", full, 404, ""},
		{"extended role", "/latest/meta-data/iam/security-credentials-extended/", full, 200, "app"},
		{"extended role without slash", "/latest/meta-data/iam/security-credentials-extended", full, 200, "app"},
		{"extended turned off", "/latest/meta-data/iam/security-credentials-extended/", &awstest.IMDS{Role: "app"}, 404, ""},
		{"extended credentials turned off", "/latest/meta-data/iam/security-credentials-extended/app", &awstest.IMDS{Role: "app"}, 404, ""},
		{"no role", "/latest/meta-data/iam/security-credentials/", &awstest.IMDS{}, 404, ""},
		{"no role, extended", "/latest/meta-data/iam/security-credentials-extended/", &awstest.IMDS{Extended: true}, 404, ""},
		{"no role, info", "/latest/meta-data/iam/info", &awstest.IMDS{}, 404, ""},
		{"region", "/latest/meta-data/placement/region", full, 200, "eu-west-1"},
		{"zone", "/latest/meta-data/placement/availability-zone", full, 200, "eu-west-1a"},
		{"local zone", "/latest/meta-data/placement/availability-zone",
			&awstest.IMDS{AvailabilityZone: "us-west-2-lax-1a"}, 200, "us-west-2-lax-1a"},
		{"instance", "/latest/meta-data/instance-id", &awstest.IMDS{InstanceID: "i-1"}, 200, "i-1"},
		{"default region", "/latest/meta-data/placement/region", &awstest.IMDS{}, 200, "us-east-1"},
		{"unknown", "/latest/user-data", full, 404, ""},
		{"root", "/", full, 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ask(t, imds(tt.fake), "GET", base+tt.path)
			require.Equal(t, tt.status, got.status)
			if tt.body != "" {
				require.Equal(t, tt.body, got.body)
			}
		})
	}
}

func TestIMDSCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		expires := time.Now().Add(time.Hour)
		creds := awstest.Temporary("app", expires)
		m := &awstest.IMDS{Role: "app", Credentials: creds, Extended: true, AccountID: "111122223333"}
		want := map[string]string{
			"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": time.Now().UTC().Format(time.RFC3339),
			"AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey, "Token": creds.SessionToken,
			"Expiration": expires.UTC().Format(time.RFC3339),
		}
		require.Empty(t, cmp.Diff(want, object(t, ask(t, imds(m), "GET", rolesURL+"app"))))
		want["AccountId"] = "111122223333"
		require.Empty(t, cmp.Diff(want, object(t, ask(t, imds(m), "GET", extendedURL+"app"))))

		// Without an expiry of its own, what the service gives out still ends.
		m.Rotate(awstest.LongTerm("next"))
		got := object(t, ask(t, imds(m), "GET", rolesURL+"app"))
		require.Equal(t, awstest.LongTerm("next").AccessKeyID, got["AccessKeyId"])
		require.Equal(t, time.Now().Add(6*time.Hour).UTC().Format(time.RFC3339), got["Expiration"])

		m.Rotate(aws.Credentials{})
		failed := ask(t, imds(m), "GET", rolesURL+"app")
		require.Equal(t, 200, failed.status)
		require.Equal(t, "AssumeRoleUnauthorizedAccess", object(t, failed)["Code"])

		m.SetRole("other")
		require.Equal(t, "other", ask(t, imds(m), "GET", rolesURL).body)
		require.Equal(t, 404, ask(t, imds(m), "GET", rolesURL+"app").status)
		m.SetRole("")
		require.Equal(t, 404, ask(t, imds(m), "GET", rolesURL).status)
	})
}

func TestIMDSIdentityDocument(t *testing.T) {
	t.Parallel()
	m := &awstest.IMDS{Region: "ap-south-1", AccountID: "111122223333", InstanceID: "i-1", Role: "app"}
	got := object(t, ask(t, imds(m), "GET", base+"/latest/dynamic/instance-identity/document"))
	require.Equal(t, "ap-south-1", got["region"])
	require.Equal(t, "ap-south-1a", got["availabilityZone"])
	require.Equal(t, "111122223333", got["accountId"])
	require.Equal(t, "i-1", got["instanceId"])
	info := object(t, ask(t, imds(m), "GET", base+"/latest/meta-data/iam/info"))
	require.Equal(t, "arn:aws:iam::111122223333:instance-profile/app", info["InstanceProfileArn"])
}

func TestIMDSRecordsRequests(t *testing.T) {
	t.Parallel()
	m := &awstest.IMDS{Mode: awstest.V2Only, Role: "app"}
	rt := imds(m)
	token := ask(t, rt, "PUT", tokenURL, ttlHeader, "60").body
	ask(t, rt, "GET", rolesURL)
	ask(t, rt, "GET", rolesURL+"?x=y", tokenHeader, token)
	want := []awstest.Request{
		{Method: "PUT", Path: "/latest/api/token", Status: 200},
		{Method: "GET", Path: "/latest/meta-data/iam/security-credentials/", Status: 401},
		{Method: "GET", Path: "/latest/meta-data/iam/security-credentials/", Status: 200, Authorized: true},
	}
	require.Empty(t, cmp.Diff(want, m.Requests()))
	require.Equal(t, 3, m.Count("", "/"))
	require.Equal(t, 2, m.Count("GET", "/latest/meta-data/"))
	require.Equal(t, 0, m.Count("PUT", "/latest/meta-data/"))
	require.Equal(t, "PUT /latest/api/token 200", m.Requests()[0].String())
}

func TestIMDSConcurrently(t *testing.T) {
	t.Parallel()
	m := &awstest.IMDS{Mode: awstest.V2Only, Role: "app", Credentials: awstest.LongTerm("0")}
	rt := imds(m)
	const callers = 20
	done := make(chan int, callers)
	for range callers {
		go func() {
			req, _ := http.NewRequestWithContext(t.Context(), "PUT", tokenURL, http.NoBody)
			req.Header.Set(ttlHeader, "60")
			resp, err := rt.RoundTrip(req)
			m.Rotate(awstest.LongTerm("1"))
			if err != nil {
				done <- 0
				return
			}
			_ = resp.Body.Close()
			done <- resp.StatusCode
		}()
	}
	for range callers {
		require.Equal(t, 200, <-done)
	}
	require.Equal(t, callers, m.Count("PUT", "/latest/api/token"))
}

func object(t *testing.T, a answer) map[string]string {
	t.Helper()
	var v map[string]string
	require.NoError(t, json.Unmarshal([]byte(a.body), &v))
	return v
}
