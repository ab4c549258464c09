package credchain_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/credchain/credchain"
)

// exampleSource stands for any provider.
func exampleSource(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "…", SessionToken: "…"}, nil
}

// A record for each walk and renewal. A renewal that fails is a warning as long as the credentials last.
func ExampleEvent_slog() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "elapsed" {
			return slog.Attr{} // another each time
		}
		return a
	}}))
	record := func(what string) func(context.Context, credchain.Event) {
		return func(ctx context.Context, e credchain.Event) {
			level := slog.LevelInfo
			attrs := []slog.Attr{slog.String("provider", e.Provider), slog.Duration("elapsed", e.Elapsed), slog.Bool("background", e.Background)}
			switch {
			case e.Err == nil:
				attrs = append(attrs, slog.String("access_key", e.Trace.Credentials.AccessKeyID))
			case e.Outlived, time.Now().Before(e.Expires):
				level = slog.LevelWarn
			default:
				level = slog.LevelError
			}
			if !e.Expires.IsZero() {
				attrs = append(attrs, slog.Time("expires", e.Expires))
			}
			if e.Err != nil {
				attrs = append(attrs, slog.Any("error", e.Err))
			}
			logger.LogAttrs(ctx, level, what, attrs...)
		}
	}

	chain := credchain.New(credchain.Named("vault", aws.CredentialsProviderFunc(exampleSource)))
	chain.OnResolve, chain.OnRenew = record("credentials resolved"), record("credentials renewed")
	_, _ = chain.Retrieve(context.Background())
	// Output:
	// level=INFO msg="credentials resolved" provider=vault background=false access_key=****************MPLE
}

// A program that talks to a service by itself reports refused credentials, and tries once more.
func ExampleChain_Reject() {
	issued := 0
	chain := credchain.New(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		issued++
		return aws.Credentials{AccessKeyID: fmt.Sprintf("KEY%d", issued), SecretAccessKey: "…"}, nil
	}))
	request := func(creds aws.Credentials) string {
		if creds.AccessKeyID == "KEY1" {
			return "InvalidClientTokenId" // somebody has rotated the key
		}
		return "ok"
	}

	for range 2 {
		creds, err := chain.Retrieve(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		answer := request(creds)
		fmt.Println(creds.AccessKeyID, answer)
		if answer != "InvalidClientTokenId" && answer != "ExpiredToken" {
			break
		}
		chain.Reject(creds)
	}
	// Output:
	// KEY1 InvalidClientTokenId
	// KEY2 ok
}
