package sigv4_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/sigv4"
)

func ExampleSigner_Sign() {
	signer := &sigv4.Signer{Service: "sqs", Region: "eu-central-1"}
	credentials := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	r, err := http.NewRequest("POST", "https://sqs.eu-central-1.amazonaws.com/", strings.NewReader(`{"QueueNamePrefix":"a"}`))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS.ListQueues")
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC) // usually time.Now()
	if err := signer.Sign(r, credentials, "", at); err != nil {
		panic(err)
	}
	for part := range strings.SplitSeq(r.Header.Get("Authorization"), " ") {
		fmt.Println(part)
	}
	// Output:
	// AWS4-HMAC-SHA256
	// Credential=AKIDEXAMPLE/20150830/eu-central-1/sqs/aws4_request,
	// SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-target,
	// Signature=0e789f2d714ef7bf361c6cbf5d0725869c16c87884352fbb8266963243cca15b
}

func ExampleSigner_Presign() {
	signer := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	at := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	provider := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "token", CanExpire: true, Expires: at.Add(time.Hour)}, nil
	})
	r, err := http.NewRequest("GET", "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	if err != nil {
		panic(err)
	}
	p, err := signer.Presign(context.Background(), r, provider, sigv4.PresignInput{Expires: 24 * time.Hour}, at)
	if err != nil {
		panic(err)
	}
	fmt.Println("works until", p.Expires, "limited by the", p.LimitedBy)
	// Output: works until 2013-05-24 01:00:00 +0000 UTC limited by the credentials
}

func ExampleVerifier() {
	credentials := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}
	verifier := &sigv4.Verifier{
		Service: "execute-api", Region: "us-east-1",
		Credentials: func(_ context.Context, accessKeyID, _ string) (aws.Credentials, error) {
			if accessKeyID != credentials.AccessKeyID {
				return aws.Credentials{}, fmt.Errorf("there is no %s", accessKeyID)
			}
			return credentials, nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := verifier.Verify(r, time.Now())
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, "hello", who.AccessKeyID)
	}))
	defer server.Close()

	signer := &sigv4.Signer{Service: "execute-api", Region: "us-east-1"}
	for _, changed := range []bool{false, true} {
		r, err := http.NewRequest("GET", server.URL+"/pets?kind=cat", nil)
		if err != nil {
			panic(err)
		}
		if err := signer.Sign(r, credentials, "", time.Now()); err != nil {
			panic(err)
		}
		if changed {
			r.Method = "DELETE"
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			panic(err)
		}
		var answer strings.Builder
		if err := resp.Write(&answer); err != nil {
			panic(err)
		}
		_, text, _ := strings.Cut(answer.String(), "\r\n\r\n")
		fmt.Println(resp.StatusCode, strings.TrimSpace(text))
	}
	// Output:
	// 200 hello AKIDEXAMPLE
	// 403 sigv4: method: it is signed for GET
}

func ExampleTransport() {
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}, nil
	})
	client := &http.Client{Transport: &sigv4.Transport{
		Credentials: credentials,
		Limiter:     sigv4.S3Limits(),
		Base:        nobody{}, // leave it out to call AWS
	}}
	resp, err := client.Get("https://my-bucket.s3.eu-central-1.amazonaws.com/report.pdf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	scope, _, _ := strings.Cut(strings.TrimPrefix(resp.Request.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/aws4_request")
	fmt.Println(resp.StatusCode, strings.Count(scope, "/"), strings.HasSuffix(scope, "/eu-central-1/s3"))
	// Output: 200 3 true
}

// nobody answers every request.
type nobody struct{}

func (nobody) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}
