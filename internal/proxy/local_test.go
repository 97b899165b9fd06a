package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/bridge"
)

// hop returns the two ends of the hop between a name's sidecar and its program.
func hop(t testing.TB, source idtls.Source, text string) (server, client *tls.Config) {
	t.Helper()
	n := parseName(t, text)
	b := must(bridge.New(bridge.Config{Sources: map[identity.Name]idtls.Source{n: source}}))(t)
	return must(b.ServerTLS(n, n))(t), must(b.ClientTLS(n, n))(t)
}

// Both programs speak X.509 with their own sidecars, and to them alone.
func TestProgramsMaySpeakX509WithTheirSidecar(t *testing.T) {
	w := newTown()
	var program atomic.Pointer[tls.Config]
	to := target(t, func(conn net.Conn) {
		secure := tls.Server(conn, program.Load())
		if _, err := io.Copy(secure, secure); err == nil {
			secure.CloseWrite()
		}
	})
	var caller *tls.Config
	in, out := w.pair(t, to, func(in, out *Route) {
		in.Local, out.Local = LocalX509, LocalX509
		server, client := hop(t, in.Source, apiName)
		program.Store(server)
		in.LocalTLS = client
		out.LocalTLS, caller = hop(t, out.Source, webName)
	})
	conn := tls.Client(dial(t, out.Address("out")), caller)
	if got, err := said(conn, "hello"); got != "hello" || err != nil {
		t.Fatalf("%q, %v\n%s%s", got, err, in.access, out.access)
	}
	conn.CloseWrite()
	if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
		t.Errorf("at the end: %q, %v", rest, err)
	}
	if _, err := asked(t, out.Address("out"), "in clear"); err == nil {
		t.Error("a program without a certificate was served")
	}
	_, stranger := hop(t, w.member(t, webName), webName) // of another sidecar
	if _, err := said(tls.Client(dial(t, out.Address("out")), stranger), "hello"); err == nil {
		t.Error("the certificate of another sidecar was taken")
	}
}
