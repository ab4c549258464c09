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
// dropped, with a warning in the report; a control character inside one is an error. Half a key pair is an
// error that names the missing half. An access key ID, its secret, its session token and its account ID
// come from one place, never mixed.
package providers
