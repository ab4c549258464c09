package providers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/imds"
	"github.com/credchain/credchain/store"
)

// InstanceProfile asks the EC2 instance metadata service for the credentials of the instance's role.
//
// It reads these variables, and where the profile has a key of the same meaning, that key after them:
//
//	AWS_EC2_METADATA_DISABLED               true: not configured
//	AWS_EC2_METADATA_V1_DISABLED            ec2_metadata_v1_disabled
//	AWS_EC2_METADATA_SERVICE_ENDPOINT       ec2_metadata_service_endpoint
//	AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE  ec2_metadata_service_endpoint_mode: IPv4 or IPv6
//	AWS_IMDS_USE_IPV6                       imds_use_ipv6, as botocore has it
//	AWS_METADATA_SERVICE_TIMEOUT            metadata_service_timeout: seconds for one answer
//	AWS_METADATA_SERVICE_NUM_ATTEMPTS       metadata_service_num_attempts
//	AWS_EC2_INSTANCE_PROFILE_NAME           ec2_instance_profile_name
//
// It is not configured if the service does not answer the first request, or answers that the instance has no
// role. That holds also where a setting names the endpoint: it says where the service would be, not that it
// is there. A setting that is neither true nor false, or no number, is an error.
//
// Only a request can tell whether the service is there, so Detect reports Unconfirmed, and Probe asks.
type InstanceProfile struct {
	Profile   string // whose keys count; "": AWS_PROFILE, AWS_DEFAULT_PROFILE, else default
	System    System // zero: the real machine
	NoSharing bool   // see Config

	shared *profileSource // of the chain this link belongs to
	own    alone          // without one

	mu      sync.Mutex
	current *metadata // nil before the first request
}

// metadata is a client, which remembers the session token and the role, and the settings it was made for.
type metadata struct {
	settings metadataSettings
	client   *imds.Client
}

var (
	_ credchain.Detector = (*InstanceProfile)(nil)
	_ credchain.Prober   = (*InstanceProfile)(nil)
)

// outageExtension is how long expired credentials are served before the metadata service is tried again; the AWS
// SDKs extend them by 5 to 15 minutes.
const outageExtension = 10 * time.Minute

// HandleFailToRefresh keeps the instance's credentials in service while the metadata service is away, as every AWS
// SDK does: services go on accepting them for a while. It does not if the instance has no role any more. See
// [credchain.Provider].
func (p *InstanceProfile) HandleFailToRefresh(_ context.Context, held aws.Credentials, err error) (aws.Credentials, error) {
	if !held.CanExpire || errors.Is(err, imds.ErrNoRole) {
		return aws.Credentials{}, err
	}
	if now := time.Now(); !held.Expires.After(now) {
		held.Expires = now.Add(outageExtension)
	}
	return held, nil
}

// Name returns "instance-profile".
func (p *InstanceProfile) Name() string { return "instance-profile" }

// Detect tells whether the metadata service would be asked. It asks nothing.
func (p *InstanceProfile) Detect(ctx context.Context) (credchain.Evidence, error) {
	m, err := p.configure(ctx)
	if err != nil {
		return credchain.Evidence{}, err
	}
	return m.evidence("the metadata service at " + m.url()), nil
}

// Probe asks the metadata service for the role's name.
func (p *InstanceProfile) Probe(ctx context.Context) (credchain.Evidence, error) {
	m, c, err := p.connect(ctx)
	if err != nil {
		return credchain.Evidence{}, err
	}
	role, err := c.Role(ctx)
	if m.profileName != "" && (err == nil || errors.Is(err, imds.ErrNoRole)) {
		role, err = m.profileName, nil // Retrieve asks for this one, whatever the list says
	}
	if err != nil {
		return credchain.Evidence{}, m.translate(err)
	}
	ev := m.evidence(fmt.Sprintf("role %s of this instance, from %s", role, m.url()))
	ev.Unconfirmed = false
	return ev, nil
}

