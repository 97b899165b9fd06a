//go:build linux

package interop

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"milagro.dev/internal/webserver"
)

// TestSPIFFEProgramsTalkThroughTheirSidecars: two programs that know go-spiffe
// only, each with certificates of its own sidecar, and identity TLS between these.
func TestSPIFFEProgramsTalkThroughTheirSidecars(t *testing.T) {
	t.Parallel()
	d := newDomain(t, 3600)
	dir := shortDir(t)
	free := must(webserver.FreeAddresses(3))(t)
	channel, entrance, target := free[0], free[1], free[2]
	apiSocket, webSocket := filepath.Join(dir, "api.sock"), filepath.Join(dir, "web.sock")
	bridged(t, "sidecar of api", d.enrol(t, "api"), apiSocket, fmt.Sprintf(`
name = "in"
mode = "server"
as = %q
listen = %q
target = %q
allow = [%q]
`, uri("api"), channel, target, uri("web")))
	web := bridged(t, "sidecar of web", d.enrol(t, "web"), webSocket, fmt.Sprintf(`
name = "out"
mode = "client"
as = %q
listen = %q
target = %q
to = [%q]
`, uri("web"), entrance, channel, uri("api")))

	api := certificates(t, apiSocket)
	serveSPIFFE(t, target, api)
	mine := certificates(t, webSocket)
	ask := func(source *workloadapi.X509Source) error {
		own := tlsconfig.AuthorizeID(spiffeid.RequireFromString(uri("web")))
		transport := &http.Transport{TLSClientConfig: tlsconfig.MTLSClientConfig(source, source, own), DisableKeepAlives: true}
		response, err := (&http.Client{Transport: transport, Timeout: setUpWithin}).Get("https://" + entrance + "/")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != uri("api") {
			return fmt.Errorf("%q, %v", body, err)
		}
		return nil
	}
	await(t, "an answer through both sidecars", func() error { return ask(mine) })
	if err := ask(api); err == nil {
		t.Error("a program with certificates of another sidecar is served")
	}
	exportFiles(t, webSocket)

	web.stop(t)
	if _, err := os.Lstat(webSocket); !os.IsNotExist(err) {
		t.Errorf("a sidecar that stopped leaves its socket: %v", err)
	}
}

// bridged starts a sidecar with a workload socket and one route whose hop is X.509,
// hardened as by default.
func bridged(t *testing.T, name, wallet, socket, route string) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proxy.toml")
	text := fmt.Sprintf("dir = %q\ndrain = \"1s\"\n[workload]\nsocket = %q\n[[route]]%slocal = \"x509\"\n", wallet, socket, route)
	check(t, os.WriteFile(file, []byte(text), 0o600))
	p := start(t, name, must(milagro())(t), "proxy", "--config", file)
	await(t, name+" serves its socket", func() error {
		if !p.runs() {
			t.Fatalf("%s has ended", name)
		}
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return p
}

// certificates returns what a program of this user has from a sidecar's socket.
func certificates(t *testing.T, socket string) *workloadapi.X509Source {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), setUpWithin)
	defer cancel()
	source := must(workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr("unix://"+socket))))(t)
	t.Cleanup(func() { source.Close() })
	return source
}

// serveSPIFFE answers its sidecar, and nobody else, with its own name.
func serveSPIFFE(t *testing.T, address string, source *workloadapi.X509Source) {
	t.Helper()
	own := tlsconfig.AuthorizeID(spiffeid.RequireFromString(uri("api")))
	server := &http.Server{
		TLSConfig: tlsconfig.MTLSServerConfig(source, source, own),
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, uri("api")) }),
	}
	l := must(net.Listen("tcp", address))(t)
	go server.ServeTLS(l, "", "")
	t.Cleanup(func() { server.Close() })
}

// exportFiles has the command write files, and a hook see them.
func exportFiles(t *testing.T, socket string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tls")
	ctx, cancel := context.WithTimeout(t.Context(), setUpWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, must(milagro())(t), "export", "x509", "--out", dir, "--on-change", "ls "+dir)
	cmd.Env = append(os.Environ(), "SPIFFE_ENDPOINT_SOCKET=unix://"+socket)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), uri("web")+" until "+time.Now().UTC().Format("2006")) || !strings.Contains(string(out), "key.pem\nsvid.pem\n") {
		t.Errorf("%v: %s", err, out)
	}
	cmd = exec.CommandContext(ctx, must(milagro())(t), "export", "x509", "--socket", socket, "--out", dir, "--watch", "--on-change", "kill $PPID")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), " until ") != 1 {
		t.Errorf("--watch: %v: %s", err, out)
	}
}
