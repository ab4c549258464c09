package redisstore_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/credchain/credchain/store/internal/contract"
	"github.com/credchain/credchain/store/redisstore"
)

// each runs a test on miniredis and on a real server, each its own. The test's time stands while a server is asked,
// so that a busy machine does not look like a server that is away.
func each(t *testing.T, test func(t *testing.T, address string)) {
	t.Parallel()
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		address := miniredis.RunT(t).Addr()
		synctest.Test(t, func(t *testing.T) { test(t, address) })
	})
	t.Run("redis-server", func(t *testing.T) {
		t.Parallel()
		address := realServer(t)
		synctest.Test(t, func(t *testing.T) { test(t, address) })
	})
}

// realServer starts a server that keeps nothing on a disk.
func realServer(t *testing.T) string {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	for range 5 { // somebody else may take the free port before the server has it
		if address := startServer(t, binary); address != "" {
			return address
		}
	}
	t.Fatal("redis-server did not start")
	return ""
}

// startServer returns the address of a server, "" if it does not start.
func startServer(t *testing.T, binary string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	cmd := exec.Command(binary, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go func() { // so that it can go on writing
				for lines.Scan() {
				}
			}()
			return address
		}
	}
	return ""
}

// TestMain makes this program a worker, if a test started it as one: REDISSTORE_WORKER has the server's address. It
// says when it fetches, and never ends.
func TestMain(m *testing.M) {
	address := os.Getenv("REDISSTORE_WORKER")
	if address == "" {
		os.Exit(m.Run())
	}
	s, err := redisstore.New(redisstore.Config{Client: redis.NewClient(&redis.Options{Addr: address}), Keys: []redisstore.SealingKey{first}})
	if err != nil {
		panic(err)
	}
	_, err = s.Through(context.Background(), roleKey("a"), good, func(context.Context) (aws.Credentials, error) {
		fmt.Println("fetching")
		select {}
	})
	fmt.Println(err)
}

// TestHolderKilled: when the process that fetches is killed, the others go on when its lease ends, with one fetch.
func TestHolderKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: a lease of ten seconds has to end")
	}
	address := realServer(t)
	binary, err := os.Executable()
	require.NoError(t, err)
	holder := exec.Command(binary)
	holder.Env = []string{"REDISSTORE_WORKER=" + address}
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "fetching\n", said)
	require.NoError(t, holder.Process.Kill())
	_ = holder.Wait() // "killed"

	c := client(t, address)
	left, err := c.PTTL(t.Context(), lockName("a")).Result()
	require.NoError(t, err)
	require.Positive(t, left)
	require.LessOrEqual(t, left, 10*time.Second)
	s := &contract.Source{}
	out2 := make(chan string, 10)
	for range 10 {
		go func() {
			c, err := newStore(t, c, nil).Through(context.Background(), roleKey("a"), good, s.Fetch)
			out2 <- fmt.Sprint(c.AccessKeyID, err)
		}()
	}
	for range 10 {
		require.Equal(t, nth(1)+"<nil>", <-out2)
	}
	require.EqualValues(t, 1, s.Calls.Load())
}

func lockName(role string) string { return strings.TrimSuffix(name(role), "entry") + "lock" }
