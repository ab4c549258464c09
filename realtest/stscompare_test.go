//lint:file-ignore SA1019 what is deprecated must be the same as well

package realtest_test

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/sts"
)

// An answer is what either client makes of one. What an operation has not is left out.
type answer struct {
	Credentials aws.Credentials
	Values      []string
	Sizes       []int
}

// sdkAnswer puts together what the SDK makes of an answer.
func sdkAnswer(c *types.Credentials, sizes []*int32, values ...*string) answer {
	a := answer{}
	if c != nil {
		a.Credentials = aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken,
			CanExpire: true, Expires: *c.Expiration}
	}
	for _, v := range values {
		a.Values = append(a.Values, aws.ToString(v))
	}
	for _, n := range sizes {
		a.Sizes = append(a.Sizes, int(aws.ToInt32(n)))
	}
	return a
}

func descriptors(arns []string) (list []types.PolicyDescriptorType) {
	for _, arn := range arns {
		list = append(list, types.PolicyDescriptorType{Arn: &arn})
	}
	return list
}

// A comparison is one call, by the SDK's client and by ours.
type comparison struct {
	name   string
	theirs func(context.Context, *sdksts.Client) (answer, error)
	ours   func(context.Context, *sts.Client) (answer, error)
}

// assumeRole compares AssumeRole; the others follow the same pattern.
func assumeRole(name string, in sts.AssumeRoleInput) comparison {
	return comparison{"AssumeRole, " + name, func(ctx context.Context, c *sdksts.Client) (answer, error) {
		theirs := &sdksts.AssumeRoleInput{RoleArn: &in.RoleARN, RoleSessionName: &in.SessionName, ExternalId: orNil(in.ExternalID),
			SourceIdentity: orNil(in.SourceIdentity), Policy: orNil(in.Policy), PolicyArns: descriptors(in.PolicyARNs),
			SerialNumber: orNil(in.SerialNumber), TokenCode: orNil(in.TokenCode), TransitiveTagKeys: in.TransitiveTagKeys,
			DurationSeconds: orNoSeconds(in.Duration), MinimumSessionTokenSize: orNoNumber(in.MinimumSessionTokenSize)}
		for _, tag := range in.Tags {
			theirs.Tags = append(theirs.Tags, types.Tag{Key: &tag.Key, Value: &tag.Value})
		}
		for _, c := range in.ProvidedContexts {
			theirs.ProvidedContexts = append(theirs.ProvidedContexts, types.ProvidedContext{ProviderArn: &c.ProviderARN, ContextAssertion: &c.ContextAssertion})
		}
		out, err := c.AssumeRole(ctx, theirs)
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(out.Credentials, []*int32{out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization},
			out.AssumedRoleUser.Arn, out.AssumedRoleUser.AssumedRoleId, out.SourceIdentity), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		out, err := c.AssumeRole(ctx, in)
		return answer{out.Credentials, []string{out.AssumedRole.ARN, out.AssumedRole.ID, out.SourceIdentity},
			[]int{out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization}}, err
	}}
}

func webIdentity(name string, in sts.AssumeRoleWithWebIdentityInput) comparison {
	return comparison{"AssumeRoleWithWebIdentity, " + name, func(ctx context.Context, c *sdksts.Client) (answer, error) {
		out, err := c.AssumeRoleWithWebIdentity(ctx, &sdksts.AssumeRoleWithWebIdentityInput{RoleArn: &in.RoleARN, RoleSessionName: &in.SessionName,
			WebIdentityToken: &in.Token, ProviderId: orNil(in.ProviderID), Policy: orNil(in.Policy), PolicyArns: descriptors(in.PolicyARNs),
			DurationSeconds: orNoSeconds(in.Duration), MinimumSessionTokenSize: orNoNumber(in.MinimumSessionTokenSize)})
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(out.Credentials, []*int32{out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization},
			out.AssumedRoleUser.Arn, out.AssumedRoleUser.AssumedRoleId, out.SubjectFromWebIdentityToken, out.Audience, out.Provider, out.SourceIdentity), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		out, err := c.AssumeRoleWithWebIdentity(ctx, in)
		return answer{out.Credentials, []string{out.AssumedRole.ARN, out.AssumedRole.ID, out.Subject, out.Audience, out.Provider, out.SourceIdentity},
			[]int{out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization}}, err
	}}
}

