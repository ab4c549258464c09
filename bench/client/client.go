// Package client has the clients that are measured side by side: credchain, its peers, and a floor that does
// the least work anyone must do, unchecked.
package client

import "context"

// Client is one way to find credentials. All of them read the process's own environment.
type Client struct {
	Name string

	// Cold builds the loader as its documentation shows, retrieves once and returns the access key ID.
	Cold func(ctx context.Context) (string, error)

	// Open builds a loader, and returns its cached retrieval.
	Open func(ctx context.Context) (Retrieve, error)
}

// Retrieve returns the access key ID of credentials that may be cached.
type Retrieve func(ctx context.Context) (string, error)

// All returns credchain and its peers, in the order of the report's columns.
func All() []Client { return []Client{Credchain(), SDK(), Minio(), Base()} }
