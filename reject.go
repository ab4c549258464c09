package credchain

import "github.com/aws/aws-sdk-go-v2/aws"

// Reject says that a service refused these credentials, with ExpiredToken or InvalidClientTokenId for instance,
// although they have not expired. If they are the ones in memory, by access key ID and session token, the next
// Retrieve asks their provider once more, which reads what it reads anew, and waits for the answer; if that
// fails, it returns them again. Older credentials are ignored, as they were replaced already.
//
// A service that refuses whatever it gets does not cause a request to the provider for every call: after a
// rejection further ones count only after a pause, of up to 30 seconds first and 10 minutes in the end.
//
// If a link of the chain that keeps credentials itself gave them, it is told: by its method
// Reject(aws.Credentials), else by Invalidate(). A cache around the chain is not: invalidate that one as well.
func (c *Chain) Reject(creds aws.Credentials) {
	same := func(f *found) bool { return sameKeys(f.credentials, creds) }
	c.held.Reject(same, func(f *found) {
		p := bare(c.Providers[f.winner])
		if r, ok := p.(interface{ Reject(aws.Credentials) }); ok {
			var ignored error
			defer contain(&ignored)
			r.Reject(creds)
			return
		}
		invalidate(p)
	})
}

func sameKeys(a, b aws.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SessionToken == b.SessionToken
}

// invalidate calls p's method Invalidate, if it has one.
func invalidate(p Provider) {
	if i, ok := bare(p).(interface{ Invalidate() }); ok {
		var ignored error
		defer contain(&ignored)
		i.Invalidate()
	}
}
