//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/webserver"
	"milagro.dev/wallet"
)

// quay is a real domain's wallet with two names, a program that echoes and a sidecar
// process with a route for each.
type quay struct {
	dir, file string
	api, web  string // where the routes listen
	metrics   string
	program   net.Listener
	cmd       *exec.Cmd
	log       *lockedBuffer
	over      chan error
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newQuay(t *testing.T) *quay {
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 2})
	q := &quay{dir: t.TempDir(), log: new(lockedBuffer), over: make(chan error, 1)}
	w, err := wallet.Open(wallet.Config{Dir: filepath.Join(q.dir, "wallet")})
	fatal(err)
	_, err = w.Pin(t.Context(), d.Members[0].URL(), d.Published.Document.ID())
	fatal(err)
	for _, text := range []string{"spiffe://example.org/api", "spiffe://example.org/web"} {
		n, err := identity.ParseName(text)
		fatal(err)
		_, err = w.Enrol(t.Context(), n, identity.Channel, d.Codes(t, n, identity.Channel))
		fatal(err)
	}
	addresses, err := webserver.FreeAddresses(3)
	fatal(err)
	q.api, q.web, q.metrics = addresses[0], addresses[1], addresses[2]
	q.program, err = net.Listen("tcp", "127.0.0.1:0")
	fatal(err)
	go func() {
		for {
			conn, err := q.program.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	t.Cleanup(func() { q.program.Close() })
	q.file = filepath.Join(q.dir, "conf", "proxy.toml")
	fatal(os.Mkdir(filepath.Dir(q.file), 0o700))
	q.write(t, "spiffe://example.org/web", "")
	return q
}

// write writes the configuration: who is welcome at the api, and more lines.
func (q *quay) write(t *testing.T, allow, more string) {
	t.Helper()
	text := fmt.Sprintf(`dir = %q
metrics = %q
drain = "20s"
[[route]]
name = "api"
mode = "server"
as = "spiffe://example.org/api"
listen = %q
target = %q
allow = [%q]
[[route]]
name = "web"
mode = "client"
as = "spiffe://example.org/web"
listen = %q
target = %q
to = ["spiffe://example.org/api"]
%s`, filepath.Join(q.dir, "wallet"), q.metrics, q.api, q.program.Addr(), allow, q.web, q.api, more)
	if err := os.WriteFile(q.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (q *quay) start(t *testing.T, env ...string) {
	t.Helper()
	q.cmd = milagro(t.Context(), "proxy", "--config", q.file)
	q.cmd.Env = append(q.cmd.Env, env...)
	q.cmd.Stderr = q.log
	if err := q.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { q.over <- q.cmd.Wait() }()
	t.Cleanup(func() { q.cmd.Process.Kill() })
	q.await(t, "readiness", func() bool { return q.ready() == http.StatusOK })
}

func (q *quay) await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s; log:\n%s", what, q.log)
		}
	}
}

// ready returns the status of /readyz, 0 if there is none.
func (q *quay) ready() int {
	r, err := http.Get("http://" + q.metrics + "/readyz")
	if err != nil {
		return 0
	}
	r.Body.Close()
	return r.StatusCode
}

func (q *quay) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := q.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// echo sends a text through both routes and returns what comes back.
func (q *quay) echo(conn net.Conn, text string) string {
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, text)
	answer := make([]byte, len(text))
	n, _ := io.ReadFull(conn, answer)
	return string(answer[:n])
}

// fresh is echo on a connection of its own, which may be refused.
func (q *quay) fresh(text string) string {
	conn, err := net.Dial("tcp", q.web)
	if err != nil {
		return ""
	}
	defer conn.Close()
	return q.echo(conn, text)
}

