package realtest_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

const loginARN = "arn:aws:iam::123456789012:user/tester"

// A doorway is a sign-in service of its own, with the file of one session.
type doorway struct {
	*awstest.SignIn
	*postings
	url, dir string
}

func startDoorway(t testing.TB) *doorway {
	t.Helper()
	service := &awstest.SignIn{}
	p := &postings{service: service}
	return &doorway{service, p, awstest.Serve(t, p), t.TempDir()}
}

func (d *doorway) file() string {
	sum := sha256.Sum256([]byte(loginARN))
	return filepath.Join(d.dir, hex.EncodeToString(sum[:])+".json")
}

func (d *doorway) read(t testing.TB) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(d.file())
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(raw, &document))
	return document
}

// expire makes the credentials in the file look as if they had ended.
func (d *doorway) expire(t testing.TB) {
	t.Helper()
	document := d.read(t)
	document["accessToken"].(map[string]any)["expiresAt"] = time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	raw, err := json.Marshal(document)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(d.file(), raw, 0o600))
}

func (d *doorway) sdk(t testing.TB) aws.CredentialsProvider {
	t.Helper()
	path, err := logincreds.StandardCachedTokenFilepath(loginARN, d.dir)
	require.NoError(t, err)
	require.Equal(t, d.file(), path)
	return logincreds.New(signin.NewFromConfig(sdkConfig(d.url, nil)), path)
}

func (d *doorway) ours(t testing.TB) *providers.Login {
	t.Helper()
	return &providers.Login{Session: loginARN, Region: region,
		System: machine(t, map[string]string{"AWS_LOGIN_CACHE_DIRECTORY": d.dir, "AWS_ENDPOINT_URL_SIGNIN": d.url}, newWire())}
}

// longSession is a session with a key whose coordinates are long of themselves: the SDK does not pad them.
func (d *doorway) longSession(t testing.TB, expires time.Time) awstest.LoginSession {
	t.Helper()
	for {
		session := d.Session(expires)
		block, _ := pem.Decode([]byte(session.DPoPKey))
		key, err := x509.ParseECPrivateKey(block.Bytes)
		require.NoError(t, err)
		if point, err := key.PublicKey.Bytes(); err == nil && point[1] != 0 && point[33] != 0 {
			return session
		}
	}
}

// proofParts returns the header and the claims of a DPoP proof, without what differs each time.
func proofParts(t testing.TB, proof string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(proof, ".")
	require.Len(t, parts, 3)
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, into))
	}
	return header, claims
}

// TestLoginProviderIsTheSDKs: the fake takes the SDK's proofs, and ours are of the same form.
func TestLoginProviderIsTheSDKs(t *testing.T) {
	t.Parallel()
	one, other := startDoorway(t), startDoorway(t)
	past := time.Now().Add(-time.Minute)
	for _, d := range []*doorway{one, other} {
		require.NoError(t, os.WriteFile(d.file(), []byte(d.longSession(t, past).File()), 0o600))
	}
	theirs, err := retrieve(t, one.sdk(t))
	require.NoError(t, err)
	ours, err := retrieve(t, other.ours(t))
	require.NoError(t, err)
	require.Equal(t, theirs.AccountID, ours.AccountID)
	require.WithinDuration(t, theirs.Expires, ours.Expires, 5*time.Second)

	want, got := one.take(), other.take()
	require.Len(t, want, 1)
	require.Len(t, got, 1)
	require.Equal(t, want[0].Media, got[0].Media)
	require.Equal(t, want[0].URI, got[0].URI)
	require.Equal(t, slices.Sorted(maps.Keys(want[0].Body)), slices.Sorted(maps.Keys(got[0].Body)))
	require.Equal(t, want[0].Body["grantType"], got[0].Body["grantType"])
	require.Equal(t, want[0].Body["clientId"], got[0].Body["clientId"])
	wantHeader, wantClaims := proofParts(t, want[0].proof)
	gotHeader, gotClaims := proofParts(t, got[0].proof)
	for _, name := range []string{"typ", "alg"} {
		require.Equal(t, wantHeader[name], gotHeader[name])
	}
	require.Equal(t, slices.Sorted(maps.Keys(wantHeader["jwk"].(map[string]any))), slices.Sorted(maps.Keys(gotHeader["jwk"].(map[string]any))))
	require.Equal(t, slices.Sorted(maps.Keys(wantClaims)), slices.Sorted(maps.Keys(gotClaims)))
	require.Equal(t, one.url+"/v1/token", wantClaims["htu"])
	require.Equal(t, other.url+"/v1/token", gotClaims["htu"])

	require.Contains(t, other.read(t), "idToken", "it was in the file, and ours leaves it there")
	for _, d := range []*doorway{one, other} { // each goes on where the other one has left off
		d.expire(t)
	}
	_, err = retrieve(t, one.ours(t))
	require.NoError(t, err)
	_, err = retrieve(t, other.sdk(t))
	require.NoError(t, err)
	require.Equal(t, 2, one.Calls("CreateOAuth2Token"))
	require.Equal(t, 2, other.Calls("CreateOAuth2Token"))
}

