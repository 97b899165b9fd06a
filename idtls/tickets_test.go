package idtls

import (
	"crypto/tls"
	"testing"

	"milagro.dev/identity"
)

// replaced is a Source whose device was stolen and got a successor.
type replaced struct {
	now, next *Credential
}

func (r *replaced) Credential() (*Credential, error) { return r.now, nil }

// reenrol takes the successor into use.
func (r *replaced) reenrol() { r.now = r.next }

// replacement returns a source, and a verifier's credential that revokes the device of
// the source's first one when it is told to.
func replacement(t *testing.T) (source *replaced, verifier *Credential, revoke func()) {
	t.Helper()
	a := newAuthority("example.org")
	old, young := a.member(t, "/peer"), a.member(t, "/peer")
	young.Device = identity.DeviceHash{9}
	a.rekey(t, young)
	verifier = a.member(t, "/verifier")
	revoked := false
	verifier.Domain.Revoked = func(p Peer) bool { return revoked && p.Device == old.Device }
	return &replaced{now: old, next: young}, verifier, func() { revoked = true }
}

// lax has no checks of its own, so that those of the other end are seen alone.
func lax(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.VerifyConnection = nil
	return config
}

// TestRefusedResumptionStrandsTheClient shows the trap: with tickets of crypto/tls
// as they are, a client whose stolen device was replaced shows its ticket, and
// with it the old leaf, again and again. With tickets off it is welcome.
func TestRefusedResumptionStrandsTheClient(t *testing.T) {
	source, verifier, revoke := replacement(t)
	client, err := ClientConfig(source, anyone)
	check(t, err)
	client.ServerName = "peer.example"
	allowTickets(client)
	strict := serverConfig(t, verifier, anyone)
	server := strict.Clone()
	allowTickets(server)
	check(t, connect(t, client, server).server)
	source.reenrol()
	revoke()
	for i := range 3 {
		out := connect(t, client, server)
		if !out.clientState.DidResume || failedCheck(out.server) != CheckRevocation || out.client == nil {
			t.Fatalf("visit %d: the trap is gone, or the test does not show it: resumed %v, server %v, client %v", i, out.clientState.DidResume, out.server, out.client)
		}
	}
	if out := connect(t, client, strict); out.clientState.DidResume || out.client != nil || out.server != nil {
		t.Errorf("with tickets off: resumed %v, server %v, client %v", out.clientState.DidResume, out.server, out.client)
	}
}

// TestDeclinedTicketBecomesAFullHandshake: what resumable adds to tickets.
func TestDeclinedTicketBecomesAFullHandshake(t *testing.T) {
	source, verifier, revoke := replacement(t)
	client, err := ClientConfig(source, anyone)
	check(t, err)
	client.ServerName = "peer.example"
	client, server := resumable(client), resumable(serverConfig(t, verifier, anyone))
	visit := func(resumed bool) {
		t.Helper()
		out := connect(t, client, server)
		if out.clientState.DidResume != resumed || out.serverState.DidResume != resumed || out.client != nil || out.server != nil {
			t.Fatalf("resumed %v, server %v, client %v", out.clientState.DidResume, out.server, out.client)
		}
		peer, err := PeerOf(out.serverState)
		check(t, err)
		if peer.Device != source.now.Device {
			t.Errorf("resumed %v: peer has device %v", resumed, peer.Device)
		}
	}
	visit(false)
	visit(true)
	source.reenrol()
	revoke()
	visit(false) // the leaf in the ticket is that of the stolen device
	visit(true)
}

// TestClientForgetsATicketThatItRefused: the server's leaf in the session is of
// the stolen device, the client's checks say so, and the next handshake is full.
func TestClientForgetsATicketThatItRefused(t *testing.T) {
	source, verifier, revoke := replacement(t)
	client := clientConfig(t, verifier, anyone)
	allowTickets(client)
	server, err := ServerConfig(source, anyone)
	check(t, err)
	server = lax(server)
	allowTickets(server)
	check(t, connect(t, client, server).client)
	source.reenrol()
	revoke()
	if out := connect(t, client, server); !out.clientState.DidResume || failedCheck(out.client) != CheckRevocation {
		t.Fatalf("resumed %v, client %v", out.clientState.DidResume, out.client)
	}
	if out := connect(t, client, server); out.clientState.DidResume || out.client != nil || out.server != nil {
		t.Fatalf("resumed %v, client %v, server %v", out.clientState.DidResume, out.client, out.server)
	}
}

// TestTicketWithoutALeafIsDeclined: one that was made before, or elsewhere.
func TestTicketWithoutALeafIsDeclined(t *testing.T) {
	a := newAuthority("example.org")
	client, server := clientConfig(t, a.member(t, "/web"), anyone), serverConfig(t, a.member(t, "/api"), anyone)
	client = resumable(client)
	allowTickets(server)
	check(t, connect(t, client, server).client)
	strict := resumable(server)
	if out := connect(t, client, strict); out.clientState.DidResume || out.client != nil || out.server != nil {
		t.Fatalf("resumed %v, client %v, server %v", out.clientState.DidResume, out.client, out.server)
	}
}

// TestRevokedPeerDoesNotResume: the ticket is declined, and the full handshake
// refused.
func TestRevokedPeerDoesNotResume(t *testing.T) {
	a := newAuthority("example.org")
	own := a.member(t, "/api")
	revoked := false
	own.Domain.Revoked = func(p Peer) bool { return revoked && p.Device == identity.DeviceHash{1, 2, 3} }
	client, server := resumable(clientConfig(t, a.member(t, "/web"), anyone)), resumable(serverConfig(t, own, anyone))
	check(t, connect(t, client, server).server)
	if out := connect(t, client, server); !out.serverState.DidResume || out.server != nil {
		t.Fatalf("resumed %v: %v", out.serverState.DidResume, out.server)
	}
	revoked = true
	if out := connect(t, client, server); out.serverState.DidResume || failedCheck(out.server) != CheckRevocation {
		t.Fatalf("resumed %v: %v", out.serverState.DidResume, out.server)
	}
}
