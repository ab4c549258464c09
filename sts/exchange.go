package sts

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain/internal/backoff"
	"github.com/credchain/credchain/internal/skew"
	"github.com/credchain/credchain/internal/wire"
	"github.com/credchain/credchain/sigv4"
)

// exchange is one call with all its attempts.
type exchange struct {
	client          *Client
	address, region string
	creds           aws.Credentials
	signed          bool
	body            []byte
	result          any
	secrets         []string // of the request: no error quotes them
	once            bool     // the request must leave no more than once
	again           string   // a code that is worth one more attempt, until it was met

	skewed bool // an attempt was repeated because its time was wrong: not twice
	resign bool // the last attempt is to be repeated for that reason
}

// attempt sends the request, signed at its own time.
func (x *exchange) attempt(ctx context.Context) error {
	x.resign = false
	err := x.send(ctx)
	if err == nil || !x.once || wire.NeverLeft(err) || x.classify(err) == backoff.Final {
		return err
	}
	return backoff.Permanent(fmt.Errorf("%w; the MFA code may be used up, so the call is not repeated with it", err))
}

// classify is the policy's: what else than the usual is worth another attempt.
func (x *exchange) classify(err error) backoff.Class {
	if x.resign {
		return backoff.Transient
	}
	var e *Error
	if x.again != "" && errors.As(err, &e) && e.Code == x.again {
		x.again = ""
		return backoff.Transient
	}
	return backoff.Classify(err)
}

func (x *exchange) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.address, bytes.NewReader(x.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	req.Header.Set("User-Agent", "credchain")
	offset := x.client.ClockSkew()
	if x.signed {
		signer := sigv4.Signer{Service: "sts", Region: x.region}
		if err := signer.Sign(req, x.creds, "", time.Now().Add(offset)); err != nil {
			return err
		}
	}
	sent := time.Now()
	resp, err := wire.Do(x.client.transport(), req)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", x.address, err)
	case resp.StatusCode != http.StatusOK:
		return x.refused(resp, offset, sent)
	}
	if err := xml.Unmarshal(resp.Body, x.result); err != nil {
		return fmt.Errorf("%s: the answer is no XML as STS gives it: %w", x.address, withoutText(err))
	}
	return nil
}

// refused is the error for an answer that is none, to a request signed with the offset used.
func (x *exchange) refused(resp *wire.Response, used time.Duration, sent time.Time) error {
	e := parseError(resp, x.secrets)
	var err error = e
	if e.Code == "" { // something else answers there, perhaps a proxy
		err = fmt.Errorf("%s: %w", x.address, e)
	}
	if observed, ok := skew.Observe(resp.Header, sent, time.Now()); ok && x.signed {
		if off, wrong := x.client.skew.Learn(e.Code, observed, used); wrong {
			x.resign = !x.skewed
			x.skewed = true
			err = skewError(e, off)
		}
	}
	return backoff.Hinted(resp.Header, err)
}

// withoutText keeps the place of an XML error and drops its words, which can quote the document.
func withoutText(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("bad syntax in line %d", syntax.Line)
	}
	return errors.New("another document was expected")
}