// One key in 128 has a coordinate that starts with a zero byte, which RFC 7518 wants to be written all the same.
func TestShortKeyIsPadded(t *testing.T) {
	t.Parallel()
	d := startDoorway(t)
	require.NoError(t, os.WriteFile(d.file(), []byte(d.ShortKeySession(time.Now().Add(-time.Minute)).File()), 0o600))
	_, err := retrieve(t, d.sdk(t))
	require.ErrorContains(t, err, "DPoP", "the SDK has learned to pad: longSession is not needed any more")
	_, err = retrieve(t, d.ours(t))
	require.NoError(t, err)
}

// What the sign-in service refuses says the same to a person.
func TestLoginRefusalsAreTheSDKs(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED", "INSUFFICIENT_PERMISSIONS"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			d := startDoorway(t)
			session := d.longSession(t, time.Now().Add(-time.Minute))
			require.NoError(t, os.WriteFile(d.file(), []byte(session.File()), 0o600))
			d.Refuse(reason)
			_, sdkErr := retrieve(t, d.sdk(t))
			require.Error(t, sdkErr)
			_, err := retrieve(t, d.ours(t))
			requireFinal(t, err)
			var signIn *providers.SignInError
			if reason == "INSUFFICIENT_PERMISSIONS" {
				require.ErrorContains(t, sdkErr, "CreateOAuth2Token")
				require.NotErrorAs(t, err, &signIn)
				return
			}
			require.ErrorContains(t, sdkErr, "please reauthenticate")
			require.ErrorAs(t, err, &signIn)
			require.NotContains(t, err.Error(), session.RefreshToken)
		})
	}
}

// refusing notes the URLs that it is asked for, and answers none.
type refusing struct{ urls []string }

func (r *refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	r.urls = append(r.urls, req.URL.String())
	return nil, errors.New("no network here")
}

// TestSignInAddresses: the sign-in service is where the SDK's resolver has it, in every partition and variant.
func TestSignInAddresses(t *testing.T) {
	t.Parallel()
	session := (&awstest.SignIn{}).Session(time.Now().Add(-time.Minute))
	sum := sha256.Sum256([]byte(loginARN))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, hex.EncodeToString(sum[:])+".json"), []byte(session.File()), 0o600))
	for _, region := range []string{"us-east-1", "eu-west-1", "us-gov-west-1", "us-gov-east-1", "cn-north-1", "eusc-de-east-1",
		"us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1"} {
		for _, variant := range [][2]bool{{}, {true, false}, {false, true}, {true, true}} {
			want, err := signin.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), signin.EndpointParameters{Region: &region,
				UseFIPS: &variant[0], UseDualStack: &variant[1], IsControlPlane: aws.Bool(false)})
			require.NoError(t, err)
			asked := &refusing{}
			login := &providers.Login{Session: loginARN, System: machine(t, map[string]string{"AWS_REGION": region, "AWS_LOGIN_CACHE_DIRECTORY": dir,
				"AWS_USE_FIPS_ENDPOINT": fmt.Sprint(variant[0]), "AWS_USE_DUALSTACK_ENDPOINT": fmt.Sprint(variant[1])}, asked)}
			_, err = login.Retrieve(t.Context())
			require.Error(t, err)
			require.NotEmpty(t, asked.urls, "%v", err)
			require.Equal(t, want.URI.String()+"/v1/token", asked.urls[0])
		}
	}
}
