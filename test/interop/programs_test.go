//go:build linux

package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"milagro.dev/internal/webserver"
)

// world is a domain with one host of programs and one host of their clients.
type world struct {
	servers, clients string // wallets
}

// TestRealPrograms puts programs that know nothing of us behind two sidecars.
func TestRealPrograms(t *testing.T) {
	t.Parallel()
	d := newDomain(t, 86_400)
	w := &world{servers: d.enrol(t, "nginx", "postgres", "redis", "mqtt"), clients: d.enrol(t, "client", "stranger")}
	for _, begin := range []func(*testing.T) *program{newNginx, newNginxHTTP, newNginxTCP, newPostgres, newRedis, newMosquitto} {
		p := begin(t)
		t.Run(p.title, func(t *testing.T) {
			t.Parallel()
			w.try(t, p)
		})
	}
}

// program is a server that runs, and how its own client uses it.
type program struct {
	title  string
	path   string // of its name
	target string // where it listens
	// serving and asking are further lines of the server's route and the clients'.
	serving, asking string
	// works has the client do what people do, through a plain address; the server's
	// sidecar listens at channel.
	works func(t *testing.T, address, channel string)
	// quick is one small request.
	quick func(address string) error
	// connections is how many the program has seen, by its own account.
	connections func(t *testing.T) int
}

// try runs a program behind a sidecar: it works; whoever is not welcome does not
// reach it; it works again after reloads and after a crash of its sidecar.
func (w *world) try(t *testing.T, p *program) {
	a := must(webserver.FreeAddresses(4))(t)
	channel, client, stranger, misled := a[0], a[1], a[2], a[3]
	welcome := func(path string) route {
		return route{name: p.title, mode: "server", as: p.path, listen: channel, target: p.target, peers: []string{path}, more: p.serving}
	}
	server := newSidecar(t, p.title+"'s sidecar", w.servers, welcome("client"))
	newSidecar(t, "clients' sidecar of "+p.title, w.clients,
		route{name: "client", mode: "client", as: "client", listen: client, target: channel, peers: []string{p.path}, more: p.asking},
		route{name: "stranger", mode: "client", as: "stranger", listen: stranger, target: channel, peers: []string{p.path}, more: p.asking},
		route{name: "misled", mode: "client", as: "client", listen: misled, target: channel, peers: []string{"other"}, more: p.asking})

	p.works(t, client, channel)
	before := p.connections(t)
	refused(t, "a client of another name", p.quick(stranger))
	refused(t, "a server of another name", p.quick(misled))
	direct(t, channel)
	if after := p.connections(t); after != before {
		t.Errorf("%s had %d connections of those that were refused", p.title, after-before)
	}

	server.reload(t, welcome("stranger"))
	await(t, "the reload lets the stranger in", func() error { return p.quick(stranger) })
	await(t, "the reload shuts the client out", func() error { return unless(p.quick(client)) })
	server.reload(t, welcome("client"))
	await(t, "another reload lets the client in", func() error { return p.quick(client) })

	server.process.kill()
	refused(t, "a client while the server's sidecar is dead", p.quick(client))
	server.start(t)
	await(t, "the client recovers", func() error { return p.quick(client) })
}

// unless turns a success into an error.
func unless(err error) error {
	if err == nil {
		return errors.New("served")
	}
	return nil
}

func refused(t *testing.T, who string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s is served", who)
	}
}

// direct asks a sidecar as people do who know TLS and have no name.
func direct(t *testing.T, address string) {
	t.Helper()
	out, err := run(nil, "curl", "--silent", "--show-error", "--insecure", "--max-time", "5", "https://"+address+"/")
	if err == nil {
		t.Errorf("curl without a certificate: %s", out)
	}
	out, _ = run(nil, "openssl", "s_client", "-connect", address, "-ign_eof")
	if !strings.Contains(out, "TLSv1.3") || !strings.Contains(out, "alert") {
		t.Errorf("openssl s_client without a certificate gets no alert: %s", out)
	}
	out, _ = run(nil, "openssl", "s_client", "-connect", address, "-tls1_2", "-ign_eof")
	if !strings.Contains(out, "alert") {
		t.Errorf("openssl s_client with TLS 1.2 gets no alert: %s", out)
	}
}

// run runs a client program to its end and returns all that it prints.
func run(stdin io.Reader, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), setUpWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// says fails unless a program ends well and prints just this.
func says(t *testing.T, want string, stdin io.Reader, program string, args ...string) {
	t.Helper()
	out, err := run(stdin, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out); got != want {
		t.Errorf("%s %s says %d bytes, %.80q, want %d bytes, %.80q", program, strings.Join(args, " "), len(got), got, len(want), want)
	}
}
