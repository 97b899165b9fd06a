package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// site is an HTTP program behind a proxy.
func site(t testing.TB, handler http.HandlerFunc) Address {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return address(t, strings.TrimPrefix(server.URL, "http://"))
}

func asWeb(in, out *Route) { in.Protocol, out.Protocol = HTTP, HTTP }

// browser returns a client that speaks plain HTTP of one version.
func browser(t testing.TB, version int) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	transport.Protocols.SetHTTP1(version == 1)
	transport.Protocols.SetUnencryptedHTTP2(version == 2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func get(t testing.TB, c *http.Client, url string) (status int, header http.Header, body string) {
	t.Helper()
	r, err := c.Get(url)
	check(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	check(t, err)
	return r.StatusCode, r.Header, string(b)
}

func TestRequestsPassWithTheVerifiedName(t *testing.T) {
	for _, upstream := range []Upstream{HTTP1, H2C} {
		for _, version := range []int{1, 2} {
			w := newTown()
			in, out := w.pair(t, site(t, func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set(defaultPeerHeader, "spiffe://example.org/forged")
				fmt.Fprintf(rw, "%s %s %s|%s|%s|%s", r.Method, r.Host, r.URL, r.Header.Get(defaultPeerHeader), r.Header.Get("X-Forwarded-Proto"), r.Proto)
			}), func(in, out *Route) { asWeb(in, out); in.Upstream = upstream })
			request := must(http.NewRequest(http.MethodGet, "http://"+out.Address("out")+"/v1/x?a=b", nil))(t)
			request.Host = "api.internal"
			answer := must(browser(t, version).Do(request))(t)
			body := must(io.ReadAll(answer.Body))(t)
			answer.Body.Close()
			proto := map[Upstream]string{HTTP1: "HTTP/1.1", H2C: "HTTP/2.0"}[upstream]
			if want := "GET api.internal /v1/x?a=b|" + webName + "|https|" + proto; string(body) != want {
				t.Errorf("%s, HTTP/%d: %q, want %q", upstream, version, body, want)
			}
			if got := answer.Header.Values(defaultPeerHeader); len(got) != 1 || got[0] != apiName {
				t.Errorf("the program is told that %q answered", got)
			}
			line := in.awaitLine(t, "closed")
			if line["peer"] != webName || line["status"] != 200.0 || line["path"] != "/v1/x" || line["msg"] != "request" {
				t.Errorf("line %v", line)
			}
			if line = out.awaitLine(t, "closed"); line["peer"] != apiName || line["from_peer"] != float64(len(body)) {
				t.Errorf("line %v", line)
			}
			if !strings.Contains(in.scrape(), `milagro_proxy_requests_total{peer="`+webName+`",result="answered",route="in"} 1`) {
				t.Error("the request is not counted")
			}
			in.stop()
			out.stop()
		}
	}
}

// No spelling of the header that comes from outside reaches the program.
func TestPeerHeadersFromOutsideAreStripped(t *testing.T) {
	w := newTown()
	seen := make(chan http.Header, 1)
	in := w.serverRoute(t, site(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		all := r.Header.Clone()
		for name, values := range r.Trailer {
			all["Trailer "+name] = values
		}
		seen <- all
	}), webName)
	in.Protocol = HTTP
	s := start(t, Config{}, in)
	const forged = "spiffe://example.org/admin"
	for _, k := range []string{
		"Milagro-Peer: " + forged,
		"milagro-peer: " + forged,
		"MILAGRO_PEER: " + forged,
		"Milagro_Peer: " + forged,
		"Milagro.Peer: " + forged,
		"milagro-PEER: " + forged + "\r\nMilagro-Peer: " + forged,
		"Connection: Milagro-Peer\r\nMilagro-Peer: " + forged,
		"Connection: close, milagro-peer",
		"Connection: Upgrade, Milagro-Peer\r\nUpgrade: x\r\nMilagro-Peer: " + forged,
		"Transfer-Encoding: chunked\r\nTrailer: Milagro-Peer\r\n\r\n1\r\nx\r\n0\r\nMilagro-Peer: " + forged,
		"X-Forwarded-For: " + forged + "\r\nForwarded: for=" + forged,
	} {
		conn, err := w.peer(t, webName, s.Address("in"))
		check(t, err)
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: api\r\n%s\r\n\r\n", k)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%q: %v", k, err)
			continue
		}
		answer.Body.Close()
		conn.Close()
		got := <-seen
		if values := got.Values(defaultPeerHeader); len(values) != 1 || values[0] != webName {
			t.Errorf("%q: the header is %q", k, values)
		}
		for name, values := range got {
			if name != defaultPeerHeader && name != "X-Forwarded-For" && strings.Contains(strings.Join(values, ""), forged) {
				t.Errorf("%q: %s: %q passed", k, name, values)
			}
		}
		if forwarded := got.Get("X-Forwarded-For"); !strings.HasSuffix(forwarded, "127.0.0.1") {
			t.Errorf("%q: X-Forwarded-For ends with %q", k, forwarded)
		}
	}
}

