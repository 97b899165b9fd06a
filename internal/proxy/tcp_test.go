package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"milagro.dev/idtls"
	"milagro.dev/internal/config"
)

func TestBytesPassBothWaysAndEndsToo(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, target(t, echo), nil)
	for _, size := range []int{0, 1, 2048, 2049, fullRecord, 1 << 20} {
		data := make([]byte, size)
		rand.NewChaCha8([32]byte{}).Read(data)
		conn := dial(t, out.Address("out"))
		go func() {
			conn.Write(data)
			conn.CloseWrite()
		}()
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d came back, %v", size, len(got), err)
		}
	}
	line := out.awaitLine(t, "closed")
	if line["peer"] != apiName || line["route"] != "out" || line["device"] == "" || line["remote"] == "" {
		t.Errorf("the client's line: %v", line)
	}
	if line = in.awaitLine(t, "closed"); line["peer"] != webName {
		t.Errorf("the server's line: %v", line)
	}
	await(t, "the bytes in the metrics", func() bool {
		return strings.Contains(in.scrape(), `milagro_proxy_bytes_total{direction="from_peer",peer="`+webName+`",route="in"} 1.069058e+06`)
	})
}

// A database says good bye after its client has; a client may go on after its server has ended.
func TestHalfClosedConnectionsGoOn(t *testing.T) {
	w := newTown()
	finished := make(chan string, 1)
	_, out := w.pair(t, target(t, func(conn net.Conn) {
		io.WriteString(conn, "first")
		conn.(*net.TCPConn).CloseWrite()
		rest, _ := io.ReadAll(conn)
		finished <- string(rest)
	}), nil)
	conn := dial(t, out.Address("out"))
	if got, err := io.ReadAll(conn); string(got) != "first" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	io.WriteString(conn, "second")
	conn.CloseWrite()
	if got := <-finished; got != "second" {
		t.Errorf("after the server's end: %q", got)
	}
}

// Who cuts a connection must not make a half file look whole.
func TestBrokenConnectionsAreResetNotEnded(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, target(t, func(conn net.Conn) {
		io.ReadFull(conn, make([]byte, 1))
		io.WriteString(conn, "half of it")
		conn.(*net.TCPConn).SetLinger(0)
	}), nil)
	conn := dial(t, out.Address("out"))
	io.WriteString(conn, "?")
	if got, err := io.ReadAll(conn); err == nil {
		t.Errorf("a reset target looks like an end after %q", got)
	}
	in.awaitLine(t, "broken")
	out.awaitLine(t, "broken")

	plain := make(chan error, 1)
	direct := start(t, Config{}, w.serverRoute(t, target(t, func(conn net.Conn) {
		_, err := io.ReadAll(conn)
		plain <- err
	}), webName))
	peer, err := w.peer(t, webName, direct.Address("in"))
	check(t, err)
	_, err = io.WriteString(peer, "half of it")
	check(t, err)
	check(t, peer.NetConn().(*net.TCPConn).CloseWrite()) // without a close_notify
	if err := <-plain; err == nil {
		t.Error("a TLS connection cut off looks like an end to the target")
	}
}

func TestPeersWhoAreNotAllowedGetABareAlert(t *testing.T) {
	w := newTown()
	reached := make(chan struct{}, 10)
	in := start(t, Config{}, w.serverRoute(t, target(t, func(net.Conn) { reached <- struct{}{} }), webName, "spiffe://example.org/jobs/*"))
	for _, k := range []struct{ name, check string }{{dbName, "authorizer"}, {"spiffe://example.org/jobs", "authorizer"}} {
		conn, err := w.peer(t, k.name, in.Address("in"))
		check(t, err)
		_, err = said(conn, "let me in")
		if alert, ok := errors.AsType[*net.OpError](err); !ok || alert.Op != "remote error" || !strings.Contains(err.Error(), "bad certificate") {
			t.Errorf("%s: %v", k.name, err)
		}
		line := in.awaitLine(t, "refused", k.name)
		if line["check"] != k.check || line["peer"] != k.name {
			t.Errorf("line %v", line)
		}
	}
	stranger, err := newTown().peer(t, webName, in.Address("in"))
	if err == nil {
		_, err = said(stranger, "let me in")
	}
	if err == nil {
		t.Error("a stranger came in")
	}
	if !strings.Contains(in.scrape(), `milagro_proxy_refused_total{check="authorizer",route="in"} 2`) {
		t.Error("refusals are not counted")
	}
	if len(reached) > 0 {
		t.Error("the target was reached")
	}
	conn, err := w.peer(t, "spiffe://example.org/jobs/nightly", in.Address("in"))
	check(t, err)
	conn.Close()
}

func TestTheTargetOfAClientMustBeWhoItIsSaidToBe(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, target(t, echo), func(in, out *Route) { out.To = patterns(t, dbName) })
	if _, err := asked(t, out.Address("out"), "secret"); err == nil {
		t.Error("api answered where db must be")
	}
	if line := out.awaitLine(t, "refused"); line["check"] != "authorizer" || line["peer"] != apiName {
		t.Errorf("line %v", line)
	}
	if line := in.awaitLine(t, "declined"); line["error"] == "" {
		t.Errorf("line %v", line)
	}
}

func TestAClientThatIsDeclinedSaysSo(t *testing.T) {
	w := newTown()
	_, out := w.pair(t, target(t, echo), func(in, out *Route) { in.Allow = patterns(t, dbName) })
	if _, err := asked(t, out.Address("out"), "hello"); !isReset(err) {
		t.Errorf("the program saw %v", err)
	}
	out.awaitLine(t, "declined")
}

