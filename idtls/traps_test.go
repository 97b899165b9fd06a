package idtls

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"milagro.dev/identity"
)

// Each test here is a trap of crypto/tls that the package walks around, or one
// that it would fall into if a line of newConfig were lost.

func TestConfigDemandsAnAuthorizerAndASource(t *testing.T) {
	source := holder{newAuthority("example.org").member(t, "/web")}
	for name, err := range map[string]error{
		"client without authorizer": second(ClientConfig(source, nil)),
		"server without authorizer": second(ServerConfig(source, nil)),
		"client without source":     second(ClientConfig(nil, anyone)),
		"server without source":     second(ServerConfig(nil, anyone)),
		"dial":                      second(Dial(t.Context(), "tcp", "127.0.0.1:1", source, nil)),
		"listen":                    second(Listen("tcp", "127.0.0.1:0", source, nil)),
		"transport":                 second(Transport(source, nil)),
		"http server":               second(Server(nil, source, nil)),
	} {
		if err == nil || !strings.Contains(err.Error(), "identity TLS needs a") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestCopiedCertificateIsRefused shows a leaf whose key the peer does not hold.
// Every check passes; CertificateVerify does not, and nothing has changed.
func TestCopiedCertificateIsRefused(t *testing.T) {
	a := newAuthority("example.org")
	own := a.member(t, "/verifier")
	own.Domain.Watermark = identity.NewWatermark(identity.Epoch{})
	copied := *forgery{credential: a.member(t, "/peer")}.leaf(t)
	copied.PrivateKey = newKey(t)
	thief := &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{copied}, ClientAuth: tls.RequireAnyClientCert,
	}
	asked := 0
	watch := func(Peer) error { asked++; return nil }
	if out := connect(t, thief, serverConfig(t, own, watch)); out.server == nil ||
		!strings.Contains(out.server.Error(), "invalid signature by the client certificate") {
		t.Errorf("thief as client: %v", out.server)
	}
	raised := own.Domain.Watermark.Highest()
	if out := connect(t, clientConfig(t, own, watch), thief); out.client == nil ||
		!strings.Contains(out.client.Error(), "invalid signature by the server certificate") {
		t.Errorf("thief as server: %v", out.client)
	}
	if asked != 2 {
		t.Errorf("%d of 2 handshakes passed all checks: the test shows nothing", asked)
	}
	if raised != own.Epoch || own.Domain.Watermark.Highest() != own.Epoch {
		t.Errorf("highest epoch is %v after a thief's visit", own.Domain.Watermark.Highest())
	}
}

// TestPeersNeverRaiseTheWatermark lets a verifier of this epoch meet a peer of
// the next one, inside the skew.
func TestPeersNeverRaiseTheWatermark(t *testing.T) {
	a := newAuthority("example.org")
	d := a.domain(t)
	d.Schedule.Length = 100 // skew is 100 s: the next epoch is always accepted
	d.Watermark = identity.NewWatermark(identity.Epoch{})
	epoch := d.Schedule.Current(unixNow())
	own := a.issue(t, d, parseName(t, "spiffe://example.org/verifier"), epoch)
	early := a.issue(t, d, parseName(t, "spiffe://example.org/peer"), epoch.Next())
	peer := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*forgery{credential: early}.leaf(t)}}
	if out := connect(t, peer, serverConfig(t, own, anyone)); out.server != nil {
		t.Fatal(out.server)
	}
	if got := d.Watermark.Highest(); got != epoch {
		t.Fatalf("highest epoch is %v, not the verifier's own %v", got, epoch)
	}
}

func TestNoClientCertificateIsRefused(t *testing.T) {
	a := newAuthority("example.org")
	server := serverConfig(t, a.member(t, "/api"), anyone)
	nobody := &tls.Config{InsecureSkipVerify: true}
	if out := connect(t, nobody, server); out.server == nil || out.client == nil {
		t.Errorf("server %v, client %v", out.server, out.client)
	}
	asking := server.Clone()
	asking.ClientAuth = tls.RequestClientCert
	if out := connect(t, nobody, asking); failedCheck(out.server) != CheckCertificate {
		t.Errorf("a server that only asks: %v", out.server)
	}
}

