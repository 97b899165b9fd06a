package idtls

import (
	"crypto/tls"
	"slices"
	"testing"
)

// TestEachCheckAlone shows peers that would pass all checks but one, as client
// and as server, in full handshakes.
func TestEachCheckAlone(t *testing.T) {
	a := newAuthority("example.org")
	for _, x := range allTrials() {
		t.Run(string(x.check)+"/"+x.fault, func(t *testing.T) {
			for _, role := range []usage{asClient, asServer} {
				verifier, peer := x.configs(t, a, role)
				x.judge(t, role, meet(t, verifier, peer, role), false)
			}
		})
	}
}

// TestResumedHandshakesRunEveryCheck opens the door that the package keeps
// shut: tickets are switched on, the first handshake is with a twin of the
// verifier that checks nothing, and the verifier meets the peer on resumption.
func TestResumedHandshakesRunEveryCheck(t *testing.T) {
	a := newAuthority("example.org")
	for _, x := range allTrials() {
		t.Run(string(x.check)+"/"+x.fault, func(t *testing.T) {
			for _, role := range []usage{asClient, asServer} {
				verifier, peer := x.configs(t, a, role)
				allowTickets(verifier)
				allowTickets(peer)
				lax := verifier.Clone() // shares ticket keys and session cache
				lax.VerifyConnection, lax.NextProtos = nil, nil
				if first := meet(t, lax, peer, role); first.client != nil || first.server != nil {
					t.Fatalf("first handshake: client %v, server %v", first.client, first.server)
				}
				x.judge(t, role, meet(t, verifier, peer, role), !x.fullOnly)
			}
		})
	}
}

// configs returns a verifier and a peer that acts in role.
func (x trial) configs(t *testing.T, a authority, role usage) (verifier, peer *tls.Config) {
	t.Helper()
	own, other := a.member(t, "/verifier"), a.member(t, "/peer")
	leaf := forgery{credential: other}.leaf
	if x.leaf != nil {
		leaf = func(t testing.TB) *tls.Certificate { return x.leaf(t.(*testing.T), a, other, role) }
	}
	if x.verifier != nil {
		x.verifier(own.Domain)
	}
	authorize := x.authorize
	if authorize == nil {
		authorize = anyone
	}
	peer = &tls.Config{InsecureSkipVerify: true, ServerName: "peer.example", Certificates: []tls.Certificate{*leaf(t)}}
	if role == asClient {
		verifier = serverConfig(t, own, authorize, x.protocols...)
	} else {
		verifier = clientConfig(t, own, authorize, x.protocols...)
		peer.ClientAuth = tls.RequireAnyClientCert
	}
	for config, edit := range map[*tls.Config]func(*tls.Config){verifier: x.config, peer: x.peer} {
		if edit != nil {
			edit(config)
		}
	}
	return verifier, peer
}

// meeting is a handshake seen from the verifier.
type meeting struct {
	outcome
	own, others error
	resumed     bool
}

func meet(t *testing.T, verifier, peer *tls.Config, role usage) meeting {
	t.Helper()
	var m meeting
	watched := verifier.Clone()
	if verify := verifier.VerifyConnection; verify != nil {
		watched.VerifyConnection = func(s tls.ConnectionState) error {
			m.resumed = s.DidResume
			return verify(s)
		}
	}
	if role == asClient {
		m.outcome = connect(t, peer, watched)
		m.own, m.others = m.server, m.client
	} else {
		m.outcome = connect(t, watched, peer)
		m.own, m.others = m.client, m.server
	}
	return m
}

func (x trial) judge(t *testing.T, role usage, m meeting, resumed bool) {
	t.Helper()
	if m.resumed != resumed {
		t.Errorf("peer as %v: resumed is %v, not %v", role, m.resumed, resumed)
	}
	if x.check == "" {
		if m.own != nil || m.others != nil {
			t.Errorf("peer as %v: good peer refused: %v, %v", role, m.own, m.others)
		}
		return
	}
	if failedCheck(m.own) != x.check {
		t.Errorf("peer as %v: verifier says %v, not that %q failed", role, m.own, x.check)
	}
	if m.others == nil || m.others.Error() != "remote error: tls: bad certificate" {
		t.Errorf("peer as %v: it sees %v, not the alert alone", role, m.others)
	}
}

func allowTickets(c *tls.Config) {
	c.SessionTicketsDisabled = false
	c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	c.SetSessionTicketKeys([][32]byte{{1}})
}

// TestEveryCheckHasItsTrial keeps the table whole.
func TestEveryCheckHasItsTrial(t *testing.T) {
	for _, c := range []Check{
		CheckVersion, CheckCertificate, CheckKey, CheckExtension, CheckBinding, CheckSuite, CheckProfile, CheckName,
		CheckDomain, CheckEpoch, CheckTime, CheckUsage, CheckRevocation, CheckALPN, CheckSignature, CheckAuthorizer,
	} {
		if !slices.ContainsFunc(allTrials(), func(x trial) bool { return x.check == c }) {
			t.Errorf("no trial for check %q", c)
		}
	}
}

// TestEveryByteOfTheBindingCounts flips two bits of every byte in turn; the
// leaf around the binding is always one that fits what it says.
func TestEveryByteOfTheBindingCounts(t *testing.T) {
	a := newAuthority("example.org")
	server := serverConfig(t, a.member(t, "/verifier"), anyone)
	peer := a.member(t, "/peer")
	key := newKey(t)
	good := bindingOf(t, forgery{credential: peer, key: key}.leaf(t))
	for i := range good {
		for _, flip := range []byte{1, 0x80} {
			bad := slices.Clone(good)
			bad[i] ^= flip
			f := forgery{credential: peer, key: key, content: func([]byte) []byte { return bad }}
			if b, err := parseBinding(bad); err == nil {
				f.binding = func(says *binding) { *says = *b }
			}
			client := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*f.leaf(t)}}
			if out := connect(t, client, server); failedCheck(out.server) == "" {
				t.Fatalf("byte %d xor %#x: server says %v", i, flip, out.server)
			}
		}
	}
}

// TestTwoBindingsAreRefused needs no handshake: crypto/x509 already refuses a
// certificate with an extension twice.
func TestTwoBindingsAreRefused(t *testing.T) {
	a := newAuthority("example.org")
	own := a.member(t, "/verifier")
	v := &verifier{source: holder{own}, authorize: anyone, role: asClient}
	state := stateOf(forgery{credential: a.member(t, "/peer")}.leaf(t))
	check(t, v.verify(state))
	leaf := state.PeerCertificates[0]
	leaf.Extensions = append(leaf.Extensions, leaf.Extensions[len(leaf.Extensions)-1])
	if err := v.verify(state); failedCheck(err) != CheckExtension {
		t.Fatalf("two bindings: %v", err)
	}
}
