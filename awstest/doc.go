// Package awstest has what programs that look for AWS credentials are tested against: fakes of the services
// that hand them out, faults to put in front of these, and a machine of which a test knows everything.
//
// Everything runs in the test's process. A fake is an [http.Handler]: give it to [Transport] or to the Hosts
// of a [World] for tests without sockets, which also work inside a testing/synctest bubble, or to [Serve] for
// a real connection on loopback.
//
// [Hermetic] ties it together: the example of the package shows it.
//
// The fakes are strict where the real services are: a wrong header, a late session token or a signature that
// does not verify is refused in the service's own form. Their fields must not be changed once they are in
// use; what may change under way has a method. All of them are safe for concurrent use, and must not be copied.
//
// The package does not import testing, so that a program can embed the fakes.
package awstest

// TB is the part of testing.TB that this package needs.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}
