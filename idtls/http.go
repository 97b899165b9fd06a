package idtls

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"milagro.dev/identity"
)

const (
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 90 * time.Second
	maxHeader        = 16 << 10
)

func httpProtocols() []string { return []string{"h2", "http/1.1"} }

// Transport returns an HTTP transport over identity TLS, with HTTP/2. The host
// of a URL says where to connect, the Authorizer who must be there. A URL
// without https is an error: nothing leaves in clear. Connections are watched
// (see Watch), except those through a proxy: they last until idle. DialContext, if it is
// set, makes the connections below; DialTLSContext must stay as it is.
func Transport(source Source, authorize Authorizer) (*http.Transport, error) {
	config, err := ClientConfig(source, authorize, httpProtocols()...)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   handshakeTimeout,
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dial := t.DialContext
		if dial == nil {
			dial = new(net.Dialer).DialContext
		}
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, t.TLSHandshakeTimeout)
		defer cancel()
		return join(ctx, raw, hostConfig(t.TLSClientConfig, address), source)
	}
	t.RegisterProtocol("http", plain{})
	return t, nil
}

// plain is the round tripper of URLs without https.
type plain struct{}

func (plain) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // RoundTrip must close it; nothing was read
	}
	return nil, errors.New("identity TLS needs a URL that begins with https://")
}

// Server returns an HTTP server over identity TLS, with HTTP/2: begin it with
// ServeTLS(listener, "", "") or, once Addr is set, ListenAndServeTLS("", "").
// Handlers learn who asks by PeerOf(*r.TLS). It has timeouts for headers and
// idle connections and a limit of 16 KiB for headers; bodies are the handler's.
//
// Connections are watched from their first request on (see Watch). When the
// client's epoch has ended, or the own one, answers ask the client to make a new
// connection, and it has the skew's time to do so: no request is lost unless it
// takes longer. Handler and ConnContext must stay as they are.
func Server(handler http.Handler, source Source, authorize Authorizer) (*http.Server, error) {
	config, err := ServerConfig(source, authorize, httpProtocols()...)
	if err != nil {
		return nil, err
	}
	if handler == nil {
		handler = http.DefaultServeMux
	}
	return &http.Server{
		Handler:           &usher{handler: handler, source: source},
		ConnContext:       func(ctx context.Context, conn net.Conn) context.Context { return withVisit(ctx, conn, source) },
		TLSConfig:         config,
		ReadHeaderTimeout: handshakeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
	}, nil
}

// visit is a connection to a Server.
type visit struct {
	conn net.Conn
	own  identity.Epoch // that of the own credential before the handshake; zero if there was none

	once   sync.Once // sets all below
	err    error
	retire uint64 // the unix second from which on answers end the connection
}

type visitKey struct{}

// withVisit notes the own epoch before the handshake: no later one was shown.
func withVisit(ctx context.Context, conn net.Conn, source Source) context.Context {
	v := &visit{conn: conn}
	if c, err := credential(source); err == nil {
		v.own = c.Epoch
	}
	return context.WithValue(ctx, visitKey{}, v)
}

func (v *visit) begin(state tls.ConnectionState, source Source) {
	if _, v.err = Watch(v.conn, state, source); v.err != nil {
		return
	}
	peer, _ := PeerOf(state) // Watch has asked the same
	now := unixNow()
	v.retire = retirement(peer.Epoch, now)
	if !v.own.IsZero() {
		v.retire = min(v.retire, retirement(v.own, now))
	}
}

// usher watches the connection of each request and shows it out in time.
type usher struct {
	handler http.Handler
	source  Source
}

func (u *usher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, ok := r.Context().Value(visitKey{}).(*visit)
	if !ok || r.TLS == nil {
		http.Error(w, "this server speaks identity TLS only", http.StatusForbidden)
		return
	}
	v.once.Do(func() { v.begin(*r.TLS, u.source) })
	if v.err != nil || unixNow() >= v.retire {
		w.Header().Set("Connection", "close") // HTTP/2 makes a GOAWAY of it
	}
	if v.err != nil {
		http.Error(w, "the server cannot watch this connection", http.StatusServiceUnavailable)
		return
	}
	u.handler.ServeHTTP(w, r)
}
