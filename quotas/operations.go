package quotas

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Quota is a limit of one service.
type Quota struct {
	// ServiceCode and QuotaCode name it to the API: "ec2" and "L-1216C47A".
	ServiceCode, QuotaCode string

	// ServiceName and Name are for people.
	ServiceName, Name string

	// ARN is the quota's.
	ARN string

	// Value is the limit, in units of Unit, which is "None" for a number of things.
	Value float64
	Unit  string

	// Adjustable says that more can be asked for.
	Adjustable bool

	// Global says that it holds for all regions.
	Global bool
}

// Status is where a request for more stands.
type Status string

// The states that a request can be in. The first two are open.
const (
	Pending        Status = "PENDING"
	CaseOpened     Status = "CASE_OPENED"
	Approved       Status = "APPROVED"
	Denied         Status = "DENIED"
	CaseClosed     Status = "CASE_CLOSED"
	NotApproved    Status = "NOT_APPROVED"
	InvalidRequest Status = "INVALID_REQUEST"
)

// Open reports whether AWS has not decided yet.
func (s Status) Open() bool { return s == Pending || s == CaseOpened }

// Change is a request for another value of a quota.
type Change struct {
	// ID names the request, and CaseID the support case, "" if there is none.
	ID, CaseID string

	// ServiceCode, QuotaCode, ServiceName and QuotaName say of which quota.
	ServiceCode, QuotaCode, ServiceName, QuotaName string

	// ContextID is the resource that the request is for, such as the ARN of a domain; "" for one that is for the account.
	ContextID string

	// Value is what was asked for, in units of Unit.
	Value float64
	Unit  string

	// Status is where it stands.
	Status Status

	// Created and Updated are when; zero if the service does not say.
	Created, Updated time.Time

	// Requester is who asked, as the service writes it.
	Requester string
}

// Service is one that has quotas.
type Service struct {
	// Code names it to the API: "ec2".
	Code string
	// Name is for people.
	Name string
}

// wireQuota and the others are the documents as they come.
type wireQuota struct {
	ServiceCode, ServiceName, QuotaArn, QuotaCode, QuotaName, Unit string
	Value                                                          float64
	Adjustable, GlobalQuota                                        bool
	ErrorReason                                                    struct{ ErrorCode, ErrorMessage string }
}

func (w wireQuota) quota() Quota {
	return Quota{ServiceCode: w.ServiceCode, QuotaCode: w.QuotaCode, ServiceName: w.ServiceName, Name: w.QuotaName, ARN: w.QuotaArn,
		Value: w.Value, Unit: w.Unit, Adjustable: w.Adjustable, Global: w.GlobalQuota}
}

type wireChange struct {
	Id, CaseId, ServiceCode, ServiceName, QuotaCode, QuotaName, Status, Requester, Unit string
	DesiredValue                                                                        float64
	Created, LastUpdated                                                                seconds
	QuotaContext                                                                        struct{ ContextId string }
}

func (w wireChange) change() Change {
	return Change{ID: w.Id, CaseID: w.CaseId, ServiceCode: w.ServiceCode, QuotaCode: w.QuotaCode, ServiceName: w.ServiceName,
		QuotaName: w.QuotaName, ContextID: w.QuotaContext.ContextId, Value: w.DesiredValue, Unit: w.Unit, Status: Status(w.Status),
		Created: time.Time(w.Created), Updated: time.Time(w.LastUpdated), Requester: w.Requester}
}

// seconds is a time as JSON 1.1 has it: seconds since 1970, with a fraction.
type seconds time.Time

func (s *seconds) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	n, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.Abs(n) > 1e11 {
		return errors.New("a time is not in seconds since 1970")
	}
	whole, fraction := math.Modf(n)
	*s = seconds(time.Unix(int64(whole), int64(fraction*1e9)).UTC().Truncate(time.Millisecond))
	return nil
}

