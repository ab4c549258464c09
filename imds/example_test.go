package imds_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/credchain/credchain/imds"
)

func ExampleClient_RoleCredentials() {
	service := httptest.NewServer(instance()) // on EC2, leave Endpoint empty
	defer service.Close()
	client := imds.Client{Endpoint: service.URL, AnswerTimeout: time.Minute} // the tests' machine may be busy

	creds, err := client.RoleCredentials(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(creds.AccessKeyID, "until", creds.Expires)
	// Output: ASIAEXAMPLE00000001 until 2026-11-24 14:21:33 +0000 UTC
}

func ExampleClient_Role() {
	service := httptest.NewServer(&fake{}) // an instance without a role
	defer service.Close()
	client := imds.Client{Endpoint: service.URL, AnswerTimeout: time.Minute} // the tests' machine may be busy

	role, err := client.Role(context.Background())
	switch {
	case errors.Is(err, imds.ErrUnreachable):
		fmt.Println("this is no EC2 instance")
	case errors.Is(err, imds.ErrNoRole):
		fmt.Println("the instance has no role")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("the role is", role)
	}
	// Output: the instance has no role
}