func (q *quay) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", q.web)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestProxyReloadsAndDrains(t *testing.T) {
	t.Parallel()
	q := newQuay(t)
	out, err := milagro(t.Context(), "proxy", "--config", q.file, "--check").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "api: identity TLS on "+q.api+" to plain on ") || !strings.Contains(string(out), "good: 2 would be served") {
		t.Fatalf("%v\n%s", err, out)
	}
	manager, err := net.ListenPacket("unixgram", filepath.Join(q.dir, "n"))
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	q.start(t, "NOTIFY_SOCKET="+manager.LocalAddr().String())
	conn := q.dial(t)
	if got := q.echo(conn, "hello"); got != "hello" {
		t.Fatalf("%q came back\n%s", got, q.log)
	}
	if runtime.GOOS == "linux" {
		q.await(t, "hardening", func() bool { return strings.Contains(q.log.String(), `"applied":["no new privileges",`) })
	}

	q.write(t, "spiffe://example.org/nobody", "colour = \"red\"")
	q.signal(t, syscall.SIGHUP)
	q.await(t, "the refusal of a bad file", func() bool { return strings.Contains(q.log.String(), "proxy.toml:18: route.colour: unknown key") })
	if got := q.echo(conn, "still") + q.fresh("fresh"); got != "stillfresh" {
		t.Errorf("after a bad reload: %q", got)
	}

	// Even with landlock a route may listen on a port that was configured before.
	q.write(t, "spiffe://example.org/*", "")
	q.signal(t, syscall.SIGHUP)
	q.await(t, "the reload", func() bool { return strings.Contains(q.log.String(), `"msg":"reloaded"`) })
	if got := q.echo(conn, "still") + q.fresh("fresh"); got != "stillfresh" {
		t.Errorf("after a reload: %q", got)
	}
	q.write(t, "spiffe://example.org/nobody", "")
	q.signal(t, syscall.SIGHUP)
	q.await(t, "the end of who is no longer welcome", func() bool { return strings.Contains(q.log.String(), `"outcome":"forbidden"`) })
	if got := q.echo(conn, "still") + q.fresh("fresh"); got != "" {
		t.Errorf("nobody is welcome, and %q came back", got)
	}
	q.write(t, "spiffe://example.org/web", "")
	q.signal(t, syscall.SIGHUP)
	q.await(t, "the second reload", func() bool { return strings.Count(q.log.String(), `"msg":"reloaded"`) == 3 })

	q.drain(t)
	told := toldOf(manager)
	for _, want := range []string{"READY=1", "RELOADING=1", "STOPPING=1"} {
		if !strings.Contains(told, want) {
			t.Errorf("the service manager was not told %s:\n%s", want, told)
		}
	}
}

// drain ends the proxy while a connection is open.
func (q *quay) drain(t *testing.T) {
	t.Helper()
	last := q.dial(t)
	if got := q.echo(last, "hello"); got != "hello" {
		t.Fatalf("%q\n%s", got, q.log)
	}
	q.signal(t, syscall.SIGTERM)
	q.await(t, "readiness to end", func() bool { return q.ready() == http.StatusServiceUnavailable })
	if _, err := net.Dial("tcp", q.web); err == nil {
		t.Error("it still listens")
	}
	if got := q.echo(last, "still"); got != "still" {
		t.Errorf("while draining: %q", got)
	}
	last.Close()
	select {
	case err := <-q.over:
		if err != nil {
			t.Errorf("exit: %v\n%s", err, q.log)
		}
	case <-time.After(15 * time.Second):
		t.Errorf("it does not end:\n%s", q.log)
	}
}

// toldOf returns what a service manager was told, up to the end.
func toldOf(manager net.PacketConn) string {
	var told strings.Builder
	manager.SetReadDeadline(time.Now().Add(time.Second))
	for buffer := make([]byte, 4096); !strings.Contains(told.String(), "STOPPING=1"); {
		n, _, err := manager.ReadFrom(buffer)
		if err != nil {
			break
		}
		told.Write(append(buffer[:n:n], '\n'))
	}
	return told.String()
}

// Landlock forbids what the first configuration did not name, and says so.
func TestProxyIsConfined(t *testing.T) {
	t.Parallel()
	q := newQuay(t)
	q.start(t)
	q.await(t, "hardening", func() bool { return strings.Contains(q.log.String(), `"msg":"hardened"`) })
	if !strings.Contains(q.log.String(), "landlock") || strings.Contains(q.log.String(), "no landlock") {
		t.Skip("this kernel has no landlock: nothing to see")
	}
	outside := filepath.Join(t.TempDir(), "s")
	q.write(t, "spiffe://example.org/web", fmt.Sprintf("[[route]]\nname = \"late\"\nmode = \"client\"\nas = \"spiffe://example.org/web\"\nlisten = \"unix:%s\"\ntarget = %q\nto = [\"spiffe://example.org/api\"]\n", outside, q.api))
	q.signal(t, syscall.SIGHUP)
	q.await(t, "the refusal", func() bool {
		return strings.Contains(q.log.String(), "reload refused") && strings.Contains(q.log.String(), "restart it")
	})
	if got := q.echo(q.dial(t), "hello"); got != "hello" {
		t.Errorf("the old configuration: %q", got)
	}
	q.signal(t, syscall.SIGTERM)
	<-q.over
}
