package quotas

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// ErrUnknown says that a request was sent, that its answer got lost or is not Service Quotas', and that the history does not
// have the request: it did not arrive, or it is not listed yet. To ask again later is safe, since [Client.Request] looks first.
var ErrUnknown = errors.New("whether the request arrived is not known")

// OpenError says that nothing was asked for, since a request for the same quota and another value is open. AWS takes only
// one for a quota at a time.
type OpenError struct {
	// Open is the request that is open.
	Open Change
	// Wanted is the value that was not asked for.
	Wanted float64
}

// Error names both values.
func (e *OpenError) Error() string {
	return fmt.Sprintf("a request for %s is open (%s), so %s is not asked for", number(e.Open.Value), e.Open.Status, number(e.Wanted))
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// FindOpen returns the request for this quota that AWS has not decided yet, whatever its value. Requests for a single resource
// do not count. found is false if there is none.
func (c *Client) FindOpen(ctx context.Context, service, quota string) (open Change, found bool, err error) {
	history, err := c.historyOf(ctx, service, quota)
	if err != nil {
		return Change{}, false, err
	}
	open, found = openIn(history)
	return open, found, nil
}

// historyOf returns the requests for a quota of the account.
func (c *Client) historyOf(ctx context.Context, service, quota string) ([]Change, error) {
	if err := codes(service, quota); err != nil {
		return nil, fmt.Errorf("quotas: %w", err)
	}
	history, err := c.History(ctx, service, quota)
	return slices.DeleteFunc(history, func(h Change) bool {
		return h.ServiceCode != service || h.QuotaCode != quota || h.ContextID != ""
	}), err
}

func openIn(history []Change) (Change, bool) {
	for _, h := range history {
		if h.Status.Open() {
			return h, true
		}
	}
	return Change{}, false
}

// Request asks AWS for another value of a quota, and may be repeated: if there is an open request for the quota, that one is
// returned, with existing true, and none is made. If it is for another value, the error is an [*OpenError] beside it.
//
// The request is sent again only if it cannot have had an effect: no connection could be made, or Service Quotas refuses in a
// way that another attempt mends, such as throttling, expired credentials or a wrong clock. If its answer gets lost, or is not Service Quotas', Request looks in the history: a new request for this value is taken for the one
// that was made, and if there is none, the error wraps [ErrUnknown].
//
// AWS may open a support case for a request.
func (c *Client) Request(ctx context.Context, service, quota string, value float64) (change Change, existing bool, err error) {
	if !(value > 0 && value <= 1e10) {
		return Change{}, false, fmt.Errorf("quotas: %w", &InputError{"DesiredValue", "want more than 0 and at most 10,000,000,000"})
	}
	before, err := c.historyOf(ctx, service, quota)
	if err != nil {
		return Change{}, false, err
	}
	if open, found := openIn(before); found {
		return already(open, value)
	}
	var out struct{ RequestedQuota wireChange }
	_, err = c.do(ctx, requestIncrease, map[string]any{"ServiceCode": service, "QuotaCode": quota, "DesiredValue": value}, &out)
	if err == nil && out.RequestedQuota.Id == "" {
		err = &lostError{errors.New("quotas: " + requestIncrease + ": the answer has no request")}
	}
	var refused *Error
	var lost *lostError
	switch {
	case err == nil:
		return out.RequestedQuota.change(), false, nil
	case errors.As(err, &lost):
		return c.arrived(ctx, before, service, quota, value, err)
	case errors.As(err, &refused) && refused.Code == "ResourceAlreadyExistsException":
		// Somebody else's, made since.
		if open, found, again := c.FindOpen(ctx, service, quota); again == nil && found {
			return already(open, value)
		}
	}
	return Change{}, false, err
}

// already returns a request that is open.
func already(open Change, value float64) (Change, bool, error) {
	if open.Value != value {
		return open, true, fmt.Errorf("quotas: %w", &OpenError{open, value})
	}
	return open, true, nil
}

// arrived looks for a request whose answer got lost. It can have been decided already.
func (c *Client) arrived(ctx context.Context, before []Change, service, quota string, value float64, lost error) (Change, bool, error) {
	after, err := c.historyOf(ctx, service, quota)
	if err != nil {
		return Change{}, false, fmt.Errorf("%w; %w, since the history cannot be read: %w", lost, ErrUnknown, err)
	}
	for _, h := range after {
		if h.Value == value && !slices.ContainsFunc(before, func(b Change) bool { return b.ID == h.ID }) {
			return h, false, nil
		}
	}
	if open, found := openIn(after); found {
		return already(open, value)
	}
	return Change{}, false, fmt.Errorf("%w; %w: the history does not have it", lost, ErrUnknown)
}