// TestOrdinaryServerIsRefused: a server with a certificate for its host name.
func TestOrdinaryServerIsRefused(t *testing.T) {
	a := newAuthority("example.org")
	plain, err := selfSign(&x509.Certificate{DNSNames: []string{"peer.example"}}, newKey(t))
	check(t, err)
	out := connect(t, clientConfig(t, a.member(t, "/web"), anyone), &tls.Config{Certificates: []tls.Certificate{*plain}})
	if failedCheck(out.client) != CheckExtension {
		t.Fatal(out.client)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	a := newAuthority("example.org")
	old := &tls.Config{
		MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true,
		Certificates: []tls.Certificate{*forgery{credential: a.member(t, "/peer")}.leaf(t)},
	}
	if out := connect(t, old, serverConfig(t, a.member(t, "/api"), anyone)); out.server == nil || out.client == nil {
		t.Error("a server accepted TLS 1.2")
	}
	if out := connect(t, clientConfig(t, a.member(t, "/web"), anyone), old); out.server == nil || out.client == nil {
		t.Error("a client accepted TLS 1.2")
	}
}

// TestNoTicketIsIssuedOrOffered connects twice with an eager cache at the client.
func TestNoTicketIsIssuedOrOffered(t *testing.T) {
	a := newAuthority("example.org")
	client, server := clientConfig(t, a.member(t, "/web"), anyone), serverConfig(t, a.member(t, "/api"), anyone)
	eager := client.Clone()
	eager.SessionTicketsDisabled, eager.ClientSessionCache = false, tls.NewLRUClientSessionCache(8)
	generous := server.Clone()
	generous.SessionTicketsDisabled = false
	for name, pair := range map[string][2]*tls.Config{
		"our server, eager client": {eager, server}, "our client, generous server": {client, generous},
	} {
		for range 2 {
			out := connect(t, pair[0], pair[1])
			if out.client != nil || out.server != nil || out.serverState.DidResume {
				t.Errorf("%s: resumed %v, client %v, server %v", name, out.serverState.DidResume, out.client, out.server)
			}
		}
	}
}

// TestVerifyPeerCertificateWouldMissResumption is why the checks hang on
// VerifyConnection.
func TestVerifyPeerCertificateWouldMissResumption(t *testing.T) {
	a := newAuthority("example.org")
	client, server := clientConfig(t, a.member(t, "/web"), anyone), serverConfig(t, a.member(t, "/api"), anyone)
	if server.VerifyPeerCertificate != nil || client.VerifyPeerCertificate != nil {
		t.Fatal("checks hang on VerifyPeerCertificate")
	}
	allowTickets(client)
	allowTickets(server)
	byCertificate, byConnection := 0, 0
	verify := server.VerifyConnection
	server.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { byCertificate++; return nil }
	server.VerifyConnection = func(s tls.ConnectionState) error { byConnection++; return verify(s) }
	for range 2 {
		out := connect(t, client, server)
		check(t, out.client)
		check(t, out.server)
	}
	if byCertificate != 1 || byConnection != 2 {
		t.Fatalf("VerifyPeerCertificate ran %d times, VerifyConnection %d times", byCertificate, byConnection)
	}
}

// TestTicketOfACloneDoesNotPassItsAuthorizer: clones share ticket keys, so a
// ticket of the door that is open to all is tried at the one that is not.
func TestTicketOfACloneDoesNotPassItsAuthorizer(t *testing.T) {
	a := newAuthority("example.org")
	api := a.member(t, "/api")
	client, open := clientConfig(t, a.member(t, "/web"), anyone), serverConfig(t, api, anyone)
	client.ClientSessionCache, client.SessionTicketsDisabled = tls.NewLRUClientSessionCache(8), false
	open.SessionTicketsDisabled = false
	check(t, connect(t, client, open).server)
	strict := open.Clone() // now that the ticket keys are made
	strict.VerifyConnection = serverConfig(t, api, Exactly(parseName(t, "spiffe://example.org/admin"))).VerifyConnection
	if out := connect(t, client, strict); !out.serverState.DidResume || failedCheck(out.server) != CheckAuthorizer {
		t.Fatalf("resumed %v: %v", out.serverState.DidResume, out.server)
	}
}

// TestLeafIsShownWithoutServerName: a static certificate would be shown instead
// of GetCertificate's when the client sends no server name.
func TestLeafIsShownWithoutServerName(t *testing.T) {
	a := newAuthority("example.org")
	client, server := clientConfig(t, a.member(t, "/web"), anyone), serverConfig(t, a.member(t, "/api"), anyone)
	client.ServerName = ""
	if len(server.Certificates) != 0 || len(client.Certificates) != 0 {
		t.Fatal("a static certificate")
	}
	check(t, connect(t, client, server).client)

	stale := a.member(t, "/api")
	stale.Epoch.Start -= 3 * day
	a.rekey(t, stale)
	server.Certificates = []tls.Certificate{*forgery{credential: stale}.leaf(t)}
	if out := connect(t, client, server); failedCheck(out.client) != CheckEpoch {
		t.Fatalf("the trap is gone, or the test does not show it: %v", out.client)
	}
}

func TestKeyAgreementIsHybrid(t *testing.T) {
	a := newAuthority("example.org")
	out := connect(t, clientConfig(t, a.member(t, "/web"), anyone), serverConfig(t, a.member(t, "/api"), anyone))
	check(t, out.client)
	if out.clientState.CurveID != tls.X25519MLKEM768 || out.clientState.Version != tls.VersionTLS13 {
		t.Fatalf("%v with %v", tls.VersionName(out.clientState.Version), out.clientState.CurveID)
	}
}
