// Package realtest holds tests of credchain against real parts: AWS's own simulator of the instance metadata
// service, the Amazon ECS agent's credentials handler, versitygw's IAM, STS and S3 (which verify signatures),
// toxiproxy's network faults, the AWS SDK for Go and the AWS CLI; and of the command as many processes at once. See README.md.
package realtest
