package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/bench/fixture"
)

// EnvironmentFloor reads the three variables.
func EnvironmentFloor() Client {
	return Client{Name: "floor", Cold: func(context.Context) (string, error) {
		id, secret, token := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")
		if secret == "" && token == "" {
			return "", errFloor
		}
		return id, nil
	}}
}

var errFloor = errors.New("the floor found nothing")

// FilesFloor is the bare read-and-scan: it reads both shared files through a buffer of 64 KiB, finds each line
// and whether it is the profile's header, and takes two keys of the profile.
func FilesFloor() Client {
	return Client{Name: "floor", Cold: func(context.Context) (string, error) {
		buf := make([]byte, 64<<10)
		profile := os.Getenv("AWS_PROFILE")
		var id, secret string
		scan := func(name, header string) error {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			found, held := false, 0
			for {
				n, err := f.Read(buf[held:])
				data := buf[:held+n]
				for {
					end := bytes.IndexByte(data, '\n')
					if end < 0 {
						break
					}
					line := data[:end]
					data = data[end+1:]
					switch {
					case len(line) == 0:
					case line[0] == '[':
						found = string(line) == header
					case found:
						if v, ok := bytes.CutPrefix(line, []byte("aws_access_key_id = ")); ok {
							id = string(v)
						} else if v, ok := bytes.CutPrefix(line, []byte("aws_secret_access_key = ")); ok {
							secret = string(v)
						}
					}
				}
				held = copy(buf, data)
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
			}
		}
		if err := scan(os.Getenv("AWS_CONFIG_FILE"), "[profile "+profile+"]"); err != nil {
			return "", err
		}
		if err := scan(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), "["+profile+"]"); err != nil {
			return "", err
		}
		if secret == "" {
			return "", errFloor
		}
		return id, nil
	}}
}

// ContainerFloor is one bare round trip, on a connection of its own.
func ContainerFloor() Client {
	return Client{Name: "floor", Cold: func(ctx context.Context) (string, error) {
		body, err := roundTrip(ctx, newTransport(), http.MethodGet, os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
			"Authorization", os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
		return find(body, err)
	}}
}

// InstanceFloor is three bare round trips, on a connection of their own.
func InstanceFloor() Client {
	return Client{Name: "floor", Cold: func(ctx context.Context) (string, error) {
		transport, endpoint := newTransport(), os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")
		token, err := roundTrip(ctx, transport, http.MethodPut, endpoint+fixture.TokenPath,
			"X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		if err != nil {
			return "", err
		}
		role, err := roundTrip(ctx, transport, http.MethodGet, endpoint+fixture.RolePath,
			"X-Aws-Ec2-Metadata-Token", string(token))
		if err != nil {
			return "", err
		}
		body, err := roundTrip(ctx, transport, http.MethodGet, endpoint+fixture.RolePath+string(role),
			"X-Aws-Ec2-Metadata-Token", string(token))
		return find(body, err)
	}}
}

// RoleFloor is one bare round trip with the bytes of AssumeRole, on a connection of its own.
func RoleFloor() Client {
	const form = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fbench&RoleSessionName=bench&Version=2011-06-15"
	return Client{Name: "floor", Cold: func(ctx context.Context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("AWS_ENDPOINT_URL_STS"), strings.NewReader(form))
		if err != nil {
			return "", err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		req.Header.Set("X-Amz-Date", "20260101T000000Z")
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIABENCHBENCHBENCH0/20260101/us-east-1/sts/aws4_request, "+
			"SignedHeaders=content-type;host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000")
		resp, err := newTransport().RoundTrip(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		_, after, _ := bytes.Cut(body, []byte("<AccessKeyId>"))
		id, _, found := bytes.Cut(after, []byte("<"))
		if err == nil && !found {
			err = errFloor
		}
		return string(id), err
	}}
}

func newTransport() *http.Transport {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(true)
	return transport
}

func roundTrip(ctx context.Context, rt http.RoundTripper, method, url, header, value string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set(header, value)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}

func find(body []byte, err error) (string, error) {
	_, after, _ := bytes.Cut(body, []byte(`"AccessKeyId":"`))
	id, _, found := bytes.Cut(after, []byte(`"`))
	if err == nil && !found {
		err = errFloor
	}
	return string(id), err
}

// ExpiringFloor loads a pointer and looks at the wall clock.
func ExpiringFloor() Client {
	return Client{Name: "floor", Open: func(context.Context) (Retrieve, error) {
		var cached atomic.Pointer[aws.Credentials]
		cached.Store(&aws.Credentials{AccessKeyID: fixture.AccessKeyID, Expires: time.Now().Add(time.Hour).Round(0)})
		return func(context.Context) (string, error) {
			creds := *cached.Load()
			if !time.Now().Before(creds.Expires) {
				return "", errFloor
			}
			return creds.AccessKeyID, nil
		}, nil
	}}
}

// StaticFloor loads a pointer.
func StaticFloor() Client {
	return Client{Name: "floor", Open: func(context.Context) (Retrieve, error) {
		var cached atomic.Pointer[aws.Credentials]
		cached.Store(&aws.Credentials{AccessKeyID: fixture.AccessKeyID})
		return func(context.Context) (string, error) { return cached.Load().AccessKeyID, nil }, nil
	}}
}
