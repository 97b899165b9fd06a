package idtls

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
)

// ClientConfig returns a config for the client's end: it shows the source's
// leaf and accepts a server that passes every check of spec/idtls.md. With
// protocols, one of them must be agreed by ALPN. The Authorizer is mandatory.
//
// The config may be cloned, and fields that do not concern certificates may be
// set; VerifyConnection must stay as it is.
func ClientConfig(source Source, authorize Authorizer, protocols ...string) (*tls.Config, error) {
	config, err := newConfig(source, authorize, asServer, protocols)
	if err != nil {
		return nil, err
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return current(source, unixNow())
	}
	return config, nil
}

// ServerConfig returns a config for the server's end, as ClientConfig does for
// the client's. A client without a certificate is refused.
func ServerConfig(source Source, authorize Authorizer, protocols ...string) (*tls.Config, error) {
	config, err := newConfig(source, authorize, asClient, protocols)
	if err != nil {
		return nil, err
	}
	config.ClientAuth = tls.RequireAnyClientCert
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return current(source, unixNow())
	}
	return config, nil
}

// newConfig returns what both ends share; peer is the role of the other one.
func newConfig(source Source, authorize Authorizer, peer usage, protocols []string) (*tls.Config, error) {
	if source == nil {
		return nil, errors.New("identity TLS needs a source of credentials")
	}
	if authorize == nil {
		return nil, errors.New("identity TLS needs an authorizer: say which peers are welcome")
	}
	v := &verifier{source: source, authorize: authorize, role: peer, protocols: slices.Clone(protocols)}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: slices.Clone(protocols),
		// Turns off the chains and host names of X.509 and nothing else: crypto/tls
		// still makes the peer prove that it holds the leaf's key, and
		// VerifyConnection decides whose leaf it is. VerifyPeerCertificate would not
		// do, being skipped on resumption.
		InsecureSkipVerify: true,
		VerifyConnection:   v.verify,
		// A ticket would carry an old verification past the end of an epoch, and
		// clones of a config accept each other's tickets.
		SessionTicketsDisabled: true,
		// Certificates stays empty: crypto/tls prefers it to GetCertificate when the
		// client sends no server name, and it would outlive its epoch.
	}, nil
}

// Dial connects to address and completes the handshake within ctx. The name
// that must be at the other end is the Authorizer's affair; the host in address
// is only where to find it. A server that refuses this client says so after the
// handshake (TLS 1.3 lets the client finish first): the first Read returns it.
// The connection is watched (see Watch).
func Dial(ctx context.Context, network, address string, source Source, authorize Authorizer) (*tls.Conn, error) {
	config, err := ClientConfig(source, authorize)
	if err != nil {
		return nil, err
	}
	raw, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return join(ctx, raw, hostConfig(config, address), source)
}

// hostConfig returns a copy of config that tells the server the host of
// address, for those that share a port among several.
func hostConfig(config *tls.Config, address string) *tls.Config {
	config = config.Clone()
	if host, _, err := net.SplitHostPort(address); err == nil && config.ServerName == "" {
		config.ServerName = host
	}
	return config
}

// join runs the client's handshake over raw, which it closes on error, and
// watches the connection.
func join(ctx context.Context, raw net.Conn, config *tls.Config, source Source) (*tls.Conn, error) {
	conn := tls.Client(raw, config)
	err := conn.HandshakeContext(ctx)
	if err == nil {
		_, err = Watch(conn, conn.ConnectionState(), source)
	}
	if err != nil {
		_ = raw.Close() // the first error is the one to tell
		return nil, err
	}
	return conn, nil
}

// Listen listens on address. Accept returns a *tls.Conn whose handshake runs
// with its first Read or Write, or with HandshakeContext; from then on it is
// watched (see Watch).
func Listen(network, address string, source Source, authorize Authorizer) (net.Listener, error) {
	config, err := ServerConfig(source, authorize)
	if err != nil {
		return nil, err
	}
	inner, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: inner, config: config, verifier: &verifier{source: source, authorize: authorize, role: asClient}}, nil
}

type listener struct {
	net.Listener
	config   *tls.Config
	verifier *verifier
}

// Accept waits for a connection. Nobody tells when its handshake is complete,
// so it is watched from the verification in it on: if the peer then does not
// prove that it holds its leaf's key, the watch ends with the connection.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	config := l.config.Clone()
	config.VerifyConnection = func(state tls.ConnectionState) error {
		c, err := l.verifier.admit(state)
		if err == nil {
			c.domain.watch(raw, c.binding.peer())
		}
		return err
	}
	return tls.Server(raw, config), nil
}
