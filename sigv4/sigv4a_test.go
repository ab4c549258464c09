package sigv4_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

func TestSigV4aRoundTrip(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", RegionSet: "us-*,eu-central-1"}
	r := request(t, "GET", "https://mrap.accesspoint.s3-global.amazonaws.com/a key?x=1")
	require.NoError(t, s.Sign(r, session, "", at2015))
	require.Equal(t, "us-*,eu-central-1", r.Header.Get("X-Amz-Region-Set"))
	require.True(t, strings.HasPrefix(r.Header.Get("Authorization"),
		"AWS4-ECDSA-P256-SHA256 Credential=ASIAEXAMPLE/20150830/s3/aws4_request, "+
			"SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-region-set;x-amz-security-token, Signature=30"), r.Header.Get("Authorization"))
	again := request(t, "GET", "https://mrap.accesspoint.s3-global.amazonaws.com/a key?x=1")
	require.NoError(t, s.Sign(again, session, "", at2015))
	require.Equal(t, r.Header, again.Header, "it is not deterministic")

	p, err := s.Presign(t.Context(), request(t, "GET", "https://mrap.accesspoint.s3-global.amazonaws.com/a key?x=1"), static(session), sigv4.PresignInput{}, at2015)
	require.NoError(t, err)
	require.Contains(t, p.URL, "X-Amz-Region-Set=us-%2A%2Ceu-central-1&")

	for region, want := range map[string]sigv4.Part{"": "", "us-west-2": "", "eu-central-1": "", "eu-central-2": sigv4.PartScope, "cn-north-1": sigv4.PartScope} {
		v := verifier(session)
		v.Service, v.Region = "s3", region
		for _, received := range []*http.Request{sent(t, r), fetched(t, p)} {
			got, err := v.Verify(received, at2015)
			if want != "" {
				require.Equal(t, want, part(t, err))
				continue
			}
			require.NoError(t, err)
			require.Equal(t, "us-*,eu-central-1", got.Region)
		}
	}
}

func TestSigV4aTampering(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   sigv4.Part
	}{
		"path":           {func(r *http.Request) { r.URL.Path = "/other" }, sigv4.PartUnknown},
		"region set":     {func(r *http.Request) { r.Header.Set("X-Amz-Region-Set", "us-*") }, sigv4.PartUnknown},
		"no region set":  {func(r *http.Request) { r.Header.Del("X-Amz-Region-Set") }, sigv4.PartScope},
		"method":         {func(r *http.Request) { r.Method = "PUT" }, sigv4.PartMethod},
		"digit":          {lastDigit, sigv4.PartUnknown},
		"no signature":   {func(r *http.Request) { authorization(signature(r), "")(r) }, sigv4.PartAuthorization},
		"not DER":        {func(r *http.Request) { authorization("Signature=30", "Signature=31")(r) }, sigv4.PartUnknown},
		"a region":       {authorization("/s3/", "/us-east-1/s3/"), sigv4.PartAuthorization},
		"HMAC":           {authorization("ECDSA-P256", "HMAC"), sigv4.PartAuthorization},
		"day":            {authorization("20150830", "20150831"), sigv4.PartTime},
		"too long a sig": {func(r *http.Request) { authorization("Signature=", "Signature="+strings.Repeat("00", 80))(r) }, sigv4.PartAuthorization},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sigv4.Signer{Service: "s3", RegionSet: "*"}
			r := request(t, "GET", "https://mrap.example/key")
			require.NoError(t, s.Sign(r, documented, "", at2015))
			got := sent(t, r)
			tt.change(got)
			_, err := verifier(documented).Verify(got, at2015)
			require.Equal(t, tt.want, part(t, err), "error: %v", err)
		})
	}
}

// TestSigV4aKeys wants each secret to have a key of its own.
func TestSigV4aKeys(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", RegionSet: "*"}
	for i := range 20 {
		creds := aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: strings.Repeat("s", i+1)}
		r := request(t, "GET", "https://mrap.example/key")
		require.NoError(t, s.Sign(r, creds, "", at2015))
		_, err := verifier(creds).Verify(sent(t, r), at2015)
		require.NoError(t, err)
		creds.SecretAccessKey += "s"
		_, err = verifier(creds).Verify(sent(t, r), at2015)
		require.Error(t, err)
	}
}

func TestSigV4aHasNoStreams(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "transcribe", RegionSet: "*"}
	_, err := s.SignEvents(request(t, "POST", "https://host.example/"), session, at2015)
	require.ErrorContains(t, err, "SigV4a")

	r, err := http.NewRequest("PUT", "https://mrap.example/key", strings.NewReader("abc"))
	require.NoError(t, err)
	s3 := &sigv4.Signer{Service: "s3", RegionSet: "*"}
	require.NoError(t, s3.SignChunked(r, session, unsigned(trailerSHA256), at2015))
	got := sent(t, r)
	_, err = verifier(session).Verify(got, at2015.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, "abc", readAll(t, got.Body))
}

// Event streams fail with what cannot be signed.
func TestEventsRefuse(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "transcribe", Region: "us-east-1"}
	_, err := s.SignEvents(request(t, "POST", "https://host.example/"), aws.Credentials{}, at2015)
	require.ErrorContains(t, err, "anonymous")
	events, err := s.SignEvents(request(t, "POST", "https://host.example/"), session, at2015)
	require.NoError(t, err)
	_, err = events.Sign(nil, nil, time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC))
	require.ErrorContains(t, err, "year")
}
