package sigv4_test

import (
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/sigv4"
)

// Signatures that AWS has published: in the IAM User Guide, in the API Reference of S3, and for its general test request.
func TestDocumentedSignatures(t *testing.T) {
	t.Parallel()
	type header = []string
	s3 := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	service := &sigv4.Signer{Service: "service", Region: "us-east-1"}
	once := &sigv4.Signer{Service: "service", Region: "us-east-1", Path: sigv4.PathOnce} // as AWS's test requests have it
	for _, tt := range []struct {
		name, method, url string
		headers           header
		signer            *sigv4.Signer
		at                time.Time
		payload           string
		want              string
	}{
		{"vanilla", "GET", "https://example.amazonaws.com/", nil, service, at2015, "",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"vanilla post", "POST", "https://example.amazonaws.com/", nil, service, at2015, "",
			"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"query order", "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", nil, service, at2015, "",
			"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"utf8", "GET", "https://example.amazonaws.com/\u1234", nil, once, at2015, "",
			"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		{"header trim", "GET", "https://example.amazonaws.com/", header{"My-Header1", " value1", "My-Header2", ` "a   b   c"`}, service, at2015, "",
			"acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{"unreserved", "GET", "https://example.amazonaws.com/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", nil, service, at2015, "",
			"07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{"space", "GET", "https://example.amazonaws.com/example%20space/", nil, once, at2015, "",
			"652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
		{"relative", "GET", "https://example.amazonaws.com/example/..", nil, service, at2015, "",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"slash", "GET", "https://example.amazonaws.com//", nil, service, at2015, "",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"list users", "GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
			header{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}, &sigv4.Signer{Service: "iam", Region: "us-east-1"}, at2015, "",
			"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
		{"get object", "GET", "https://examplebucket.s3.amazonaws.com/test.txt", header{"Range", "bytes=0-9"}, s3, at2013, "",
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"put object", "PUT", "https://examplebucket.s3.amazonaws.com/test$file.text",
			header{"Date", "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Storage-Class", "REDUCED_REDUNDANCY"}, s3, at2013,
			"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"get bucket lifecycle", "GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", nil, s3, at2013, "",
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"list objects", "GET", "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", nil, s3, at2013, "",
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			creds := documented
			if tt.signer == s3 {
				creds = documentedS3
			}
			r := request(t, tt.method, tt.url, tt.headers...)
			require.NoError(t, tt.signer.Sign(r, creds, tt.payload, tt.at))
			require.Equal(t, tt.want, signature(r), "Authorization: %s", r.Header.Get("Authorization"))
		})
	}
}

func TestDocumentedPresign(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	p, err := s.Presign(t.Context(), request(t, "GET", "https://examplebucket.s3.amazonaws.com/test.txt"), static(documentedS3),
		sigv4.PresignInput{Expires: 24 * time.Hour}, at2013)
	require.NoError(t, err)
	require.Equal(t, "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"+
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"+
		"&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"+
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", p.URL)
	require.Empty(t, p.Header)
	require.Equal(t, at2013.Add(24*time.Hour), p.Expires)
	require.Equal(t, sigv4.LimitedByRequest, p.LimitedBy)
}

// upload is the request of the two examples with chunks: 65 KiB of the letter a.
func upload(t *testing.T) *http.Request {
	r, err := http.NewRequest("PUT", "https://s3.amazonaws.com/examplebucket/chunkObject.txt", strings.NewReader(strings.Repeat("a", 66560)))
	require.NoError(t, err)
	r.Header.Set("X-Amz-Storage-Class", "REDUCED_REDUNDANCY")
	return r
}

func TestDocumentedChunks(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	r := upload(t)
	require.NoError(t, s.SignChunked(r, documentedS3, sigv4.ChunkedInput{}, at2013))
	require.Equal(t, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", signature(r))
	require.Equal(t, int64(66824), r.ContentLength)
	require.Equal(t, "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"+strings.Repeat("a", 65536)+"\r\n"+
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"+strings.Repeat("a", 1024)+"\r\n"+
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n", readAll(t, r.Body))
}

func newCRC32C() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }

func TestDocumentedTrailer(t *testing.T) {
	t.Parallel()
	s := &sigv4.Signer{Service: "s3", Region: "us-east-1"}
	// The example leaves Content-Length out of the signature.
	r := request(t, "PUT", "https://s3.amazonaws.com/examplebucket/chunkObject.txt", "X-Amz-Storage-Class", "REDUCED_REDUNDANCY",
		"Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", "66560", "X-Amz-Trailer", "x-amz-checksum-crc32c")
	require.NoError(t, s.Sign(r, documentedS3, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", at2013))
	require.Equal(t, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e", signature(r))

	body, err := s.EncodeChunks(io.NopCloser(strings.NewReader(strings.Repeat("a", 66560))), 66560,
		sigv4.ChunkedInput{Trailer: "x-amz-checksum-crc32c", Checksum: newCRC32C}, documentedS3, signature(r), at2013)
	require.NoError(t, err)
	require.Equal(t, "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"+strings.Repeat("a", 65536)+"\r\n"+
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"+strings.Repeat("a", 1024)+"\r\n"+
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"+
		"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
		readAll(t, body))
}

// The key of AWS's own example of deriving one for SigV4a.
func TestDocumentedKey4a(t *testing.T) {
	t.Parallel()
	public, err := sigv4.PublicKey4a(aws.Credentials{AccessKeyID: "AKISORANDOMAASORANDOM", SecretAccessKey: "q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom"})
	require.NoError(t, err)
	require.Equal(t, "0415d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb"+
		"0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0", hex.EncodeToString(public))
}
