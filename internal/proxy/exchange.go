package proxy

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// peerHeader is the header that carries the verified name of the peer.
type peerHeader struct {
	name   string // canonical
	folded string
}

func newPeerHeader(name string) peerHeader {
	return peerHeader{textproto.CanonicalMIMEHeaderKey(name), fold(name)}
}

// fold maps names of headers alike that a program behind may take for the same:
// many hand Milagro-Peer and milagro_peer on as MILAGRO_PEER.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '-'
	}, name)
}

// strip removes everything from h that may be taken for the header.
func (p peerHeader) strip(h http.Header) {
	for name := range h {
		if fold(strings.TrimPrefix(name, http.TrailerPrefix)) == p.folded {
			delete(h, name)
		}
	}
}

// exchange is one request and its answer. It is the writer of the answer.
type exchange struct {
	http.ResponseWriter
	web     *web
	began   time.Time
	session atomic.Pointer[session] // nil in a client's route until a connection is there
	status  int                     // 0 until the header is sent
	in, out atomic.Int64            // bytes of the answer's side and the request's, as the local side sees them
	err     error
}

// ServeHTTP passes one request on.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.port.wg.Add(1) // an upgraded connection outlives the server's own counting
	defer w.port.wg.Done()
	x := &exchange{ResponseWriter: rw, web: w, began: time.Now()}
	if s, ok := r.Context().Value(sessionKey{}).(*session); ok && s != nil {
		x.session.Store(s)
	}
	aborted := true
	defer func() { x.finish(r, aborted) }()
	if r.Method == http.MethodConnect {
		http.Error(x, "milagro proxy: there is one target, no tunnels", http.StatusMethodNotAllowed)
		aborted = false
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &countedBody{r.Body, x}
	}
	if w.route.Mode == Client {
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			x.session.Store(sessionOf(info.Conn))
		}}))
	}
	w.proxy.ServeHTTP(x, r)
	w.header.strip(x.Header()) // of trailers
	aborted = false
}

// rewrite makes the request for the target.
func (w *web) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host = "http", "target.invalid" // where it goes is up to the transport
	r.Out.Host = r.In.Host
	r.Out.Trailer = nil // trailers could carry what headers may not
	w.header.strip(r.Out.Header)
	if w.route.Mode == Client {
		r.Out.URL.Scheme = "https"
		for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			if v := r.In.Header[h]; v != nil {
				r.Out.Header[h] = v
			}
		}
		return
	}
	if v := r.In.Header["X-Forwarded-For"]; v != nil {
		r.Out.Header["X-Forwarded-For"] = v // the last one, which SetXForwarded adds, is what we saw
	}
	if _, _, err := net.SplitHostPort(r.In.RemoteAddr); err == nil {
		r.SetXForwarded()
	} else {
		r.Out.Header.Set("X-Forwarded-Proto", "https")
		r.Out.Header.Set("X-Forwarded-Host", r.In.Host)
	}
	if s, ok := r.In.Context().Value(sessionKey{}).(*session); ok && s != nil {
		r.Out.Header.Set(w.header.name, s.peer.Name.String())
	}
}

// WriteHeader sends the header of the answer. To a program in front of a client's
// route it says who answered.
func (x *exchange) WriteHeader(status int) {
	if status >= 200 && x.status == 0 {
		x.status = status
	}
	x.stamp()
	if s := x.session.Load(); s != nil && x.web.route.Mode == Server && status >= 200 && uint64(max(0, time.Now().Unix())) >= s.retire {
		x.Header().Set("Connection", "close") // HTTP/2 makes a GOAWAY of it
	}
	x.ResponseWriter.WriteHeader(status)
}

// stamp says who has answered, in a client's route.
func (x *exchange) stamp() {
	x.web.header.strip(x.Header())
	if s := x.session.Load(); s != nil && x.web.route.Mode == Client {
		x.Header().Set(x.web.header.name, s.peer.Name.String())
	}
}

// Write sends a part of the body.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.ResponseWriter.Write(b)
	x.answered(n)
	return n, err
}

// Unwrap lets http.ResponseController flush.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Hijack hands out the connection of an upgrade, counted.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	x.status = http.StatusSwitchingProtocols
	x.stamp()
	return &countedConn{conn, x}, buffered, nil
}

// asked counts bytes of the request, answered those of the answer.
func (x *exchange) asked(n int) {
	x.in.Add(int64(n))
	if s := x.session.Load(); s != nil {
		if x.web.route.Mode == Server {
			s.received(n)
		} else {
			s.sent(n)
		}
	}
}

func (x *exchange) answered(n int) {
	x.out.Add(int64(n))
	if s := x.session.Load(); s != nil {
		if x.web.route.Mode == Server {
			s.sent(n)
		} else {
			s.received(n)
		}
	}
}

// finish counts and logs the request.
func (x *exchange) finish(r *http.Request, aborted bool) {
	l := line{began: x.began, in: x.in.Load(), out: x.out.Load(), err: x.err, outcome: outcomeOf(x.err)}
	if x.web.route.Mode == Client {
		l.in, l.out = l.out, l.in
	}
	class := strconv.Itoa(x.status/100) + "xx"
	if aborted {
		class, l.outcome = "aborted", outcomeBroken
	}
	var stats *peerStats
	if s := x.session.Load(); s != nil {
		l.peer, stats = s.peer, s.stats
		if why := s.why.Load(); why != nil && l.outcome != outcomeClosed {
			l.outcome = *why
		}
	}
	x.web.route.stats.answered(stats, class, x.began)
	l.remote = textAddr(r.RemoteAddr)
	l.request = []slog.Attr{slog.String("method", r.Method), slog.String("host", r.Host), slog.String("path", r.URL.Path), slog.Int("status", x.status)}
	x.web.route.stats.line(l)
}

// textAddr is an address that is known as a text alone.
type textAddr string

// Network is that of net.Addr.
func (textAddr) Network() string { return "" }

// String is that of net.Addr.
func (a textAddr) String() string { return string(a) }

// countedBody counts the bytes of a request.
type countedBody struct {
	io.ReadCloser
	x *exchange
}

// Read reads a part of the body.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.x.asked(n)
	return n, err
}

// countedConn counts the bytes of a connection that left HTTP.
type countedConn struct {
	net.Conn
	x *exchange
}

// Read reads what the one who asked sends.
func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.x.asked(n)
	return n, err
}

// Write sends to the one who asked.
func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.x.answered(n)
	return n, err
}

// CloseWrite ends the bytes to the one who asked.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(halfConn); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}
