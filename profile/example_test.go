package profile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/credchain/credchain/profile"
)

func ExampleEdit() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "config")
	os.WriteFile(path, []byte("[profile dev]\nregion = us-east-1  # for now\n"), 0o600)

	err = profile.Edit(context.Background(), path, profile.Config, func(f *profile.File) error {
		dev := profile.Section{Name: "dev"}
		if err := f.Set(dev, "region", "eu-central-1"); err != nil {
			return err
		}
		return f.Set(dev, "s3.max_concurrent_requests", "20")
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := os.ReadFile(path)
	fmt.Print(string(text))
	// Output:
	// [profile dev]
	// region = eu-central-1  # for now
	// s3 =
	//     max_concurrent_requests = 20
}

func ExampleDiff() {
	from := profile.Parse("credentials", []byte("[dev]\naws_secret_access_key = old\n"), profile.Credentials)
	to := profile.Parse("credentials", from.Bytes(), profile.Credentials)
	to.Set(profile.Section{Name: "dev"}, "aws_session_token", "new")
	fmt.Print(profile.Diff(from, to))
	// Output:
	// --- credentials
	// +++ credentials
	//  [dev]
	// +aws_session_token = ****************
}