func TestNobodyAtTheTargetIsAResetNotAnEnd(t *testing.T) {
	w := newTown()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	nowhere := address(t, l.Addr().String())
	l.Close()
	in, out := w.pair(t, nowhere, nil)
	if _, err := asked(t, out.Address("out"), "hello"); !isReset(err) {
		t.Errorf("the program saw %v", err)
	}
	in.awaitLine(t, "unreachable")
	alone := start(t, Config{}, w.clientRoute(t, nowhere.String()))
	if _, err := asked(t, alone.Address("out"), "hello"); !isReset(err) {
		t.Errorf("the program saw %v", err)
	}
	alone.awaitLine(t, "unreachable")
	if !strings.Contains(alone.scrape(), `milagro_proxy_refused_total{check="unreachable",route="out"} 1`) {
		t.Error("a failed dial is not counted")
	}
}

func TestUnixSocketsOnBothPlainSides(t *testing.T) {
	w := newTown()
	dir := t.TempDir()
	l := must(net.Listen("unix", filepath.Join(dir, "target")))(t)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				echo(conn)
			}()
		}
	}()
	_, out := w.pair(t, address(t, "unix:"+filepath.Join(dir, "target")), func(in, out *Route) {
		out.Listen = address(t, "unix:"+filepath.Join(dir, "s"))
	})
	conn := must(net.Dial("unix", out.Address("out")))(t).(*net.UnixConn)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err := io.WriteString(conn, "over sockets")
	check(t, err)
	check(t, conn.CloseWrite())
	if got, err := io.ReadAll(conn); string(got) != "over sockets" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestProxyProtocolTellsTheTargetWhoItIs(t *testing.T) {
	w := newTown()
	headers := make(chan *proxyproto.Header, 1)
	in := w.serverRoute(t, target(t, func(conn net.Conn) {
		l := proxyproto.NewConn(conn)
		headers <- l.ProxyHeader()
		io.Copy(l, l)
	}), webName)
	in.ProxyProtocol = ProxyProtocolV2
	s := start(t, Config{}, in)
	conn, err := w.peer(t, webName, s.Address("in"))
	check(t, err)
	if got, err := said(conn, "hello"); got != "hello" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	h := <-headers
	if h == nil || h.Version != 2 || h.SourceAddr.String() != conn.LocalAddr().String() || h.DestinationAddr.String() != conn.RemoteAddr().String() {
		t.Fatalf("header %+v", h)
	}
	secure, ok := tlvparse.FindSSL(must(h.TLVs())(t))
	if name, _ := secure.ClientCN(); !ok || name != webName || !secure.Verified() || !secure.ClientCertConn() {
		t.Errorf("TLV %+v", secure)
	}
}

func TestConnectionsBeyondTheLimitAreClosedAtOnce(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, target(t, echo), func(in, out *Route) { in.MaxConnections, out.MaxConnections = 2, 3 })
	var open []net.Conn
	for range 2 {
		conn := dial(t, out.Address("out"))
		if got, err := said(conn, "hello"); got != "hello" {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	if _, err := asked(t, out.Address("out"), "hello"); !isReset(err) {
		t.Errorf("the third: %v", err)
	}
	in.awaitLine(t, "limit")
	open[0].Close()
	await(t, "a place", func() bool {
		got, _ := asked(t, out.Address("out"), "hello")
		return got == "hello"
	})
}

func TestIdleConnectionsAreClosedWhereAsked(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, target(t, echo), func(in, out *Route) { in.IdleTimeout = config.Duration{Duration: 100 * time.Millisecond} })
	conn := dial(t, out.Address("out"))
	for range 4 { // together longer than the timeout
		if got, err := said(conn, "hello"); got != "hello" {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Millisecond)
	}
	if _, err := conn.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("the idle connection: %v", err)
	}
	in.awaitLine(t, "idle")
}

func TestConnectionsEndWithTheRightOfTheirPeer(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, target(t, echo), nil)
	conn := dial(t, out.Address("out"))
	if got, err := said(conn, "hello"); got != "hello" {
		t.Fatal(err)
	}
	w.revoke(webName)
	began := time.Now()
	if _, err := conn.Read(make([]byte, 1)); !isReset(err) || time.Since(began) > 3*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	in.awaitLine(t, "ended")
	if _, err := asked(t, out.Address("out"), "again"); err == nil {
		t.Error("a revoked peer came back")
	}
}

func TestGarbageIsRefusedOnEveryListener(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, target(t, echo), func(in, out *Route) { in.Protocol, out.Protocol = HTTP, HTTP })
	random := rand.NewChaCha8([32]byte{1})
	var wg sync.WaitGroup
	for i := range 40 {
		garbage := make([]byte, 1+i*37)
		random.Read(garbage)
		switch i % 4 {
		case 1:
			copy(garbage, "\x16\x03\x01\x02\x00\x01")
		case 2:
			copy(garbage, "GET / HTTP/1.1\r\nHost")
		case 3:
			copy(garbage, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		}
		for _, a := range []string{in.Address("in"), out.Address("out")} {
			conn := dial(t, a)
			wg.Go(func() {
				conn.Write(garbage)
				conn.CloseWrite()
				io.Copy(io.Discard, conn)
				conn.Close()
			})
		}
	}
	wg.Wait()
	conn, err := w.peer(t, webName, in.Address("in"), "http/1.1")
	check(t, err)
	conn.Close()
}

func TestOldTLSIsRefused(t *testing.T) {
	w := newTown()
	in := start(t, Config{}, w.serverRoute(t, target(t, echo), webName))
	config := must(idtls.ClientConfig(w.member(t, webName), idtls.Member(domainName)))(t)
	config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if err := tls.Client(dial(t, in.Address("in")), config).Handshake(); err == nil {
		t.Error("TLS 1.2 was spoken")
	}
	in.awaitLine(t, "handshake")
}
