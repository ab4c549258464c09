package realtest_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Variables by which a test tells its copy in the namespace what it cannot find out there.
const (
	namespaceTest = "REALTEST_NAMESPACE_TEST" // the name of the test whose body to run
	outerNetwork  = "REALTEST_OUTER_NETWORK"  // the network namespace that it must not be in
)

// exitNotAllowed is how a copy says that the machine does not let it set up the namespace.
const exitNotAllowed = 77

func inNamespace() bool { return os.Getenv(namespaceTest) != "" }

// withAddresses runs body in a process of its own, in a new network namespace where addrs belong to the
// loopback interface and nothing else can be reached. So the fixed addresses of the metadata service and of
// the container endpoints can be asked for real, and the machine's own cannot be by any mistake. It needs no
// root; where the machine does not allow it the test is skipped. Body may start the given programs.
func withAddresses(t *testing.T, addrs []string, programs []program, body func(t *testing.T)) {
	t.Helper()
	if os.Getenv(namespaceTest) == t.Name() {
		setUpNetwork(t, addrs)
		body(t)
		return
	}
	require.False(t, inNamespace(), "a test in the namespace of another one")

	outer, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Skipf("skipped: no network namespaces here: %v", err)
	}
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.Command("/proc/self/exe", "-test.run="+pattern, "-test.count=1", "-test.v", "-test.timeout=3m")
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin", "TMPDIR=" + t.TempDir(),
		namespaceTest + "=" + t.Name(), outerNetwork + "=" + outer}
	for _, p := range programs {
		cmd.Env = append(cmd.Env, p.variable()+"="+p.path(t))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var output buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err = cmd.Start()
	for _, refusal := range []syscall.Errno{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EINVAL, unix.ENOSYS} {
		if errors.Is(err, refusal) { // as user_namespaces(7) and clone(2) have them
			t.Skipf("skipped: no user and network namespace here: %v", err)
		}
	}
	require.NoError(t, err)
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitNotAllowed {
		t.Skipf("skipped: %s", strings.TrimSpace(output.String()))
	}
	// Marked, so that no program that reads test reports takes the copy's for this test's.
	report := "in the namespace:\n| " + strings.ReplaceAll(strings.TrimSpace(output.String()), "\n", "\n| ")
	require.NoError(t, err, report)
	t.Log(report)
	require.Contains(t, output.String(), "--- PASS: "+t.Name()+" ", "the test did not run in the namespace")
}

// setUpNetwork makes sure that this process is alone in a fresh network namespace, and gives lo addrs.
func setUpNetwork(t *testing.T, addrs []string) {
	t.Helper()
	inner, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	require.NotEqual(t, os.Getenv(outerNetwork), inner, "still in the machine's own network")
	requireNothingReachable(t)

	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	require.NoError(t, err)
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	allowed(t, "bring lo up", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo))
	for i, addr := range addrs {
		if ip := netip.MustParseAddr(addr); ip.Is6() {
			addIPv6(t, ip)
			continue
		}
		alias, err := unix.NewIfreq(fmt.Sprintf("lo:%d", i+1))
		require.NoError(t, err)
		ip := netip.MustParseAddr(addr).As4()
		require.NoError(t, alias.SetInet4Addr(ip[:]))
		allowed(t, "put "+addr+" on lo", unix.IoctlIfreq(fd, unix.SIOCSIFADDR, alias))
		// One address, not the network of its class, which lo would otherwise answer for as a whole.
		require.NoError(t, alias.SetInet4Addr([]byte{255, 255, 255, 255}))
		allowed(t, "put "+addr+"/32 on lo", unix.IoctlIfreq(fd, unix.SIOCSIFNETMASK, alias))
	}
}

// addIPv6 gives lo an IPv6 address. x/sys has no request for that, so it is laid out here (ipv6(7)).
func addIPv6(t *testing.T, ip netip.Addr) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		notAllowed("use IPv6", err)
	}
	require.NoError(t, err)
	defer unix.Close(fd)
	lo, err := net.InterfaceByName("lo")
	require.NoError(t, err)
	request := struct {
		addr   [16]byte
		prefix uint32
		index  int32
	}{ip.As16(), 128, int32(lo.Index)}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		allowed(t, "put "+ip.String()+" on lo", errno)
	}
}

// requireNothingReachable fails the test if any interface but lo is up or has an address, or there is any
// route. Some kernels put tunnels into every namespace, which are down.
func requireNothingReachable(t *testing.T) {
	t.Helper()
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	require.NotEmpty(t, interfaces)
	for _, i := range interfaces {
		require.Zero(t, i.Flags&net.FlagUp, "%s is up in what should be a fresh namespace", i.Name)
		addrs, err := i.Addrs()
		require.NoError(t, err)
		require.Empty(t, addrs, "%s has an address in what should be a fresh namespace", i.Name)
	}
	routes, err := os.ReadFile("/proc/self/net/route") // one line of headings
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(routes), "\n"), 1, "there are routes in what should be a fresh namespace")
}

// allowed ends the process if the machine made a namespace but does not let us use it, as some do.
func allowed(t *testing.T, what string, err error) {
	t.Helper()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		notAllowed(what, err)
	}
	require.NoError(t, err, what)
}

// notAllowed ends the process, for the test that started it to be skipped.
func notAllowed(what string, err error) {
	fmt.Printf("no permission in the namespace to %s: %v\n", what, err)
	os.Exit(exitNotAllowed)
}