// Retrieve returns the role's credentials, which expire.
func (p *InstanceProfile) Retrieve(ctx context.Context) (aws.Credentials, error) {
	m, c, err := p.connect(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	key := store.Key{Operation: "InstanceProfile", Service: m.url(), RoleARN: m.profileName}
	creds, err := p.services().through(ctx, key, false, c.RoleCredentials)
	if err != nil {
		return aws.Credentials{}, m.translate(err)
	}
	return creds, nil
}

func (p *InstanceProfile) services() *services {
	if p.shared != nil {
		return p.shared.services
	}
	return p.own.services(Config{Profile: p.Profile, NoSharing: p.NoSharing}, &p.System)
}

// Reject makes sure that credentials which the chains of this process share do not come again; see
// [credchain.Provider].
func (p *InstanceProfile) Reject(creds aws.Credentials) { p.services().reject(creds) }

// Invalidate is like Reject, for all credentials up to now.
func (p *InstanceProfile) Invalidate() { p.services().forget() }

// connect returns the client for the settings as they are now.
func (p *InstanceProfile) connect(ctx context.Context) (metadataSettings, *imds.Client, error) {
	m, err := p.configure(ctx)
	if err != nil {
		return m, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || p.current.settings != m {
		p.current = &metadata{m, m.newClient(p.System.Transport)}
	}
	return m, p.current.client, nil
}

// metadataSettings is how the metadata service is to be asked. The zero value is the AWS default.
type metadataSettings struct {
	endpoint    string
	from        string // the setting that names the endpoint, "" for the default
	origin      credchain.Origin
	disableV1   bool
	profileName string
	timeout     time.Duration
	attempts    int
}

func (m *metadataSettings) newClient(rt http.RoundTripper) *imds.Client {
	return &imds.Client{
		Endpoint:      m.endpoint,
		Transport:     rt,
		DisableV1:     m.disableV1,
		ProfileName:   m.profileName,
		AnswerTimeout: m.timeout,
		MaxAttempts:   m.attempts,
	}
}

func (m *metadataSettings) url() string {
	if m.endpoint == "" {
		return imds.Endpoint
	}
	return m.endpoint
}

func (m *metadataSettings) evidence(summary string) credchain.Evidence {
	ev := credchain.Evidence{Summary: summary, Unconfirmed: true, Temporary: true}
	if m.from != "" {
		ev.Origins = []credchain.Origin{m.origin}
	}
	return ev
}

// translate says "not configured" where the metadata service does.
func (m *metadataSettings) translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, imds.ErrUnreachable) || errors.Is(err, imds.ErrNoRole) {
		return fmt.Errorf("%w: %w", err, credchain.ErrNotConfigured)
	}
	if m.from != "" {
		return &failure{what: "the metadata service of " + m.from, err: err}
	}
	return err
}

// configure reads the settings. The profile is read only for what the environment leaves open.
func (p *InstanceProfile) configure(ctx context.Context) (m metadataSettings, err error) {
	off := p.System.variable("AWS_EC2_METADATA_DISABLED")
	if disabled, err := off.flag(); err != nil {
		return m, err
	} else if disabled {
		return m, absent("turned off by %s", off.where())
	}
	prof, err := sourceOf(p.shared, p.Profile, &p.System).load(ctx)
	if err != nil {
		return m, err
	}
	get := func(variable, key string) setting {
		if v := p.System.variable(variable); v.set() {
			return v
		}
		return prof.get(key)
	}
	if m.disableV1, err = get("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled").flag(); err != nil {
		return m, err
	}
	if err = m.setEndpoint(get); err != nil {
		return m, err
	}
	if m.timeout, err = seconds(get("AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout")); err != nil {
		return m, err
	}
	if m.attempts, err = attempts(get("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts")); err != nil {
		return m, err
	}
	name := get("AWS_EC2_INSTANCE_PROFILE_NAME", "ec2_instance_profile_name")
	m.profileName = name.value
	return m, name.check()
}

func (m *metadataSettings) setEndpoint(get func(variable, key string) setting) error {
	if e := get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint"); e.set() {
		if err := imds.CheckEndpoint(e.value); err != nil {
			return &failure{what: e.where(), err: err}
		}
		m.endpoint, m.from, m.origin = strings.TrimRight(e.value, "/"), e.where(), e.origin()
		return nil
	}
	mode := get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode")
	switch strings.ToLower(mode.value) {
	case "ipv6":
		m.endpoint, m.from, m.origin = imds.EndpointIPv6, mode.where(), mode.origin()
	case "ipv4":
	case "":
		six := get("AWS_IMDS_USE_IPV6", "imds_use_ipv6")
		use, err := six.flag()
		if use {
			m.endpoint, m.from, m.origin = imds.EndpointIPv6, six.where(), six.origin()
		}
		return err
	default:
		return &failure{what: fmt.Sprintf("%s is %q, which is neither IPv4 nor IPv6", mode.where(), mode.value)}
	}
	return nil
}

// seconds reads a positive number of seconds of at most a minute; unset is 0.
func seconds(s setting) (time.Duration, error) {
	if !s.set() {
		return 0, nil
	}
	f, err := strconv.ParseFloat(s.value, 64)
	if err != nil || !(f > 0 && f <= 60) {
		return 0, &failure{what: fmt.Sprintf("%s is %q, which is no number of seconds from 0 to 60", s.where(), s.value)}
	}
	return time.Duration(f * float64(time.Second)), nil
}

// attempts reads a number of attempts from 1 to 10; unset is 0.
func attempts(s setting) (int, error) {
	if !s.set() {
		return 0, nil
	}
	n, err := strconv.Atoi(s.value)
	if err != nil || n < 1 || n > 10 {
		return 0, &failure{what: fmt.Sprintf("%s is %q, which is no number of attempts from 1 to 10", s.where(), s.value)}
	}
	return n, nil
}