// Malformed requests are refused before they reach the target: two readers of one
// message must not find two different ones in it.
func TestSmuggledRequestsAreRefused(t *testing.T) {
	w := newTown()
	in := w.serverRoute(t, site(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("reached: %v", r.Header) }), webName)
	in.Protocol = HTTP
	s := start(t, Config{}, in)
	for _, k := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nMilagro-Peer : x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n Milagro-Peer: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
		"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", maxHeader) + "\r\n\r\n",
	} {
		conn, err := w.peer(t, webName, s.Address("in"))
		check(t, err)
		io.WriteString(conn, k)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%.60q: %v", k, err)
			continue
		}
		if answer.StatusCode < 400 || answer.StatusCode > 499 && answer.StatusCode != http.StatusNotImplemented {
			t.Errorf("%.60q: %s", k, answer.Status)
		}
		answer.Body.Close()
		conn.Close()
	}
}

func TestUpgradedConnectionsCarryBytesBothWays(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, site(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get(defaultPeerHeader) != webName {
			t.Errorf("header %v", r.Header)
		}
		conn, buffered, err := http.NewResponseController(rw).Hijack()
		check(t, err)
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(conn, buffered)
	}), asWeb)
	conn := dial(t, out.Address("out"))
	io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	reader := bufio.NewReader(conn)
	answer := must(http.ReadResponse(reader, nil))(t)
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get(defaultPeerHeader) != apiName {
		t.Fatalf("%s, %v", answer.Status, answer.Header)
	}
	for range 3 {
		io.WriteString(conn, "ping")
		got := make([]byte, 4)
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != "ping" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	conn.Close()
	if line := in.awaitLine(t, "closed"); line["from_peer"] != 12.0 || line["to_peer"] != 12.0 {
		t.Errorf("line %v", line)
	}
}

func TestAnswersStreamAndTrailersPass(t *testing.T) {
	for _, version := range []int{1, 2} {
		w := newTown()
		next := make(chan struct{})
		_, out := w.pair(t, site(t, func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Trailer", "Grpc-Status, Milagro-Peer")
			rw.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(rw, "one")
			http.NewResponseController(rw).Flush()
			<-next
			io.WriteString(rw, "two")
			rw.Header().Set("Grpc-Status", "0")
			rw.Header().Set("Milagro-Peer", "spiffe://example.org/forged")
		}), asWeb)
		answer := must(browser(t, version).Get("http://" + out.Address("out")))(t)
		first := make([]byte, 3)
		if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "one" {
			t.Fatalf("HTTP/%d: %q, %v: it was held back", version, first, err)
		}
		close(next)
		rest := must(io.ReadAll(answer.Body))(t)
		answer.Body.Close()
		if string(rest) != "two" || answer.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("HTTP/%d: %q, trailers %v", version, rest, answer.Trailer)
		}
		if forged := answer.Trailer.Get("Milagro-Peer"); forged != "" {
			t.Errorf("HTTP/%d: a trailer says %q", version, forged)
		}
	}
}

func TestGatewayErrorsSayWhoseFaultItIsAndNothingElse(t *testing.T) {
	w := newTown()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	nowhere := address(t, l.Addr().String())
	l.Close()
	good := site(t, func(http.ResponseWriter, *http.Request) {})
	for _, k := range []struct {
		to     Address
		change func(in, out *Route)
		status int
		text   string // one of several
	}{
		{nowhere, asWeb, 502, "nobody answers at the target"},
		{good, func(in, out *Route) { asWeb(in, out); out.To = patterns(t, dbName) }, 502, "who answers at the target is not who must be there"},
		{good, func(in, out *Route) { asWeb(in, out); in.Allow = patterns(t, dbName) }, 502, "the target does not welcome this side|the target ended the connection at once: does it welcome this side?"},
	} {
		_, out := w.pair(t, k.to, k.change)
		status, header, body := get(t, browser(t, 1), "http://"+out.Address("out")+"/secret-path")
		said := strings.TrimSuffix(strings.TrimPrefix(body, "milagro proxy: "), "\n")
		if status != k.status || !slices.Contains(strings.Split(k.text, "|"), said) || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
			t.Errorf("%d %q, want %d %q\n%s", status, body, k.status, k.text, out.access)
		}
	}
}

