package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/systemd"
	"milagro.dev/wallet"
)

// These tests run in real time, with a real datagram socket in place of a service
// manager's.

// manager listens as a service manager does.
func manager(t *testing.T) (*net.UnixConn, *systemd.Notifier) {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // not the test's: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	variables := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"}
	notify, err := systemd.FromEnvironment(func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { notify.Close() })
	return conn, notify
}

// await returns the first datagram whose first line is one of lines, and all that
// came before it.
func await(t *testing.T, conn *net.UnixConn, line string) (message string, before []string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8<<10)
	for {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("no %s after %q: %v", line, before, err)
		}
		message := string(b[:n])
		if first, _, _ := strings.Cut(message, "\n"); first == line {
			return message, before
		}
		before = append(before, message)
	}
}

// running runs an agent, over loopback too, and returns how it is stopped: with the
// time that it took.
func running(t *testing.T, a *Agent) (address string, stop func() time.Duration) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- a.Run(ctx, listener) }()
	return "http://" + listener.Addr().String(), func() time.Duration {
		began := time.Now()
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
		return time.Since(began)
	}
}

func TestServiceManagerHearsHowTheAgentIs(t *testing.T) {
	t.Parallel()
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 2})
	n := parseName(t, web)
	conn, notify := manager(t)
	a, err := New(Config{Dir: filepath.Join(t.TempDir(), "wallet"), Notify: notify, Plan: Plan{
		Domains: []Domain{{d.Members[0].URL(), d.Published.Document.ID()}},
		Names:   []Name{{n, []identity.Purpose{identity.Channel, identity.Decrypt}, bothPurposes(t, d, n)}}}})
	if err != nil {
		t.Fatal(err)
	}
	address, stop := running(t, a)
	message, before := await(t, conn, "READY=1")
	if message != "READY=1\nSTATUS=1 names, all with their keys" || !slices.Contains(before, "WATCHDOG=1") {
		t.Errorf("heard %q and then %q", before, message)
	}
	response, err := http.Get(address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("status %d, %s, %v", response.StatusCode, body, err)
	}
	if err := a.Reload(func() (Plan, error) { return Plan{}, errors.New("bad file") }); err == nil {
		t.Error("a bad file was taken")
	}
	await(t, conn, "RELOADING=1")
	await(t, conn, "READY=1")
	if took := stop(); took > time.Second {
		t.Errorf("stopped within %v", took)
	}
	await(t, conn, "STOPPING=1")
}

// bothPurposes are codes for channel and decrypt keys.
func bothPurposes(t *testing.T, d *authoritytest.Domain, n identity.Name) Means {
	t.Helper()
	channel, decrypt := given(d.Codes(t, n, identity.Channel)), given(d.Codes(t, n, identity.Decrypt))
	return eachPurpose{identity.Channel: channel, identity.Decrypt: decrypt}
}

// eachPurpose has codes for each purpose.
type eachPurpose map[identity.Purpose]Codes

func (e eachPurpose) Enrol(ctx context.Context, w *wallet.Wallet, n identity.Name, p identity.Purpose) (*wallet.Report, error) {
	return e[p].Enrol(ctx, w, n, p)
}

func (e eachPurpose) Check(n identity.Name, p identity.Purpose) error { return e[p].Check(n, p) }
func (eachPurpose) String() string                                    { return "codes" }
func (eachPurpose) Again() bool                                       { return false }

func TestAHostBootsAlthoughNobodyAnswers(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and that is all
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	conn, notify := manager(t)
	a, err := New(Config{Dir: filepath.Join(t.TempDir(), "wallet"), Notify: notify, Plan: Plan{
		Domains: []Domain{{"http://" + dead.Addr().String(), identity.DomainID{1}}}, Names: []Name{{parseName(t, web), []identity.Purpose{identity.Channel}, given(nil)}}}})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, stop := running(t, a)
	message, _ := await(t, conn, "READY=1")
	if took := time.Since(began); took > roundAtMost/2 {
		t.Errorf("ready after %v", took)
	}
	for _, want := range []string{"STATUS=1 names; lacking: " + web + ": domain is not pinned: example.org", "domain at http://", "refused"} {
		if !strings.Contains(message, want) {
			t.Errorf("heard %q, without %q", message, want)
		}
	}
	if err := a.Apply(Plan{Domains: []Domain{{"http://" + mute.Addr().String(), identity.DomainID{1}}}}); err != nil {
		t.Fatal(err)
	}
	asked, err := mute.Accept() // it is being asked now
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	if took := stop(); took > time.Second {
		t.Errorf("stopped within %v while an authority was silent", took)
	}
}

func TestNewRefusesAWalletThatOthersMayRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Dir: dir}); !errors.Is(err, wallet.ErrPermissions) {
		t.Errorf("error = %v", err)
	}
	if _, err := New(Config{Dir: filepath.Join(dir, "wallet"), Plan: Plan{Names: []Name{{Name: parseName(t, web), Purposes: []identity.Purpose{identity.Channel}}}}}); err == nil {
		t.Error("purposes without means were taken")
	}
}