func withSAML(name string, in sts.AssumeRoleWithSAMLInput) comparison {
	return comparison{"AssumeRoleWithSAML, " + name, func(ctx context.Context, c *sdksts.Client) (answer, error) {
		out, err := c.AssumeRoleWithSAML(ctx, &sdksts.AssumeRoleWithSAMLInput{RoleArn: &in.RoleARN, PrincipalArn: &in.PrincipalARN, SAMLAssertion: &in.Assertion,
			Policy: orNil(in.Policy), PolicyArns: descriptors(in.PolicyARNs),
			DurationSeconds: orNoSeconds(in.Duration), MinimumSessionTokenSize: orNoNumber(in.MinimumSessionTokenSize)})
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(out.Credentials, []*int32{out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization},
			out.AssumedRoleUser.Arn, out.AssumedRoleUser.AssumedRoleId, out.Audience, out.Issuer, out.NameQualifier, out.Subject, out.SubjectType, out.SourceIdentity), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		out, err := c.AssumeRoleWithSAML(ctx, in)
		return answer{out.Credentials, []string{out.AssumedRole.ARN, out.AssumedRole.ID, out.Audience, out.Issuer, out.NameQualifier, out.Subject, out.SubjectType, out.SourceIdentity},
			[]int{out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization}}, err
	}}
}

func assumeRoot(name string, in sts.AssumeRootInput) comparison {
	return comparison{"AssumeRoot, " + name, func(ctx context.Context, c *sdksts.Client) (answer, error) {
		out, err := c.AssumeRoot(ctx, &sdksts.AssumeRootInput{TargetPrincipal: &in.TargetPrincipal, TaskPolicyArn: &types.PolicyDescriptorType{Arn: &in.TaskPolicyARN},
			DurationSeconds: orNoSeconds(in.Duration), MinimumSessionTokenSize: orNoNumber(in.MinimumSessionTokenSize)})
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(out.Credentials, []*int32{out.SessionTokenSize, out.SessionTokenUtilization}, out.SourceIdentity), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		out, err := c.AssumeRoot(ctx, in)
		return answer{out.Credentials, []string{out.SourceIdentity}, []int{out.SessionTokenSize, out.SessionTokenUtilization}}, err
	}}
}

func sessionToken(name string, in sts.GetSessionTokenInput) comparison {
	return comparison{"GetSessionToken, " + name, func(ctx context.Context, c *sdksts.Client) (answer, error) {
		out, err := c.GetSessionToken(ctx, &sdksts.GetSessionTokenInput{SerialNumber: orNil(in.SerialNumber), TokenCode: orNil(in.TokenCode),
			DurationSeconds: orNoSeconds(in.Duration), MinimumSessionTokenSize: orNoNumber(in.MinimumSessionTokenSize)})
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(out.Credentials, nil), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		creds, err := c.GetSessionToken(ctx, in)
		return answer{Credentials: creds}, err
	}}
}

func federationToken(name string, in sts.GetFederationTokenInput) comparison {
	return comparison{"GetFederationToken, " + name, func(ctx context.Context, c *sdksts.Client) (answer, error) {
		theirs := &sdksts.GetFederationTokenInput{Name: &in.Name, Policy: orNil(in.Policy), PolicyArns: descriptors(in.PolicyARNs),
			DurationSeconds: orNoSeconds(in.Duration), MinimumSessionTokenSize: orNoNumber(in.MinimumSessionTokenSize)}
		for _, tag := range in.Tags {
			theirs.Tags = append(theirs.Tags, types.Tag{Key: &tag.Key, Value: &tag.Value})
		}
		out, err := c.GetFederationToken(ctx, theirs)
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(out.Credentials, []*int32{out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization},
			out.FederatedUser.Arn, out.FederatedUser.FederatedUserId), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		out, err := c.GetFederationToken(ctx, in)
		return answer{out.Credentials, []string{out.FederatedUser.ARN, out.FederatedUser.ID},
			[]int{out.PackedPolicySize, out.SessionTokenSize, out.SessionTokenUtilization}}, err
	}}
}

