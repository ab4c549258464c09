package sts

import (
	"fmt"
	"time"
)

// ClockSkew is how far the service's clock is ahead of this machine's, as the Date of a refused answer told it;
// negative if it is behind. Requests are signed at the service's time. It is 0 until a request was refused in
// a way that a wrong clock can cause and the clocks differed by more than 4 minutes.
func (c *Client) ClockSkew() time.Duration { return c.skew.Get() }

// skewError tells a person what a signature's time was wrong by.
func skewError(err error, off time.Duration) error {
	direction := "before"
	if off < 0 {
		direction = "after"
	}
	return fmt.Errorf("%w; it was signed %s %s the service's time", err, off.Abs().Round(time.Second), direction)
}
