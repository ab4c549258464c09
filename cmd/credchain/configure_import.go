package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/credchain/credchain/profile"
	"github.com/credchain/credchain/providers"
)

const configureImportHelp = `Write the access keys of a CSV file into the credentials file, each into the profile of its user.
The file is what the AWS console offers when it makes a key; its first line names the columns
"User name", "Access key ID" and "Secret access key". Other columns are passed over. A file without
user names may hold one key, which goes into the profile of --profile.

A key that is not temporary is not overwritten by another one without --replace: it would be lost.

Either all keys are written or none. With --skip-invalid, lines that are incomplete or cannot be
written are reported and left out.`

// maxCSV bounds the file that is imported.
const maxCSV = 1 << 20

func (a *app) configureImportCommand(c *configuration) *cobra.Command {
	var file, prefix string
	var skip, replace bool
	cmd := &cobra.Command{
		Use:   "import --csv FILE",
		Short: "Write the access keys of a CSV file into profiles",
		Long:  configureImportHelp,
		Example: `  credchain configure import --csv alice_accessKeys.csv --dry-run
  credchain configure import --csv keys.csv --profile-prefix prod-`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := refuseFlags(cmd, "region", "order"); err != nil {
				return err
			}
			if file == "" {
				return usage("no file is named", "give --csv FILE")
			}
			text, err := readFile(strings.TrimPrefix(file, "file://"), maxCSV) // as the AWS CLI wants it
			if err != nil {
				return failed(fmt.Errorf("the CSV file: %w", err))
			}
			only := ""
			if cmd.Flags().Changed("profile") {
				only, _ = providers.ProfileName(a.cfg)
			}
			users, invalid, err := parseCSV(file, text, prefix, only)
			if err != nil {
				return err
			}
			for _, i := range invalid {
				if !skip {
					return &failure{code: exitUsage, what: i + "; nothing was written", remedy: "--skip-invalid leaves such lines out"}
				}
				if _, err := io.WriteString(a.err, "skipped: "+printable(i)+"\n"); err != nil {
					return err
				}
			}
			return c.importKeys(cmd, a, users, replace)
		},
	}
	cmd.Flags().StringVar(&file, "csv", "", "the `FILE` to read")
	cmd.Flags().BoolVar(&skip, "skip-invalid", false, "leave out lines that are incomplete or cannot be written")
	cmd.Flags().BoolVar(&replace, "replace", false, "overwrite the access keys that the profiles have")
	cmd.Flags().StringVar(&prefix, "profile-prefix", "", "put this `PREFIX` before every user name")
	return cmd
}

// user is one line of the file.
type user struct {
	profile string
	key     accessKey
}

func (c *configuration) importKeys(cmd *cobra.Command, a *app, users []user, replace bool) error {
	if len(users) == 0 {
		return &failure{code: exitNothing, what: "the file holds no access key that can be written"}
	}
	err := c.write(cmd.Context(), a, func(f *profile.File) error {
		for _, u := range users {
			s := profile.Section{Name: u.profile}
			if !replace {
				if err := u.key.spare(f, "the credentials file", s, "--replace overwrites it; nothing was written"); err != nil {
					return err
				}
			}
			if err := u.key.set(f, s); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil || c.dryRun {
		return err
	}
	var b strings.Builder
	for _, u := range users {
		b.WriteString("imported profile " + printable(u.profile) + "\n")
	}
	return a.write(b.String())
}

// parseCSV returns the keys in a file, and what is wrong with its other lines. Without a column of user names the
// keys are for the profile only. Errors hold nothing of the file but its names.
func parseCSV(file string, text []byte, prefix, only string) (users []user, invalid []string, err error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	names, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, failed(fmt.Errorf("%s is empty", file))
	}
	if err != nil {
		return nil, nil, failed(fmt.Errorf("%s: %w", file, err))
	}
	column := func(name string) int {
		for i, n := range names {
			if strings.EqualFold(strings.TrimSpace(n), name) {
				return i
			}
		}
		return -1
	}
	name, id, secret := column("User name"), column("Access key ID"), column("Secret access key")
	for _, c := range [...]struct {
		title  string
		at     int
		remedy string
	}{
		{"Access key ID", id, ""}, {"Secret access key", secret, ""}, {"User name", name, "say with --profile where the key is to go"},
	} {
		if c.at < 0 && (c.title != "User name" || only == "") {
			return nil, nil, &failure{code: exitFailed, what: fmt.Sprintf("%s: the first line names no column %q", file, c.title), remedy: c.remedy}
		}
	}
	if name >= 0 && only != "" {
		return nil, nil, usage(file+" names users, each of whom has a profile of that name", "leave --profile out, or use --profile-prefix")
	}
	seen := map[string]int{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, failed(fmt.Errorf("%s: %w", file, err))
		}
		at, _ := r.FieldPos(0)
		field := func(i int) string {
			if i < 0 || i >= len(record) {
				return ""
			}
			return strings.TrimSpace(record[i])
		}
		u := user{profile: only, key: accessKey{id: field(id), secret: field(secret)}}
		if name >= 0 {
			u.profile = prefix + field(name)
		}
		wrong := ""
		switch trial := profile.Parse("", nil, profile.Credentials); {
		case name >= 0 && field(name) == "":
			wrong = "there is no user name"
		case u.key.id == "":
			wrong = "there is no access key ID"
		case u.key.secret == "":
			wrong = "there is no secret access key"
		case seen[u.profile] > 0:
			wrong = fmt.Sprintf("profile %s is that of line %d as well", u.profile, seen[u.profile])
		default:
			if err := u.key.set(trial, profile.Section{Name: u.profile}); err != nil {
				wrong = err.Error()
			}
		}
		if wrong != "" {
			invalid = append(invalid, fmt.Sprintf("%s:%d: %s", file, at, wrong))
			continue
		}
		seen[u.profile] = at
		users = append(users, u)
	}
	return users, invalid, nil
}
