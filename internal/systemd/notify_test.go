package systemd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// manager is a real datagram socket, as a service manager has.
func manager(t *testing.T, address string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// hear returns the lines of the next datagram.
func hear(t *testing.T, conn *net.UnixConn) []string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b[:n]), "\n")
}

func notifier(t *testing.T, variables map[string]string) *Notifier {
	t.Helper()
	n, err := FromEnvironment(func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // not the test's: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "socket")
}

func TestManagerHearsOfEachState(t *testing.T) {
	addresses := []string{socketPath(t)}
	if runtime.GOOS == "linux" {
		addresses = append(addresses, "@milagro-notify-"+strconv.Itoa(os.Getpid()))
	}
	for _, address := range addresses {
		conn := manager(t, address)
		n := notifier(t, map[string]string{"NOTIFY_SOCKET": address})
		for _, k := range []struct {
			say  func() error
			want []string
		}{
			{func() error { return n.Ready("2 names") }, []string{"READY=1", "STATUS=2 names"}},
			{func() error { return n.Status("1 name\nREADY=0\x00") }, []string{"STATUS=1 name READY=0"}},
			{n.Stopping, []string{"STOPPING=1"}},
		} {
			if err := k.say(); err != nil {
				t.Fatal(err)
			}
			if got := hear(t, conn); !slices.Equal(got, k.want) {
				t.Errorf("%s: heard %q, want %q", address, got, k.want)
			}
		}
	}
}

func TestReloadIsDatedByTheMonotonicClock(t *testing.T) {
	address := socketPath(t)
	conn := manager(t, address)
	n := notifier(t, map[string]string{"NOTIFY_SOCKET": address})
	var last int64
	for range 2 {
		if err := n.Reloading(); err != nil {
			t.Fatal(err)
		}
		lines := hear(t, conn)
		value, dated := strings.CutPrefix(lines[len(lines)-1], "MONOTONIC_USEC=")
		usec, err := strconv.ParseInt(value, 10, 64)
		if lines[0] != "RELOADING=1" || !dated || err != nil || usec < last || runtime.GOOS == "linux" && usec == 0 {
			t.Errorf("heard %q after %d", lines, last)
		}
		last = usec
	}
}

func TestWatchdogIsFedTwiceInItsTimeWhileAlive(t *testing.T) {
	address := socketPath(t)
	conn := manager(t, address)
	n := notifier(t, map[string]string{"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "40000", "WATCHDOG_PID": strconv.Itoa(os.Getpid())})
	ctx, cancel := context.WithCancel(t.Context())
	over, asked, dead := make(chan struct{}), make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(over)
		n.Watchdog(ctx, func() bool {
			asked <- struct{}{}
			select {
			case <-dead:
				return false
			default:
				return true
			}
		})
	}()
	for range 3 {
		if got := hear(t, conn); !slices.Equal(got, []string{"WATCHDOG=1"}) {
			t.Errorf("heard %q", got)
		}
	}
	close(dead)
	beats(asked, 2) // what was asked before may have been answered before
	drain(conn)
	beats(asked, 4)
	cancel()
	<-over
	if fed := drain(conn); fed > 0 {
		t.Errorf("a dead process fed its watchdog %d times", fed)
	}
}

// beats waits for n questions that are asked from now on.
func beats(asked chan struct{}, n int) {
	for len(asked) > 0 {
		<-asked
	}
	for range n {
		<-asked
	}
}

// drain takes the datagrams that are there, and returns how many they were.
func drain(conn *net.UnixConn) (n int) {
	b := make([]byte, 100)
	for {
		conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // one that is past reads nothing
		if _, err := conn.Read(b); err != nil {
			return n
		}
		n++
	}
}

func TestWithoutAManagerNothingIsSaid(t *testing.T) {
	n := notifier(t, nil)
	n.Watchdog(t.Context(), func() bool { t.Error("asked"); return true })
	for _, err := range []error{n.Ready("up"), n.Status("x"), n.Reloading(), n.Stopping(), n.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestWatchdogOfAnotherProcessIsNotFed(t *testing.T) {
	for _, k := range []struct {
		usec, pid string
		want      time.Duration
		ok        bool
	}{
		{"", "", 0, true}, {"1000000", "", time.Second, true}, {"1000000", "1", 0, true},
		{"0", "", 0, false}, {"-1", "", 0, false}, {"soon", "", 0, false}, {"9223372036854775807", "", 0, false},
	} {
		if got, err := watchdogOf(k.usec, k.pid); got != k.want || (err == nil) != k.ok {
			t.Errorf("%q, %q: %v, %v", k.usec, k.pid, got, err)
		}
	}
}

func TestBadEnvironmentIsNamed(t *testing.T) {
	for _, variables := range []map[string]string{
		{"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": filepath.Join(t.TempDir(), "absent")},
	} {
		_, err := FromEnvironment(func(name string) string { return variables[name] })
		if err == nil || !strings.HasPrefix(err.Error(), "NOTIFY_SOCKET: ") {
			t.Errorf("%v: %v", variables, err)
		}
	}
}

func TestAManagerThatGoesAwayIsAnError(t *testing.T) {
	address := socketPath(t)
	conn := manager(t, address)
	n := notifier(t, map[string]string{"NOTIFY_SOCKET": address})
	conn.Close()
	if err := n.Ready("up"); err == nil || !strings.HasPrefix(err.Error(), "notify: ") {
		t.Errorf("error = %v", err)
	}
}

func FuzzStatusIsOneLine(f *testing.F) {
	f.Add("a\nb")
	f.Add(strings.Repeat("ß", maxStatus))
	f.Fuzz(func(t *testing.T, status string) {
		line := statusLine(status)
		if strings.ContainsAny(line, "\n\x00") || !utf8.ValidString(line) || len(line) > maxStatus+len("STATUS=") {
			t.Errorf("%q", line)
		}
	})
}