// outboundToken compares GetWebIdentityToken. No two tokens are equal, so that their claims are compared.
func outboundToken(name string, issuer *awstest.OIDC, in sts.GetWebIdentityTokenInput) comparison {
	claims := func(token string, expires time.Time, err error) (answer, error) {
		if err != nil {
			return answer{}, err
		}
		all, err := issuer.Verify(token, in.Audiences[len(in.Audiences)-1])
		for _, changing := range []string{"iat", "exp", "jti"} {
			delete(all, changing)
		}
		text, _ := json.Marshal(all)
		return answer{Credentials: aws.Credentials{Expires: expires}, Values: []string{string(text)}}, err
	}
	return comparison{"GetWebIdentityToken, " + name, func(ctx context.Context, c *sdksts.Client) (answer, error) {
		theirs := &sdksts.GetWebIdentityTokenInput{Audience: in.Audiences, SigningAlgorithm: &in.SigningAlgorithm, DurationSeconds: orNoSeconds(in.Duration)}
		for _, tag := range in.Tags {
			theirs.Tags = append(theirs.Tags, types.Tag{Key: &tag.Key, Value: &tag.Value})
		}
		out, err := c.GetWebIdentityToken(ctx, theirs)
		if err != nil {
			return answer{}, err
		}
		return claims(*out.WebIdentityToken, *out.Expiration, nil)
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		out, err := c.GetWebIdentityToken(ctx, in)
		return claims(out.Token, out.Expires, err)
	}}
}

func delegatedToken(token string) comparison {
	return comparison{"GetDelegatedAccessToken", func(ctx context.Context, c *sdksts.Client) (answer, error) {
		out, err := c.GetDelegatedAccessToken(ctx, &sdksts.GetDelegatedAccessTokenInput{TradeInToken: &token})
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(out.Credentials, []*int32{out.PackedPolicySize}, out.AssumedPrincipal), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		out, err := c.GetDelegatedAccessToken(ctx, sts.GetDelegatedAccessTokenInput{TradeInToken: token})
		return answer{out.Credentials, []string{out.AssumedPrincipal}, []int{out.PackedPolicySize}}, err
	}}
}

func callerIdentity() comparison {
	return comparison{"GetCallerIdentity", func(ctx context.Context, c *sdksts.Client) (answer, error) {
		out, err := c.GetCallerIdentity(ctx, nil)
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(nil, nil, out.Account, out.Arn, out.UserId), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		out, err := c.GetCallerIdentity(ctx)
		return answer{Values: []string{out.Account, out.ARN, out.UserID}}, err
	}}
}

func accessKeyInfo(id string) comparison {
	return comparison{"GetAccessKeyInfo", func(ctx context.Context, c *sdksts.Client) (answer, error) {
		out, err := c.GetAccessKeyInfo(ctx, &sdksts.GetAccessKeyInfoInput{AccessKeyId: &id})
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(nil, nil, out.Account), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		account, err := c.GetAccessKeyInfo(ctx, id)
		return answer{Values: []string{account}}, err
	}}
}

func decodeMessage(message string) comparison {
	return comparison{"DecodeAuthorizationMessage", func(ctx context.Context, c *sdksts.Client) (answer, error) {
		out, err := c.DecodeAuthorizationMessage(ctx, &sdksts.DecodeAuthorizationMessageInput{EncodedMessage: &message})
		if err != nil {
			return answer{}, err
		}
		return sdkAnswer(nil, nil, out.DecodedMessage), nil
	}, func(ctx context.Context, c *sts.Client) (answer, error) {
		out, err := c.DecodeAuthorizationMessage(ctx, message)
		return answer{Values: []string{out.Raw}}, err
	}}
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orNoNumber(n int) *int32 {
	if n == 0 {
		return nil
	}
	return aws.Int32(int32(n))
}

func orNoSeconds(d time.Duration) *int32 {
	if d == 0 {
		return nil
	}
	return aws.Int32(int32(d / time.Second))
}
