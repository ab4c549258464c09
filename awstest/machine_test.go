package awstest_test

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/awstest"
	"github.com/credchain/credchain/providers"
)

func TestMachineRuns(t *testing.T) {
	t.Parallel()
	m := awstest.Hermetic(t, awstest.World{Commands: map[string]func([]string) (string, string, int){
		"helper": func(argv []string) (string, string, int) { return "out " + argv[1], "err", 0 },
		"fails":  func([]string) (string, string, int) { return "out", "err", 3 },
		"absent": nil,
	}})
	run := m.System().Run
	stdout, stderr, err := run(t.Context(), []string{"helper", "a"})
	require.NoError(t, err)
	require.Equal(t, "out a", string(stdout))
	require.Equal(t, "err", string(stderr))

	stdout, _, err = run(t.Context(), []string{"fails"})
	var code interface{ ExitCode() int }
	require.ErrorAs(t, err, &code)
	require.Equal(t, 3, code.ExitCode())
	require.Equal(t, "out", string(stdout))

	_, _, err = run(t.Context(), []string{"absent"})
	require.ErrorIs(t, err, exec.ErrNotFound)
	require.Equal(t, [][]string{{"helper", "a"}, {"fails"}, {"absent"}}, m.Ran())
}

func TestMachineRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		m := awstest.Hermetic(t, awstest.World{Commands: map[string]func([]string) (string, string, int){
			"hangs": func([]string) (string, string, int) { <-released; return "", "", 0 },
		}})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { synctest.Wait(); cancel() }()
		_, _, err := m.System().Run(ctx, []string{"hangs"})
		require.ErrorIs(t, err, context.Canceled)
		close(released)
		_, _, err = m.System().Run(ctx, []string{"hangs"})
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestMachineAnswers(t *testing.T) {
	t.Parallel()
	m := awstest.Hermetic(t, awstest.World{Answers: []string{"123456", "yes"}})
	for _, want := range []string{"123456", "yes"} {
		got, err := m.System().Prompt(t.Context(), "MFA code "+want+": ")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Equal(t, []string{"MFA code 123456: ", "MFA code yes: "}, m.Questions())

	m = awstest.Hermetic(t, awstest.World{NoTerminal: true, Answers: []string{"x"}})
	_, err := m.System().Prompt(t.Context(), "code: ")
	require.ErrorIs(t, err, providers.ErrNoTerminal)
	require.Equal(t, []string{"code: "}, m.Questions())

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = awstest.Hermetic(t, awstest.World{Answers: []string{"x"}}).System().Prompt(ended, "code: ")
	require.ErrorIs(t, err, context.Canceled)
}

func TestMachineUpdates(t *testing.T) {
	t.Parallel()
	broken, failed := errors.New("disk full"), errors.New("no")
	m := awstest.Hermetic(t, awstest.World{
		Files: map[string]string{"~/.aws/sso/cache/a.json": "old"}, Writable: []string{"~/.aws/sso/cache/*"},
		Broken: map[string]error{"~/.aws/sso/cache/b.json": broken},
	})
	s := m.System()
	const dir = "/home/hermetic/.aws/sso/cache/"
	_, err := s.Open(dir + "new.json")
	require.ErrorContains(t, err, "not exist")
	edit := func(name string, want []byte, changed []byte, fail error) error {
		return s.Update(t.Context(), dir+name, func(old []byte) ([]byte, error) {
			require.Equal(t, want, old)
			return changed, fail
		})
	}
	require.NoError(t, edit("new.json", nil, []byte("1"), nil))
	require.NoError(t, edit("new.json", []byte("1"), nil, nil))
	require.NoError(t, edit("a.json", []byte("old"), []byte("old"), nil))
	require.ErrorIs(t, edit("a.json", []byte("old"), []byte("new"), failed), failed)
	require.ErrorIs(t, edit("b.json", nil, []byte("1"), nil), broken)
	require.NoError(t, edit("empty.json", nil, []byte{}, nil))
	require.Equal(t, []string{"~/.aws/sso/cache/new.json", "~/.aws/sso/cache/empty.json"}, m.Written())
	content, there := m.File("~/.aws/sso/cache/a.json")
	require.True(t, there)
	require.Equal(t, "old", content)
	_, there = m.File("~/.aws/sso/cache/b.json")
	require.False(t, there)
	f, err := s.Open(dir + "new.json")
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, "1", string(data))
	require.NoError(t, edit("empty.json", []byte{}, []byte("2"), nil), "an empty file is there")
}

func TestMachineUpdatesOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := awstest.Hermetic(t, awstest.World{Writable: []string{"/*"}, Env: map[string]string{"X": "1"}})
		s := m.System()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_ = s.Update(t.Context(), "/n", func(old []byte) ([]byte, error) {
					s.Getenv("X") // the machine is not locked meanwhile
					n, _ := strconv.Atoi(string(old))
					synctest.Wait()
					return []byte(strconv.Itoa(n + 1)), nil
				})
			})
		}
		all.Wait()
		content, _ := m.File("/n")
		require.Equal(t, "20", content)

		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, s.Update(t.Context(), "/n", func([]byte) ([]byte, error) {
			cancel()
			require.ErrorIs(t, s.Update(ctx, "/n", nil), context.Canceled, "it waits for its turn, until its context ends")
			return nil, s.Update(t.Context(), "/m", func([]byte) ([]byte, error) { return nil, nil })
		}))
		require.ErrorIs(t, s.Update(ctx, "/n", nil), context.Canceled)
	})
}

func TestMachineStrangers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do   func(*testing.T, providers.System) error
		want string
	}{
		"program": {func(t *testing.T, s providers.System) error {
			_, _, err := s.Run(t.Context(), []string{"helper", "secret"})
			return err
		}, "the program helper is not in Commands"},
		"no program": {func(t *testing.T, s providers.System) error {
			_, _, err := s.Run(t.Context(), nil)
			return err
		}, "a program without a name"},
		"prompt": {func(t *testing.T, s providers.System) error {
			_, err := s.Prompt(t.Context(), "MFA code: ")
			return err
		}, `no answer left in Answers for the prompt "MFA code: "`},
		"write": {func(t *testing.T, s providers.System) error {
			return s.Update(t.Context(), "/home/hermetic/.aws/config", func([]byte) ([]byte, error) { return []byte("x"), nil })
		}, "the file ~/.aws/config is to be written and not in Writable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			m := awstest.Hermetic(r, awstest.World{Files: map[string]string{"~/.aws/config": "old"}})
			require.ErrorContains(t, tt.do(t, m.System()), tt.want)
			require.Len(t, r.errors, 1)
			require.Contains(t, r.errors[0], tt.want)
			require.NotContains(t, r.errors[0], "secret")
			content, _ := m.File("~/.aws/config")
			require.Equal(t, "old", content)
			r.end()
			require.Error(t, tt.do(t, m.System()))
			require.Len(t, r.errors, 1)
		})
	}
	r := &recorder{}
	require.True(t, stopped(func() { awstest.Hermetic(r, awstest.World{Writable: []string{"["}}) }))
}