// Services lists the services that have quotas.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	var all []Service
	err := c.pages(ctx, "ListServices", map[string]any{}, func() (any, func(func(string) string) string) {
		var out struct {
			NextToken string
			Services  []struct{ ServiceCode, ServiceName string }
		}
		return &out, func(func(string) string) string {
			for _, s := range out.Services {
				all = append(all, Service{s.ServiceCode, s.ServiceName})
			}
			return out.NextToken
		}
	})
	return all, err
}

// List returns the quotas of a service with the values that hold for the account. Quotas whose values cannot be read are left
// out by the service, or have an error each: then List fails.
func (c *Client) List(ctx context.Context, service string) ([]Quota, error) {
	if err := code("ServiceCode", service, 63); err != nil {
		return nil, fmt.Errorf("quotas: ListServiceQuotas: %w", err)
	}
	var all []Quota
	var bad error
	err := c.pages(ctx, "ListServiceQuotas", map[string]any{"ServiceCode": service}, func() (any, func(func(string) string) string) {
		var out struct {
			NextToken string
			Quotas    []wireQuota
		}
		return &out, func(clean func(string) string) string {
			for _, q := range out.Quotas {
				if e := q.ErrorReason; e.ErrorCode != "" && bad == nil {
					bad = fmt.Errorf("quotas: %s: %w", clean(q.QuotaCode), &Error{Code: clean(e.ErrorCode), Message: clean(e.ErrorMessage), StatusCode: http.StatusOK})
				}
				all = append(all, q.quota())
			}
			return out.NextToken
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Get returns a quota with the value that holds for the account. For some quotas there is only [Client.Default]: then the
// error is an [*Error] with the code NoSuchResourceException.
func (c *Client) Get(ctx context.Context, service, quota string) (Quota, error) {
	return c.get(ctx, "GetServiceQuota", service, quota)
}

// Default returns a quota with the value that AWS gives to every account.
func (c *Client) Default(ctx context.Context, service, quota string) (Quota, error) {
	return c.get(ctx, "GetAWSDefaultServiceQuota", service, quota)
}

func (c *Client) get(ctx context.Context, operation, service, quota string) (Quota, error) {
	if err := codes(service, quota); err != nil {
		return Quota{}, fmt.Errorf("quotas: %s: %w", operation, err)
	}
	var out struct{ Quota wireQuota }
	if _, err := c.do(ctx, operation, map[string]any{"ServiceCode": service, "QuotaCode": quota}, &out); err != nil {
		return Quota{}, err
	}
	if out.Quota.QuotaCode == "" {
		return Quota{}, fmt.Errorf("quotas: %s: the answer has no quota", operation)
	}
	return out.Quota.quota(), nil
}

// History returns the requests for quotas of a service, or for one quota if it is not "".
func (c *Client) History(ctx context.Context, service, quota string) ([]Change, error) {
	operation, in, err := "ListRequestedServiceQuotaChangeHistory", map[string]any{"ServiceCode": service}, code("ServiceCode", service, 63)
	if quota != "" {
		operation += "ByQuota"
		in["QuotaCode"], err = quota, codes(service, quota)
	}
	if err != nil {
		return nil, fmt.Errorf("quotas: %s: %w", operation, err)
	}
	var all []Change
	err = c.pages(ctx, operation, in, func() (any, func(func(string) string) string) {
		var out struct {
			NextToken       string
			RequestedQuotas []wireChange
		}
		return &out, func(func(string) string) string {
			for _, w := range out.RequestedQuotas {
				all = append(all, w.change())
			}
			return out.NextToken
		}
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Status returns where a request stands, by its ID.
func (c *Client) Status(ctx context.Context, id string) (Change, error) {
	const operation = "GetRequestedServiceQuotaChange"
	if err := code("RequestId", id, 128); err != nil {
		return Change{}, fmt.Errorf("quotas: %s: %w", operation, err)
	}
	var out struct{ RequestedQuota wireChange }
	if _, err := c.do(ctx, operation, map[string]any{"RequestId": id}, &out); err != nil {
		return Change{}, err
	}
	if out.RequestedQuota.Id == "" {
		return Change{}, fmt.Errorf("quotas: %s: the answer has no request", operation)
	}
	return out.RequestedQuota.change(), nil
}
