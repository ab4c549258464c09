package providers

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/internal/jvm"
)

// SystemProperties reads aws.accessKeyId, aws.secretAccessKey, aws.sessionToken and aws.accountId as a Java
// program started on this machine would get them: from -D options in JAVA_TOOL_OPTIONS and JDK_JAVA_OPTIONS,
// or from a map. It is for tools in Go that must act as the Java program beside them does.
type SystemProperties struct {
	// Properties are the properties themselves. Nil means those of the JVM's variables.
	Properties map[string]string

	System System // zero: the real machine

	shared   *properties
	maskedBy string // see credchain.Evidence
}

var _ credchain.Detector = (*SystemProperties)(nil)

var (
	errProperties = absent("neither aws.accessKeyId nor aws.secretAccessKey is set")
	propertyNames = names{id: "aws.accessKeyId", secret: "aws.secretAccessKey", token: "aws.sessionToken", account: "aws.accountId"}
)

// Name returns "system-properties".
func (s *SystemProperties) Name() string { return "system-properties" }

// Detect tells which of the properties are set. Half a key pair is an error, and so is an option string that
// the JVM would refuse.
func (s *SystemProperties) Detect(context.Context) (credchain.Evidence, error) {
	k, _, err := s.read()
	ev := k.evidence()
	if k.any() && s.maskedBy != "" {
		ev.MaskedBy = s.maskedBy
		return ev, errMasked
	}
	return ev, err
}

// Retrieve returns the properties' credentials. They do not expire.
func (s *SystemProperties) Retrieve(context.Context) (aws.Credentials, error) {
	k, creds, err := s.read()
	if k.any() && s.maskedBy != "" {
		return aws.Credentials{}, errMasked
	}
	return creds, err
}

func (s *SystemProperties) read() (keySet, aws.Credentials, error) {
	get := func(name string) setting {
		return trimmedSetting(s.Properties[name], name, &credchain.Origin{Flag: "code", Key: name})
	}
	if s.Properties == nil {
		p := s.shared
		if p == nil {
			p = &properties{sys: s.System}
		}
		if err := p.load(); err != nil {
			return keySet{}, aws.Credentials{}, err
		}
		get = p.get
	}
	var k keySet
	k.read(&propertyNames, get)
	if !k.any() {
		return k, aws.Credentials{}, errProperties
	}
	creds, err := k.credentials(&propertyNames, "SystemProperties", "")
	return k, creds, err
}

// properties are the system properties that the JVM's variables set, read once: a JVM reads them when it starts.
type properties struct {
	sys  System
	once sync.Once
	all  []jvm.Property
	err  error
}

func (p *properties) load() error {
	p.once.Do(func() {
		p.all, p.err = jvm.Properties(p.sys.getenv, p.sys.open, func(name string) bool { return strings.HasPrefix(name, "aws.") })
	})
	return p.err
}

func (p *properties) get(name string) setting {
	if p.load() != nil {
		return setting{} // the system-properties link reports it
	}
	i := slices.IndexFunc(p.all, func(q jvm.Property) bool { return q.Name == name })
	if i < 0 {
		return setting{}
	}
	return trimmedSetting(p.all[i].Value, name, &credchain.Origin{Env: p.all[i].Source, Key: name})
}

// forVariable returns the property that the AWS SDK for Java reads before the given variable.
func (p *properties) forVariable(variable string) setting {
	for _, b := range beforeVariable {
		if b.variable == variable {
			return p.get(b.property)
		}
	}
	return setting{}
}

// beforeVariable is the table of settings of the AWS SDK for Java; the keys have a link of their own.
var beforeVariable = [...]struct{ variable, property string }{
	{"AWS_PROFILE", "aws.profile"},
	{"AWS_REGION", "aws.region"},
	{"AWS_CONFIG_FILE", "aws.configFile"},
	{"AWS_SHARED_CREDENTIALS_FILE", "aws.sharedCredentialsFile"},
	{"AWS_WEB_IDENTITY_TOKEN_FILE", "aws.webIdentityTokenFile"},
	{"AWS_ROLE_ARN", "aws.roleArn"},
	{"AWS_ROLE_SESSION_NAME", "aws.roleSessionName"},
	{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "aws.containerCredentialsPath"},
	{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "aws.containerCredentialsFullUri"},
	{"AWS_CONTAINER_AUTHORIZATION_TOKEN", "aws.containerAuthorizationToken"},
	{"AWS_EC2_METADATA_DISABLED", "aws.disableEc2Metadata"},
	{"AWS_EC2_METADATA_V1_DISABLED", "aws.disableEc2MetadataV1"},
	{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "aws.ec2MetadataServiceEndpoint"},
}
