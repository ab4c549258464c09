// Package providers has a provider for each place where AWS credentials are found, and the orders in which
// the AWS SDKs ask them.
//
// [Default] is the order of the AWS CLI. A program that wants another lists its own links; the code is
// then the precedence:
//
//	chain := credchain.New(&providers.Environment{}, &providers.Container{}, &providers.InstanceProfile{})
//
// Every provider's zero value is usable and means what the AWS CLI does on this machine. Every provider is
// a [credchain.Detector]: it can tell whether it is configured without asking anybody.
//
// # What counts as set
//
// An environment variable or a key that is empty or blank counts as unset. Blanks around a value are
// dropped; around keys, profile names and container settings the report warns of them. A control character
// inside a value is an error. Half a key pair is an error that names the missing half. An access key ID, its
// secret, its session token and its account ID come from one place, never mixed.
//
// # Where the SDKs disagree
//
//   - AWS_PROFILE goes before AWS_DEFAULT_PROFILE, and AWS_REGION before AWS_DEFAULT_REGION.
//   - Keys in the environment go before AWS_PROFILE, as in most SDKs (not in JavaScript's), and the report says
//     so. A profile that the program or its command line asks for goes before them.
//   - Such a profile puts the environment's keys and web identity out of use. A profile without credentials
//     still goes on to the container and the instance, as with the AWS CLI.
//   - A profile that is asked for and is in neither file is an error; an absent default profile is merely empty.
//   - In the config file, [profile default] replaces [default]. A malformed line is an error of its own profile;
//     text before the first section is an error of the file.
//   - The credentials file goes before the config file, key by key; an access key with its token is one unit.
//   - role_arn without source_profile, credential_source or web_identity_token_file is an error, and so is a role
//     with two of the first two. A source profile with keys ends the chain of roles, whatever else it has; one that
//     leads back is an error that shows the loop, but a profile with keys may be its own source.
//   - A profile with a role and a source goes before the environment's web identity, and that before the profile's.
//     A token of the one is never used for a role of the other.
//   - duration_seconds from 900 to 43200 is taken as it is, and other values are errors; a role that is assumed with
//     another role's credentials lasts one hour at most, as STS has it.
//   - mfa_serial may stand in the source profile, beside the keys. A code opens a session of the user (GetSessionToken),
//     with which all roles of that user are assumed, so that a person is asked once. Keys that are a session's already
//     show the code with the role itself.
//   - How STS, SSO and sign-in are called (region, endpoint URLs, FIPS, dual stack, CA bundle) the environment and the
//     active profile say, also for the source profiles of a role. STS is regional, unless the region is aws-global.
//   - An SSO profile needs account and role. With sso_session, the session's section has region and start URL, and a
//     profile that contradicts it is an error. A session is refreshed five minutes before its end.
//   - credential_process has no shell, as with the AWS CLI, and a minute.
//   - AWS_SECURITY_TOKEN is read only where AWS_SESSION_TOKEN is unset, with a warning.
//   - A container document needs all four fields and an expiry to come, as for the AWS CLI.
//   - IMDSv1 is spoken only if the token call is answered 403, 404 or 405, and not if it is turned off.
//   - A switch such as AWS_EC2_METADATA_DISABLED that is neither true nor false is an error.
package providers
