package idtls

import (
	"crypto/tls"
	"strings"
	"sync/atomic"
	"testing"

	"milagro.dev/identity"
)

func patterns(t testing.TB, texts ...string) []identity.Pattern {
	t.Helper()
	all := make([]identity.Pattern, len(texts))
	for i, text := range texts {
		p, err := identity.ParsePattern(text)
		check(t, err)
		all[i] = p
	}
	return all
}

// abroad is a verifier of example.org that federates with partner.example, and
// a peer from there. Its fields are what a trial changes.
type abroad struct {
	own     *Credential
	home    authority
	foreign []Foreign
	partner authority
	peer    *Credential
}

func newAbroad(t *testing.T) *abroad {
	x := &abroad{home: newAuthority("example.org"), partner: newAuthority("partner.example")}
	x.own = x.home.member(t, "/verifier")
	x.peer = x.partner.member(t, "/billing/eu")
	x.foreign = []Foreign{{Domain: x.partner.domain(t), Names: patterns(t, "spiffe://partner.example/billing/*")}}
	return x
}

func (x *abroad) source() Source {
	return Federate(holder{x.own}, func() []Foreign { return x.foreign })
}

// meet returns what the verifier says of the peer, in both roles.
func (x *abroad) meet(t *testing.T) (asClients, asServers error) {
	t.Helper()
	leaf := *forgery{credential: x.peer}.leaf(t)
	peer := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{leaf}, ClientAuth: tls.RequireAnyClientCert}
	server, err := ServerConfig(x.source(), anyone)
	check(t, err)
	client, err := ClientConfig(x.source(), anyone)
	check(t, err)
	return connect(t, peer, server).server, connect(t, client, peer).client
}

// TestFederatedPeerPassesTheChecksOfItsOwnDomain changes one thing in turn.
func TestFederatedPeerPassesTheChecksOfItsOwnDomain(t *testing.T) {
	for fault, trial := range map[string]struct {
		check Check
		edit  func(*abroad)
	}{
		"nothing":             {"", func(*abroad) {}},
		"a peer from home":    {"", func(x *abroad) { x.peer = x.home.member(t, "/any/name") }},
		"revoked at home":     {"", func(x *abroad) { x.own.Domain.Revoked = func(Peer) bool { return true } }},
		"suites of home":      {"", func(x *abroad) { x.own.Domain.Suites = nil }},
		"an empty entry more": {"", func(x *abroad) { x.foreign = append([]Foreign{{}}, x.foreign...) }},
		"listed behind another": {"", func(x *abroad) {
			x.foreign = append([]Foreign{{Domain: newAuthority("other.example").domain(t)}}, x.foreign...)
		}},
		"not listed":            {CheckDomain, func(x *abroad) { x.foreign = nil }},
		"may vouch for nobody":  {CheckDomain, func(x *abroad) { x.foreign[0].Names = nil }},
		"may vouch for another": {CheckDomain, func(x *abroad) { x.foreign[0].Names = patterns(t, "spiffe://partner.example/billing") }},
		"a name of home from abroad": {CheckDomain, func(x *abroad) {
			x.peer.Name = parseName(t, "spiffe://example.org/admin")
			x.partner.rekey(t, x.peer)
			x.foreign[0].Names = patterns(t, "spiffe://example.org/*", "spiffe://partner.example/**")
		}},
		"another master under the name": {CheckDomain, func(x *abroad) {
			x.peer = newAuthority("partner.example").member(t, "/billing/eu")
		}},
		"two of one name": {CheckDomain, func(x *abroad) {
			x.foreign = append(x.foreign, Foreign{Domain: newAuthority("partner.example").domain(t)})
		}},
		"named as home": {CheckDomain, func(x *abroad) {
			twin := newAuthority("example.org")
			x.peer = twin.member(t, "/admin")
			x.foreign[0] = Foreign{Domain: twin.domain(t), Names: patterns(t, "spiffe://example.org/**")}
		}},
		"a domain that contradicts itself": {CheckDomain, func(x *abroad) {
			x.foreign[0].Domain.Name = "partner.example.com"
		}},
		"suites of the partner": {CheckSuite, func(x *abroad) { x.foreign[0].Domain.Suites = nil }},
		"epochs of the partner": {CheckEpoch, func(x *abroad) { x.foreign[0].Domain.Schedule.Length = day / 2 }},
		"highest epoch of the partner": {CheckEpoch, func(x *abroad) {
			x.foreign[0].Domain.Watermark = identity.NewWatermark(identity.EpochAt(unixNow()+3*day, day))
		}},
		"revoked by the partner": {CheckRevocation, func(x *abroad) {
			x.foreign[0].Domain.Revoked = func(p Peer) bool { return p.Name == x.peer.Name }
		}},
		"signed with the master of home": {CheckSignature, func(x *abroad) { x.home.rekey(t, x.peer) }},
	} {
		x := newAbroad(t)
		trial.edit(x)
		client, server := x.meet(t)
		if failedCheck(client) != trial.check || failedCheck(server) != trial.check ||
			trial.check == "" && (client != nil || server != nil) {
			t.Errorf("%s: as client %v, as server %v", fault, client, server)
		}
	}
}

// TestForeignDomainsAreNotAskedForHome: a source's own peers pay nothing.
func TestForeignDomainsAreNotAskedForHome(t *testing.T) {
	home := newAuthority("example.org")
	source := Federate(holder{home.member(t, "/api")}, func() []Foreign { t.Error("asked"); return nil })
	server, err := ServerConfig(source, anyone)
	check(t, err)
	check(t, connect(t, clientConfig(t, home.member(t, "/web"), anyone), server).server)
}

// TestFederationFollowsItsList: foreign is asked in every handshake.
func TestFederationFollowsItsList(t *testing.T) {
	x := newAbroad(t)
	var list atomic.Pointer[[]Foreign]
	list.Store(new([]Foreign))
	server, err := ServerConfig(Federate(holder{x.own}, func() []Foreign { return *list.Load() }), anyone)
	check(t, err)
	peer := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*forgery{credential: x.peer}.leaf(t)}}
	if out := connect(t, peer, server); failedCheck(out.server) != CheckDomain {
		t.Errorf("before it is listed: %v", out.server)
	}
	list.Store(&x.foreign)
	out := connect(t, peer, server)
	check(t, out.server)
	if who, err := PeerOf(out.serverState); err != nil || who.Domain != x.peer.Domain.ID || who.Name != x.peer.Name {
		t.Errorf("%+v, %v", who, err)
	}
	list.Store(new([]Foreign))
	if out := connect(t, peer, server); failedCheck(out.server) != CheckDomain {
		t.Errorf("after it was struck off: %v", out.server)
	}
}

func TestFederationWithoutAnOwnSourceIsAnError(t *testing.T) {
	server, err := ServerConfig(Federate(nil, nil), anyone)
	check(t, err)
	out := connect(t, clientConfig(t, newAuthority("example.org").member(t, "/web"), anyone), server)
	if out.server == nil || !strings.Contains(out.server.Error(), "own source") {
		t.Error(out.server)
	}
}
