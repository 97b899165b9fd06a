package idtls

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// TestQUICConnectionWithoutAPeerHasNone takes a connection out of quic-go's
// early listener, which hands it to a handler before its handshake is complete.
func TestQUICConnectionWithoutAPeerHasNone(t *testing.T) {
	a := newAuthority("example.org")
	web, api := a.member(t, "/web"), a.member(t, "/api")
	listener, err := quic.ListenAddrEarly("127.0.0.1:0", serverConfig(t, api, anyone, "test"), &quic.Config{Allow0RTT: true})
	check(t, err)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	// The client's certificate waits until the server's handler has looked.
	looked := make(chan struct{})
	config := clientConfig(t, web, anyone, "test")
	show := config.GetClientCertificate
	config.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		<-looked
		return show(r)
	}
	dialed := make(chan error, 1)
	go func() {
		conn, err := quic.DialAddr(ctx, listener.Addr().String(), config, nil)
		if err == nil {
			<-ctx.Done()
			err = conn.CloseWithError(0, "")
		}
		dialed <- err
	}()
	conn, err := listener.Accept(ctx)
	check(t, err)
	if peer, err := PeerOf(conn.ConnectionState().TLS); err == nil {
		t.Errorf("a handshake under way has the peer %+v", peer)
	}
	if _, err := Watch(stuck{}, conn.ConnectionState().TLS, holder{api}); err == nil {
		t.Error("it is watched")
	}
	close(looked)
	select {
	case <-conn.HandshakeComplete():
	case <-ctx.Done():
		t.Fatal("no handshake")
	}
	if peer, err := PeerOf(conn.ConnectionState().TLS); err != nil || peer.Name != web.Name {
		t.Errorf("after the handshake: %+v, %v", peer, err)
	}
	check(t, conn.CloseWithError(0, ""))
	cancel()
	check(t, <-dialed)
}

// TestQUICNeverTakesEarlyData comes back twice to a server that allows 0-RTT,
// as a client that is eager for it: nothing is sent before the handshake.
func TestQUICNeverTakesEarlyData(t *testing.T) {
	a := newAuthority("example.org")
	listener, err := quic.ListenAddrEarly("127.0.0.1:0", serverConfig(t, a.member(t, "/api"), anyone, "test"), &quic.Config{Allow0RTT: true})
	check(t, err)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() {
		for {
			conn, err := listener.Accept(ctx)
			if err != nil {
				return
			}
			<-conn.HandshakeComplete() // a ticket would be on its way before the answer
			if stream, err := conn.AcceptStream(ctx); err == nil {
				_ = stream.Close()
			}
		}
	}()
	config := clientConfig(t, a.member(t, "/web"), anyone, "test")
	config.SessionTicketsDisabled, config.ClientSessionCache = false, tls.NewLRUClientSessionCache(8)
	for range 3 {
		conn, err := quic.DialAddrEarly(ctx, listener.Addr().String(), config, nil)
		check(t, err)
		stream, err := conn.OpenStreamSync(ctx)
		check(t, err)
		check(t, stream.Close())
		if _, err := io.ReadAll(stream); err != nil {
			t.Error(err)
		}
		if state := conn.ConnectionState(); state.Used0RTT || state.TLS.DidResume || !state.TLS.HandshakeComplete {
			t.Errorf("0-RTT %v, resumed %v, complete %v", state.Used0RTT, state.TLS.DidResume, state.TLS.HandshakeComplete)
		}
		check(t, conn.CloseWithError(0, ""))
	}
}

// TestQUICRefusesAsTLSDoes: the checks run there too, for either end.
func TestQUICRefusesAsTLSDoes(t *testing.T) {
	a := newAuthority("example.org")
	web, api := a.member(t, "/web"), a.member(t, "/api")
	for fault, x := range map[string]struct{ client, server Authorizer }{
		"client": {anyone, Exactly(api.Name)}, "server": {Exactly(web.Name), anyone},
	} {
		listener, err := quic.ListenAddr("127.0.0.1:0", serverConfig(t, api, x.server, "test"), nil)
		check(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		conn, err := quic.DialAddr(ctx, listener.Addr().String(), clientConfig(t, web, x.client, "test"), nil)
		if err == nil { // TLS 1.3: the client is done first
			_, err = conn.AcceptUniStream(ctx)
		}
		refusal, ok := errors.AsType[*quic.TransportError](err)
		if !ok || !refusal.ErrorCode.IsCryptoError() || refusal.ErrorCode != 0x100+42 {
			t.Errorf("%s is not welcome: %v", fault, err)
		}
		cancel()
		check(t, listener.Close())
	}
}
