package imds

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

const (
	regionPath   = "/latest/meta-data/placement/region"
	documentPath = "/latest/dynamic/instance-identity/document"
)

// Document is the instance identity document: what the instance is. The fields are as the service writes them;
// one that it leaves out is empty.
type Document struct {
	AccountID        string    `json:"accountId"`
	Region           string    `json:"region"`
	AvailabilityZone string    `json:"availabilityZone"`
	InstanceID       string    `json:"instanceId"`
	InstanceType     string    `json:"instanceType"`
	ImageID          string    `json:"imageId"`
	Architecture     string    `json:"architecture"`
	PrivateIP        string    `json:"privateIp"`
	PendingTime      time.Time `json:"pendingTime"` // when the instance was launched
}

// Document fetches the instance identity document. Its signature is not checked: the answer is as trustworthy
// as the way to the service.
func (c *Client) Document(ctx context.Context) (Document, error) {
	ctx = c.limit(ctx)
	return c.document(ctx)
}

func (c *Client) document(ctx context.Context) (doc Document, err error) {
	err = c.get(ctx, documentPath, func(body []byte) error {
		doc = Document{} // a truncated answer may have left something here
		return parseJSON(body, &doc)
	})
	if err != nil {
		return Document{}, err
	}
	return doc, nil
}

// Region asks for the region of the instance, and if the service does not know that path, takes it from the
// identity document. It is never derived from the availability zone, because a local zone's name (such as
// us-west-2-lax-1a) is not a region and a letter.
func (c *Client) Region(ctx context.Context) (string, error) {
	ctx = c.limit(ctx)
	var region string
	err := c.get(ctx, regionPath, func(body []byte) error {
		region = strings.TrimSpace(string(body))
		if !isRegion(region) {
			return notWhatWasAsked(body, "the name of a region")
		}
		return nil
	})
	if err == nil {
		return region, nil
	}
	if !isNotFound(err) {
		return "", err
	}
	doc, err := c.document(ctx)
	if err != nil {
		return "", err
	}
	if !isRegion(doc.Region) {
		return "", c.failure(http.MethodGet, documentPath, http.StatusOK, errors.New("the identity document has no valid region"))
	}
	return doc.Region, nil
}

// isRegion tells whether s can be a region's name; it becomes part of host names.
func isRegion(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '-' && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}) < 0
}
