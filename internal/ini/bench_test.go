package ini_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/credchain/credchain/internal/ini"
)

// companyFile is a config file like those of big companies: a third of the
// profiles are static, a third assume a role, a third use an sso-session.
func companyFile(profiles int) (file string, last ini.Ref) {
	var b strings.Builder
	b.WriteString("[default]\nregion = us-east-1\noutput = json\n\n")
	for i := range profiles {
		last = ini.Ref{Kind: ini.Profile, Name: fmt.Sprintf("team-%05d", i)}
		switch i % 3 {
		case 0:
			fmt.Fprintf(&b, "# static keys of team %d\n[profile %s]\naws_access_key_id = AKIAEXAMPLE%09d\n"+
				"aws_secret_access_key = exampleexampleexampleexample%012d\nregion = eu-west-1\n\n", i, last.Name, i, i)
		case 1:
			fmt.Fprintf(&b, "[profile %s]\nrole_arn = arn:aws:iam::%012d:role/deploy\nsource_profile = team-%05d\n"+
				"role_session_name = ci ; for the audit log\nregion = us-west-2\n\n", last.Name, i, i-1)
		case 2:
			fmt.Fprintf(&b, "[sso-session s-%05d]\nsso_start_url = https://example-%d.awsapps.com/start\nsso_region = us-east-1\n\n"+
				"[profile %s]\nsso_session = s-%05d\nsso_account_id = %012d\nsso_role_name = ReadOnly\n\n", i, i, last.Name, i, i)
		}
	}
	return b.String(), last
}

var sizes = []int{1, 100, 1000, 10_000}

func BenchmarkRead(b *testing.B) {
	for _, n := range sizes {
		file, last := companyFile(n)
		b.Run(fmt.Sprintf("profiles=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				doc, err := ini.Read(strings.NewReader(file), "config", ini.Config, last, ini.Ref{Kind: ini.Profile, Name: "default"})
				if err != nil || len(doc.Sections) != 2 {
					b.Fatal(doc, err)
				}
			}
		})
	}
}

// BenchmarkFloor is the least anyone can do line by line: read, find the ends
// of lines, compare the headers. It checks and returns nothing.
func BenchmarkFloor(b *testing.B) {
	for _, n := range sizes {
		file, last := companyFile(n)
		want := []byte("[profile " + last.Name + "]")
		b.Run(fmt.Sprintf("profiles=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				if !floor(strings.NewReader(file), want) {
					b.Fatal("not found")
				}
			}
		})
	}
}

func floor(r io.Reader, want []byte) (found bool) {
	buf := make([]byte, 64<<10)
	w := 0
	for {
		n, err := r.Read(buf[w:])
		rest := buf[:w+n]
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			if rest[0] == '[' && bytes.Equal(rest[:i], want) {
				found = true
			}
			rest = rest[i+1:]
		}
		if err != nil {
			return found
		}
		w = copy(buf, rest)
	}
}
