package idtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"
)

// shakeGRPC runs both ends of a handshake by gRPC's own code and returns what
// its server learns of the client.
func shakeGRPC(t *testing.T, client, server *tls.Config) (credentials.TLSInfo, error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() {
		raw, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return
		}
		defer raw.Close()
		if conn, _, err := credentials.NewTLS(client).ClientHandshake(ctx, "api.example", raw); err == nil {
			_, _ = conn.Read(make([]byte, 1))
		}
	}()
	raw, err := listener.Accept()
	check(t, err)
	defer raw.Close()
	_, info, err := credentials.NewTLS(server).ServerHandshake(raw)
	if err != nil {
		return credentials.TLSInfo{}, err
	}
	return info.(credentials.TLSInfo), nil
}

// TestGRPCBelievesTheUnverifiedName is why handlers ask PeerOf: gRPC's SPIFFEID
// is whatever stands in the certificate. Here a server asks for certificates and
// verifies none, as one does that forgets VerifyConnection.
func TestGRPCBelievesTheUnverifiedName(t *testing.T) {
	a := newAuthority("example.org")
	admin, err := url.Parse("spiffe://example.org/admin")
	check(t, err)
	forged, err := selfSign(&x509.Certificate{URIs: []*url.URL{admin}}, newKey(t))
	check(t, err)
	liar := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*forged}, NextProtos: []string{"h2"}}
	own, err := current(holder{a.member(t, "/api")}, unixNow())
	check(t, err)
	lax := &tls.Config{ClientAuth: tls.RequireAnyClientCert, Certificates: []tls.Certificate{*own}, NextProtos: []string{"h2"}}
	info, err := shakeGRPC(t, liar, lax)
	check(t, err)
	if info.SPIFFEID == nil || info.SPIFFEID.String() != admin.String() {
		t.Fatalf("the trap is gone, or the test does not show it: %v", info.SPIFFEID)
	}
	if peer, err := PeerOf(info.State); err == nil {
		t.Errorf("PeerOf believes it: %+v", peer)
	}
	if _, err := shakeGRPC(t, liar, serverConfig(t, a.member(t, "/api"), anyone, "h2")); failedCheck(err) != CheckExtension {
		t.Errorf("a server of this package: %v", err)
	}
}

// TestGRPCKnowsNoPerson: a person's name is no SPIFFE name, so SPIFFEID is empty.
func TestGRPCKnowsNoPerson(t *testing.T) {
	a := newAuthority("example.org")
	d := a.domain(t)
	ann := a.issue(t, d, parseName(t, "acct:ann@example.org"), d.Schedule.Current(unixNow()))
	info, err := shakeGRPC(t, clientConfig(t, ann, anyone, "h2"), serverConfig(t, a.member(t, "/api"), Exactly(ann.Name), "h2"))
	check(t, err)
	if peer, err := PeerOf(info.State); err != nil || peer.Name != ann.Name || info.SPIFFEID != nil {
		t.Errorf("%+v, %v, gRPC says %v", peer, err, info.SPIFFEID)
	}
}
