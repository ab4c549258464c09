// Package extended holds tests of credchain against real parts that take minutes to build: MinIO (STS and S3), dex
// (an OpenID Connect issuer) and AWS's local ECS endpoints. See ../README.md.
package extended
