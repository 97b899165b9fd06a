package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

const (
	// maxHeader bounds the header of a request and of an answer, in bytes.
	maxHeader = 16 << 10
	// headerSlack is what net/http reads beyond its bound before it refuses.
	headerSlack = 4 << 10
	// maxStreams bounds the requests at once of an HTTP/2 connection, streamWindow and
	// connWindow the bytes that it may send ahead of who reads them.
	maxStreams   = 100
	streamWindow = 128 << 10
	connWindow   = 512 << 10

	headerTimeout  = 10 * time.Second
	idleWebTimeout = 90 * time.Second
	// spareTimeout is how long an unused connection to a target is kept: less than
	// most servers keep one.
	spareTimeout = 30 * time.Second
	maxSpare     = 64
)

// web is what a route of protocol http has beside the others: a server behind the
// connections, and a way to the target.
type web struct {
	route  *route
	port   *port
	header peerHeader
	queue  *queue
	server *http.Server
	proxy  *httputil.ReverseProxy
	start  sync.Once
	// to is the way to the target, upgrade the way for requests that leave HTTP.
	to, upgrade *http.Transport
}

func newWeb(r *route, p *Proxy) *web {
	w := &web{route: r, header: newPeerHeader(r.PeerHeader), queue: newQueue(r.Listen)}
	errorLog := slog.NewLogLogger(p.log.With("route", r.Name).Handler(), slog.LevelWarn)
	if r.Mode == Server {
		w.to = w.localTransport()
		w.upgrade = w.to
		if r.Upstream == H2C {
			w.to.Protocols = new(http.Protocols)
			w.to.Protocols.SetUnencryptedHTTP2(true)
		}
	} else {
		w.to, w.upgrade = w.peerTransport(webProtocols()...), w.peerTransport("http/1.1")
	}
	w.proxy = &httputil.ReverseProxy{Rewrite: w.rewrite, Transport: w, ErrorHandler: w.fail,
		ModifyResponse: func(r *http.Response) error { w.header.strip(r.Header); return nil }, ErrorLog: errorLog, BufferPool: p.buffers}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(r.Mode == Client)
	w.server = &http.Server{
		Handler: w, Protocols: &protocols, ErrorLog: errorLog, HTTP2: limits(),
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleWebTimeout, MaxHeaderBytes: maxHeader - headerSlack,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, sessionKey{}, sessionOf(conn))
		},
	}
	return w
}

func limits() *http.HTTP2Config {
	return &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: connWindow,
		SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
}

func webProtocols() []string { return []string{"h2", "http/1.1"} }

type sessionKey struct{}

// localTransport is the way to the program of a server's route.
func (w *web) localTransport() *http.Transport {
	t := w.transport()
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return w.route.dialLocal(ctx) }
	return t
}

// peerTransport is the way to the peers of a client's route. It does not insist on
// ALPN: a target behind a route of protocol tcp agrees on none and speaks HTTP/1.1.
func (w *web) peerTransport(protocols ...string) *http.Transport {
	config := w.route.tls.Clone()
	config.NextProtos = protocols
	t := w.transport()
	t.ForceAttemptHTTP2 = true
	t.DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		s, err := w.route.dial(ctx, w.port, config)
		if err != nil {
			w.route.stats.refused(outcomeOf(err), err)
			return nil, err
		}
		return s.conn, nil
	}
	return t
}

func (w *web) transport() *http.Transport {
	return &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: maxSpare, IdleConnTimeout: spareTimeout,
		ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: 4 * maxHeader, HTTP2: limits(),
	}
}

// RoundTrip sends a request the way that it can go.
func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Upgrade") != "" {
		return w.upgrade.RoundTrip(r)
	}
	return w.to.RoundTrip(r)
}

// serve hands a connection to the HTTP server.
func (w *web) serve(conn net.Conn) {
	w.start.Do(func() {
		w.port.wg.Go(func() { _ = w.server.Serve(w.queue) }) // it ends with the queue
	})
	if !w.queue.put(conn) {
		conn.Close()
	}
}

// retire lets requests go on for at most drain, then ends their connections.
func (w *web) retire(drain time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.server.Close()
	}
	w.queue.Close()
	w.to.CloseIdleConnections()
	w.upgrade.CloseIdleConnections()
}

// queue is a listener of connections that others have accepted.
type queue struct {
	address net.Addr
	conns   chan net.Conn
	over    chan struct{}
	once    sync.Once
}

func newQueue(a Address) *queue {
	return &queue{address: queueAddr(a), conns: make(chan net.Conn), over: make(chan struct{})}
}

// put returns false if nobody takes the connection any longer.
func (q *queue) put(conn net.Conn) bool {
	select {
	case q.conns <- conn:
		return true
	case <-q.over:
		return false
	}
}

// Accept waits for a connection.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.over:
		return nil, net.ErrClosed
	}
}

// Close ends the queue.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.over) })
	return nil
}

// Addr is where the connections were accepted.
func (q *queue) Addr() net.Addr { return q.address }

// queueAddr is an Address as a net.Addr.
type queueAddr Address

// Network is that of net.Addr.
func (a queueAddr) Network() string { return Address(a).Network() }

// String is that of net.Addr.
func (a queueAddr) String() string { return Address(a).String() }

// Get borrows a buffer for the body of an answer.
func (b *buffers) Get() []byte { return b.record.Get().(*[fullRecord]byte)[:] }

// Put gives it back.
func (b *buffers) Put(buffer []byte) { b.record.Put((*[fullRecord]byte)(buffer)) }

// fail answers a request that got no answer. The text says whose fault it is and
// nothing about the inside; the log has the error.
func (w *web) fail(rw http.ResponseWriter, r *http.Request, err error) {
	if x, ok := rw.(*exchange); ok {
		x.err = err
	}
	status, text := http.StatusBadGateway, "the target broke off"
	switch how := outcomeOf(err); {
	case r.Context().Err() != nil:
		text = "the request was given up"
	case errors.Is(err, context.DeadlineExceeded):
		status, text = http.StatusGatewayTimeout, "the target did not answer in time"
	case how == outcomeUnreachable:
		text = "nobody answers at the target"
	case how == outcomeRefused:
		text = "who answers at the target is not who must be there"
	case how == outcomeDeclined:
		text = "the target does not welcome this side"
	case strings.Contains(err.Error(), "client conn could not be established"):
		// HTTP/2 does not say why the first connection ended before its first frame.
		text = "the target ended the connection at once: does it welcome this side?"
	case how == outcomeKey:
		status, text = http.StatusServiceUnavailable, "this side has no key"
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, "milagro proxy: "+text+"\n") // who does not read it does not need it
}
