package providers_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain"
	"github.com/credchain/credchain/providers"
)

// onDisk is a System on the real file system, with nothing of the real environment.
func onDisk(home string, env map[string]string) providers.System {
	return providers.System{
		Getenv:    func(name string) string { return env[name] },
		Home:      func() (string, error) { return home, nil },
		Transport: &wire{},
	}
}

func TestSharedFilesOnDisk(t *testing.T) {
	t.Parallel()
	const keys = "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = canary\n"
	write := func(t *testing.T, name string) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(keys), 0o600))
		return path
	}
	retrieve := func(t *testing.T, sys providers.System) error {
		_, err := (&providers.CredentialsFile{System: sys}).Retrieve(t.Context())
		return err
	}
	t.Run("there", func(t *testing.T) {
		t.Parallel()
		path := write(t, ".aws/credentials")
		require.NoError(t, retrieve(t, onDisk(filepath.Dir(filepath.Dir(path)), nil)))
	})
	t.Run("a link to it", func(t *testing.T) {
		t.Parallel()
		path := write(t, "elsewhere")
		require.NoError(t, os.Symlink(path, path+"-link"))
		require.NoError(t, retrieve(t, onDisk("/nonexistent", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": path + "-link"})))
	})
	t.Run("a tilde and a variable in its path", func(t *testing.T) {
		t.Parallel()
		path := write(t, "dir/credentials")
		home := filepath.Dir(filepath.Dir(path))
		require.NoError(t, retrieve(t, onDisk(home, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": "~/${WHERE}/credentials", "WHERE": "dir"})))
	})
	absent := map[string]string{"no such home": "/nonexistent", "a home that is no directory": os.DevNull}
	for name, home := range absent {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, retrieve(t, onDisk(home, nil)), credchain.ErrNotConfigured)
		})
	}
	t.Run("the null device", func(t *testing.T) {
		t.Parallel()
		require.ErrorIs(t, retrieve(t, onDisk("/nonexistent", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": os.DevNull})), credchain.ErrNotConfigured)
	})
	t.Run("a directory", func(t *testing.T) {
		t.Parallel()
		err := retrieve(t, onDisk("/nonexistent", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": t.TempDir()}))
		require.ErrorContains(t, err, "directory")
		require.NotErrorIs(t, err, credchain.ErrNotConfigured)
	})
	t.Run("unreadable", func(t *testing.T) {
		t.Parallel()
		if os.Getuid() == 0 {
			t.Skip("root can read every file; TestAsNobody runs this")
		}
		path := write(t, "credentials")
		require.NoError(t, os.Chmod(path, 0))
		err := retrieve(t, onDisk("/nonexistent", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": path}))
		require.ErrorIs(t, err, os.ErrPermission)
		require.NotErrorIs(t, err, credchain.ErrNotConfigured)
	})
	t.Run("in another user's home", func(t *testing.T) {
		t.Parallel()
		if os.Getuid() == 0 {
			t.Skip("root can search every directory; TestAsNobody runs this")
		}
		path := write(t, ".aws/credentials")
		home := filepath.Dir(filepath.Dir(path))
		require.NoError(t, os.Chmod(home, 0))
		defer os.Chmod(home, 0o700)
		require.ErrorIs(t, retrieve(t, onDisk(home, nil)), credchain.ErrNotConfigured, "as the AWS CLI, which sees no file there")
		err := retrieve(t, onDisk("/nonexistent", map[string]string{"AWS_SHARED_CREDENTIALS_FILE": path}))
		require.NotErrorIs(t, err, credchain.ErrNotConfigured, "somebody says that there is a file")
	})
}
