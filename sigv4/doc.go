// Package sigv4 signs requests to AWS, and checks such signatures: AWS Signature Version 4 in headers, in presigned
// URLs, in chunked payloads and in event streams, and its variant for several regions, SigV4a.
//
//	signer := &sigv4.Signer{Service: "sqs", Region: "eu-central-1"}
//	err := signer.Sign(request, credentials, "", time.Now())
//
// Whoever calls AWS over HTTP need not sign: a [Transport] signs, retries and slows down by itself.
//
//	client := &http.Client{Transport: &sigv4.Transport{Credentials: chain}}
//
// A [Verifier] is the server's side. [Diagnose] reads a service's SignatureDoesNotMatch and says where its reading of the
// request and ours part.
//
// # What is signed is what is sent
//
// Everything that net/http will send is signed as it will be sent, but for the headers that a hop may change: Authorization,
// Connection, Expect, Keep-Alive, Proxy-Authenticate, Proxy-Authorization, TE, Trailer, Transfer-Encoding, Upgrade,
// User-Agent and X-Amzn-Trace-Id. Where the wire could say the same in two ways, the request is brought into the form that
// is signed: a default port leaves the host, the query gets its canonical encoding and order, and so does the path for S3.
// What has no form that can be signed is an error, such as a broken escape in the query: it is never left out.
//
// # The rules
//
// They are those of "Create a signed AWS API request" in the IAM User Guide, and for S3 those of "Authenticating Requests
// (AWS Signature Version 4)" in its API Reference. Signatures equal those of aws-sdk-go-v2, except where its signer leaves
// the rules or part of the request behind; the package's differential test lists each such place.
package sigv4
