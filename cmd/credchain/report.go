package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/imds"
	"github.com/credchain/credchain/providers"
)

// report is all that explain has to say.
type report struct {
	order       string
	offline     bool
	profile     string
	profileFrom credchain.Origin
	region      string // "" if it could not be determined
	regionFrom  credchain.Origin
	regionWhy   string // why it could not
	trace       credchain.Trace
}

// gather walks the chain and finds the region.
func (a *app) gather(ctx context.Context, cfg providers.Config, offline bool) report {
	r := report{order: a.order.value, offline: offline}
	var options []credchain.ExplainOption
	if offline {
		cfg.System, _ = cutOff(cfg.System)
		options = append(options, credchain.Offline)
	}
	r.trace = a.chain(cfg).Explain(ctx, options...)
	r.profile, r.profileFrom = providers.ProfileName(cfg)
	r.findRegion(ctx, cfg)
	return r
}

// findRegion fills in the region. Where the walk has shown that there is no metadata service, it does not
// wait for the service a second time.
func (r *report) findRegion(ctx context.Context, cfg providers.Config) {
	absent := false
	for _, a := range r.trace.Attempts {
		absent = absent || errors.Is(a.Err, imds.ErrUnreachable)
	}
	var asked *atomic.Bool
	if r.offline {
		cfg.System, asked = cutOff(cfg.System)
	} else if absent {
		cfg.System.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED} // as the walk found it
		})
	}
	region, from, err := providers.Region(ctx, cfg)
	switch {
	case r.offline && asked.Load():
		r.regionWhy = "only the metadata service could tell, and it is not asked offline"
	case err != nil:
		r.regionWhy = err.Error()
	default:
		r.region, r.regionFrom = region, from
	}
}

var errOffline = errors.New("nothing is asked offline")

// cutOff returns sys without its network, and whether anybody has tried to use that.
func cutOff(sys providers.System) (providers.System, *atomic.Bool) {
	asked := new(atomic.Bool)
	sys.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		asked.Store(true)
		return nil, errOffline
	})
	sys.LookupHost = func(context.Context, string) ([]string, error) {
		asked.Store(true)
		return nil, errOffline
	}
	return sys, asked
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The JSON form of a report. Programs depend on it: every key is always there.
type (
	reportJSON struct {
		Order       string              `json:"order"`
		Profile     profileJSON         `json:"profile"`
		Region      regionJSON          `json:"region"`
		Credentials *credchain.Redacted `json:"credentials"`
		Attempts    []credchain.Attempt `json:"attempts"`
		Warnings    []credchain.Warning `json:"warnings"`
	}
	profileJSON struct {
		Name   string            `json:"name"`
		Origin *credchain.Origin `json:"origin"`
	}
	regionJSON struct {
		Value  *string           `json:"value"`
		Origin *credchain.Origin `json:"origin"`
	}
)

// json returns the report for programs.
func (r *report) json() (string, error) {
	return indented(reportJSON{
		Order:       r.order,
		Profile:     profileJSON{r.profile, orNull(r.profileFrom)},
		Region:      regionJSON{orNull(r.region), orNull(r.regionFrom)},
		Credentials: r.trace.Credentials,
		Attempts:    r.trace.Attempts,
		Warnings:    append([]credchain.Warning{}, r.trace.Warnings...),
	})
}

// orNull makes a zero value null in JSON.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// timestamp is t as every SDK reads it, "" for the zero time.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// indented encodes a document for people and programs. It escapes no character without need, because the
// values of export are also compared as text.
func indented(doc any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return "", fmt.Errorf("the JSON document could not be made: %w", err)
	}
	return b.String(), nil
}
