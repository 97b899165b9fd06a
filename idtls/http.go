package idtls

import (
	"errors"
	"net/http"
	"time"
)

const (
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 90 * time.Second
	maxHeader        = 16 << 10
)

func httpProtocols() []string { return []string{"h2", "http/1.1"} }

// Transport returns an HTTP transport over identity TLS, with HTTP/2. The host
// of a URL says where to connect, the Authorizer who must be there. A URL
// without https is an error: nothing leaves in clear.
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
func Server(handler http.Handler, source Source, authorize Authorizer) (*http.Server, error) {
	config, err := ServerConfig(source, authorize, httpProtocols()...)
	if err != nil {
		return nil, err
	}
	return &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: handshakeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
	}, nil
}
