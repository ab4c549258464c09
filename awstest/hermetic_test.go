package awstest_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"reflect"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
)

func world() awstest.World {
	return awstest.World{
		Env:     map[string]string{"AWS_PROFILE": "app", "EMPTY": ""},
		Unset:   []string{"AWS_*", "NOTHING"},
		Files:   map[string]string{"~/.aws/config": "[profile app]\n", "/etc/token": "t"},
		Missing: []string{"~/.aws/*", "/absent/?"},
		Broken:  map[string]error{"~/.aws/secret": fs.ErrPermission},
		Hosts:   map[string]http.Handler{"fake.example": hello, "down.example": nil},
		DNS:     map[string][]string{"fake.example": {"10.0.0.1", "10.0.0.2"}, "gone.example": nil},
	}
}

func TestHermeticKnowsItsWorld(t *testing.T) {
	t.Parallel()
	m := awstest.Hermetic(t, world())
	s := m.System()

	require.Equal(t, "app", s.Getenv("AWS_PROFILE"))
	require.Empty(t, s.Getenv("EMPTY"))
	require.Empty(t, s.Getenv("AWS_REGION"))
	require.Empty(t, s.Getenv("NOTHING"))
	m.Setenv("AWS_REGION", "eu-west-1")
	require.Equal(t, "eu-west-1", s.Getenv("AWS_REGION"))
	require.Equal(t, []string{"AWS_PROFILE", "EMPTY", "AWS_REGION", "NOTHING", "AWS_REGION"}, m.Variables())

	home, err := s.Home()
	require.NoError(t, err)
	require.Equal(t, "/home/hermetic", home)
	read := func(name string) (string, error) {
		f, err := s.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		content, err := io.ReadAll(f)
		return string(content), err
	}
	content, err := read(home + "/.aws/config")
	require.NoError(t, err)
	require.Equal(t, "[profile app]\n", content)
	content, err = read("/etc/token")
	require.NoError(t, err)
	require.Equal(t, "t", content)
	_, err = read(home + "/.aws/credentials")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = read("/absent/x")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = read(home + "/.aws/secret")
	require.ErrorIs(t, err, fs.ErrPermission)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	m.WriteFile("~/.aws/credentials", "[default]\n")
	content, err = read(home + "/.aws/credentials")
	require.NoError(t, err)
	require.Equal(t, "[default]\n", content)
	require.Equal(t, []string{
		"~/.aws/config", "/etc/token", "~/.aws/credentials", "/absent/x", "~/.aws/secret", "~/.aws/credentials",
	}, m.Opened())

	addresses, err := s.LookupHost(t.Context(), "fake.example")
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1", "10.0.0.2"}, addresses)
	_, err = s.LookupHost(t.Context(), "gone.example")
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)
	require.True(t, dns.IsNotFound)
	require.Equal(t, []string{"fake.example", "gone.example"}, m.Lookups())

	require.Empty(t, m.Requests())
	require.Equal(t, "hello world", ask(t, s.Transport, "GET", "http://fake.example/path?secret=1").body)
	_, _, err = get(t.Context(), s.Transport, "GET", "http://down.example/")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Equal(t, []string{"GET http://fake.example/path", "GET http://down.example/"}, m.Requests())
}

func TestHermeticFailsTheTest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, m *awstest.Machine)
		want string
	}{
		{"variable", func(t *testing.T, m *awstest.Machine) {
			require.Empty(t, m.System().Getenv("HOME"))
		}, "variable HOME"},
		{"variable beside a pattern", func(t *testing.T, m *awstest.Machine) {
			require.Empty(t, m.System().Getenv("XAWS_REGION"))
		}, "variable XAWS_REGION"},
		{"file", func(t *testing.T, m *awstest.Machine) {
			_, err := m.System().Open("/etc/passwd")
			require.Error(t, err)
			require.NotErrorIs(t, err, fs.ErrNotExist)
		}, "file /etc/passwd"},
		{"file in a directory below a pattern", func(t *testing.T, m *awstest.Machine) {
			_, err := m.System().Open("/home/hermetic/.aws/sso/cache")
			require.NotErrorIs(t, err, fs.ErrNotExist)
		}, "file ~/.aws/sso/cache"},
		{"host name", func(t *testing.T, m *awstest.Machine) {
			_, err := m.System().LookupHost(t.Context(), "elsewhere.example")
			require.Error(t, err)
		}, "host name elsewhere.example"},
		{"address", func(t *testing.T, m *awstest.Machine) {
			_, _, err := get(t.Context(), m.System().Transport, "GET", "http://169.254.169.254/latest/?secret=1")
			require.ErrorContains(t, err, "169.254.169.254")
		}, "address 169.254.169.254 is not in Hosts (GET http://169.254.169.254/latest/)"},
		{"port", func(t *testing.T, m *awstest.Machine) {
			_, _, err := get(t.Context(), m.System().Transport, "GET", "http://fake.example:8080/")
			require.ErrorContains(t, err, "fake.example:8080")
		}, "address fake.example:8080"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			tt.do(t, awstest.Hermetic(r, world()))
			require.Len(t, r.errors, 1)
			require.Contains(t, r.errors[0], tt.want)
			require.NotContains(t, r.errors[0], "secret")
			require.Empty(t, r.fatals)

			// A goroutine that outlives the test gets its error; the test can no longer be failed.
			r = &recorder{}
			m := awstest.Hermetic(r, world())
			r.end()
			tt.do(t, m)
			require.Empty(t, r.errors)
		})
	}
}

func TestHermeticKeepsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	w := world()
	m := awstest.Hermetic(t, w)
	w.Env["AWS_PROFILE"] = "changed"
	w.Files["/etc/token"] = "changed"
	require.Equal(t, "app", m.System().Getenv("AWS_PROFILE"))
	f, err := m.System().Open("/etc/token")
	require.NoError(t, err)
	content, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, "t", string(content))
}

func TestHermeticHomes(t *testing.T) {
	t.Parallel()
	m := awstest.Hermetic(t, awstest.World{Home: "/root", Files: map[string]string{"~/x": "1"}})
	_, err := m.System().Open("/root/x")
	require.NoError(t, err)

	_, err = awstest.Hermetic(t, awstest.World{Home: awstest.NoHome}).System().Home()
	require.Error(t, err)
	for name, w := range map[string]awstest.World{
		"file without a home":    {Home: awstest.NoHome, Files: map[string]string{"~/x": "1"}},
		"pattern without a home": {Home: awstest.NoHome, Missing: []string{"~/x"}},
		"broken without a home":  {Home: awstest.NoHome, Broken: map[string]error{"~/x": errors.New("x")}},
		"bad pattern":            {Unset: []string{"AWS_["}},
		"bad path pattern":       {Missing: []string{"["}},
	} {
		r := &recorder{}
		require.True(t, stopped(func() { awstest.Hermetic(r, w) }), name)
		require.Len(t, r.fatals, 1, name)
	}
}

// A seam that Hermetic leaves out would be the real machine.
func TestHermeticFillsEverySeam(t *testing.T) {
	t.Parallel()
	s := reflect.ValueOf(awstest.Hermetic(t, awstest.World{}).System())
	exported := 0
	for i := range s.NumField() {
		if f := s.Type().Field(i); f.IsExported() {
			exported++
			require.False(t, s.Field(i).IsZero(), f.Name)
		}
	}
	require.GreaterOrEqual(t, exported, 5)
}