// A client's sidecar without HTTP and a server's with it, and the other way round:
// neither insists on ALPN.
func TestRoutesOfDifferentProtocolsUnderstandEachOther(t *testing.T) {
	w := newTown()
	to := site(t, func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, r.Header.Get(defaultPeerHeader)) })
	for _, k := range []struct {
		in, out Protocol
		want    string
	}{{HTTP, TCP, webName}, {TCP, HTTP, ""}} {
		_, out := w.pair(t, to, func(in, out *Route) { in.Protocol, out.Protocol = k.in, k.out })
		if status, _, body := get(t, browser(t, 1), "http://"+out.Address("out")); status != 200 || body != k.want {
			t.Errorf("%s behind %s: %d %q", k.in, k.out, status, body)
		}
	}
}

func TestALibrarysClientSpeaksHTTP2WithTheSidecar(t *testing.T) {
	w := newTown()
	in := w.serverRoute(t, site(t, func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, r.Header.Get("X-Who")) }), webName)
	in.Protocol, in.PeerHeader = HTTP, "X-Who"
	s := start(t, Config{}, in)
	transport := must(idtls.Transport(w.member(t, webName), idtls.Exactly(parseName(t, apiName))))(t)
	defer transport.CloseIdleConnections()
	answer := must((&http.Client{Transport: transport}).Get("https://" + s.Address("in")))(t)
	body := must(io.ReadAll(answer.Body))(t)
	answer.Body.Close()
	if answer.ProtoMajor != 2 || string(body) != webName {
		t.Errorf("%s: %q", answer.Proto, body)
	}
}

// R41: who sends its header or body slowly costs little and nobody else anything.
func TestSlowClientsCostLittle(t *testing.T) {
	w := newTown()
	in := w.serverRoute(t, site(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }), webName)
	in.Protocol = HTTP
	s := start(t, Config{}, in)
	const slow = 64
	config := must(idtls.ClientConfig(w.member(t, webName), idtls.Member(domainName)))(t)
	config.NextProtos = []string{"http/1.1"}
	connect := func() *tls.Conn {
		conn := tls.Client(dial(t, s.Address("in")), config)
		check(t, conn.Handshake())
		return conn
	}
	connect().Close()
	before := heap()
	for i := range slow {
		conn := connect()
		if i%2 == 0 {
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 8000))
		} else {
			io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"+strings.Repeat("x", 100_000))
		}
	}
	await(t, "all of them", func() bool {
		return strings.Contains(s.scrape(), fmt.Sprintf(`milagro_proxy_connections_open{peer=%q,route="in"} %d`, webName, slow))
	})
	// Both ends are in this process: half of this is the clients'.
	if each := (heap() - before) / slow; each > 1<<20 {
		t.Errorf("a slow client costs %d bytes", each)
	}
	conn := connect()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || answer.StatusCode != 200 {
		t.Errorf("a good client beside them: %v", err)
	}
}

// heap returns the bytes of objects that are alive.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func TestFoldTakesForTheSameWhatProgramsMay(t *testing.T) {
	h := newPeerHeader("Milagro-Peer")
	for name, same := range map[string]bool{"Milagro-Peer": true, "milagro_peer": true, "MILAGRO.PEER": true, "Milagropeer": false, "X-Milagro-Peer": false, "Milagro-Peer-Device": false} {
		header := http.Header{name: {"x"}, http.TrailerPrefix + name: {"x"}}
		h.strip(header)
		if stripped := len(header) == 0; stripped != same {
			t.Errorf("%s: stripped %t", name, stripped)
		}
	}
}

func TestConnectionsRetireWhenTheirEpochIsOver(t *testing.T) {
	e := identity.Epoch{Start: 86400, Length: 86400} // its skew is five minutes
	for at, want := range map[uint64]uint64{86400: e.End(), e.End() - 1: e.End(), e.End(): e.End() + 150, e.End() + 100: e.End() + 200, e.End() + 300: e.End()} {
		if got := retirement(e, time.Unix(int64(at), 0)); got != want {
			t.Errorf("at %d: %d, want %d", at, got, want)
		}
	}
	x := &exchange{ResponseWriter: httptest.NewRecorder(), web: &web{route: &route{Route: Route{Mode: Server}}}}
	x.session.Store(&session{retire: uint64(time.Now().Unix()) - 1})
	x.WriteHeader(200)
	if x.Header().Get("Connection") != "close" {
		t.Error("the connection goes on")
	}
}
