package idtls

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// specimen is a bad certificate, or a good one in a bad handshake.
type specimen struct {
	class, fault string
	check        Check // the one that refuses it
	// says is what this end's error must say where crypto/tls or crypto/x509 itself
	// refuses; then check is empty, and the specimen is tried in a handshake only.
	says string
	// leaf is what the peer shows; nil for none.
	leaf *tls.Certificate
	// state changes what a handshake would leave, peer the peer's config.
	state func(*tls.ConnectionState)
	peer  func(*tls.Config)
	// needs are the verifier's protocols, role that in which the peer comes if not
	// as a client.
	needs []string
	role  usage
}

// gallery collects specimens.
type gallery struct {
	t     *testing.T
	a     authority
	good  *Credential // of the peer
	class string
	all   []specimen
}

func (g *gallery) add(s specimen) {
	s.class = g.class
	if s.role == 0 {
		s.role = asClient
	}
	g.all = append(g.all, s)
}

// forge adds a leaf that the good peer makes by hand.
func (g *gallery) forge(check Check, fault string, f forgery) {
	if f.credential == nil {
		f.credential = g.good
	}
	g.add(specimen{fault: fault, check: check, leaf: f.leaf(g.t)})
}

// issue adds a good leaf for a key of the domain's master that should not be.
func (g *gallery) issue(check Check, fault string, edit func(*Credential)) {
	c := &Credential{Name: g.good.Name, Device: g.good.Device, Epoch: g.good.Epoch, Domain: g.a.domain(g.t)}
	edit(c)
	g.a.rekey(g.t, c)
	g.forge(check, fault, forgery{credential: c})
}

func (g *gallery) edit(check Check, fault string, edit func(*x509.Certificate)) {
	g.forge(check, fault, forgery{template: edit})
}

func (g *gallery) bind(check Check, fault string, edit func(*binding)) {
	g.forge(check, fault, forgery{binding: edit})
}

func (g *gallery) content(check Check, fault string, edit func([]byte) []byte) {
	g.forge(check, fault, forgery{content: edit})
}

// classes are the kinds of bad certificates that must be refused.
func classes() []struct {
	name string
	hang func(*gallery)
} {
	return []struct {
		name string
		hang func(*gallery)
	}{
		{"foreign domain", hangForeign},
		{"same name under another master", hangOtherMasters},
		{"old epoch", hangOldEpochs},
		{"future epoch", hangFutureEpochs},
		{"expired binding", hangExpired},
		{"binding not yet valid", hangEarly},
		{"wrong usage", hangUsages},
		{"SAN mismatch", hangNames},
		{"extra SAN", hangExtraNames},
		{"extra subject or issuer", hangSubjects},
		{"another profile", hangProfiles},
		{"path traversal and other names that are none", hangMalformedNames},
		{"copied certificate", hangCopies},
		{"extension on another key", hangStolen},
		{"identity element and other points that are none", hangPoints},
		{"trailing and missing bytes", hangTrailing},
		{"two extensions, none, or another", hangExtensions},
		{"another version or suite", hangVersions},
		{"another kind of key", hangKeys},
		{"older TLS", hangOldTLS},
		{"no ALPN", hangProtocols},
		{"no client certificate, or several", hangCounts},
	}
}

// TestTwoHundredBadCertificates shows a verifier more than two hundred peers that
// differ from a good one in one thing each.
func TestTwoHundredBadCertificates(t *testing.T) {
	g := &gallery{t: t, a: newAuthority("example.org")}
	g.good = g.a.member(t, "/peer")
	own := g.a.member(t, "/verifier")
	secrets := []string{hex.EncodeToString(own.Key.Secret().Expose()), hex.EncodeToString(g.good.Key.Secret().Expose())}
	total := 0
	for _, class := range classes() {
		g.class, g.all = class.name, nil
		class.hang(g)
		seen := map[string]bool{}
		for i, s := range g.all {
			if seen[s.fault] {
				t.Errorf("%s: %s: twice", s.class, s.fault)
			}
			seen[s.fault] = true
			if s.says == "" {
				s.judge(t, s.verify(own), secrets)
			}
			if s.says != "" || i < 2 {
				s.shake(t, own, secrets)
			}
		}
		t.Logf("%3d refused: %s", len(g.all), class.name)
		total += len(g.all)
	}
	t.Logf("%3d refused", total)
	if total < 200 {
		t.Errorf("%d bad certificates, not 200", total)
	}
}

// verify is a handshake but for TLS: the checks alone.
func (s specimen) verify(own *Credential) error {
	v := &verifier{source: holder{own}, authorize: anyone, role: s.role, protocols: s.needs}
	state := tls.ConnectionState{Version: tls.VersionTLS13}
	if s.leaf != nil {
		state = stateOf(s.leaf)
	}
	if s.state != nil {
		s.state(&state)
	}
	return v.verify(state)
}

// shake is a whole handshake.
func (s specimen) shake(t *testing.T, own *Credential, secrets []string) {
	t.Helper()
	peer := &tls.Config{InsecureSkipVerify: true, ServerName: "peer.example"}
	if s.leaf != nil {
		peer.Certificates = []tls.Certificate{*s.leaf}
	}
	if s.peer != nil {
		s.peer(peer)
	} else if s.state != nil {
		return // a state that no peer can bring about
	}
	var m outcome
	var err, others error
	if s.role == asClient {
		m = connect(t, peer, serverConfig(t, own, anyone, s.needs...))
		err, others = m.server, m.client
	} else {
		peer.ClientAuth = tls.RequireAnyClientCert
		m = connect(t, clientConfig(t, own, anyone, s.needs...), peer)
		err, others = m.client, m.server
	}
	s.judge(t, err, secrets)
	if err != nil && strings.HasPrefix(err.Error(), "remote error: ") {
		return // a server that does not know TLS 1.3 refuses us first
	}
	if others == nil || !strings.HasPrefix(others.Error(), "remote error: tls: ") {
		t.Errorf("%s: %s: the peer sees %v, not an alert alone", s.class, s.fault, others)
	}
	if s.says == "" && others != nil && others.Error() != "remote error: tls: bad certificate" {
		t.Errorf("%s: %s: the peer learns more than that it is refused: %v", s.class, s.fault, others)
	}
}

// judge holds err against what an operator needs: one line that names the check,
// or what TLS has refused, and nothing secret.
func (s specimen) judge(t *testing.T, err error, secrets []string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: %s: accepted", s.class, s.fault)
		return
	}
	text := err.Error()
	if s.says != "" && !strings.Contains(text, s.says) {
		t.Errorf("%s: %s: %v, where %q belongs", s.class, s.fault, err, s.says)
	}
	if s.says == "" {
		_, reason, ok := strings.Cut(text, fmt.Sprintf(" refused: %s: ", s.check))
		if failedCheck(err) != s.check || !ok || len(reason) < 10 || !strings.HasPrefix(text, "peer ") {
			t.Errorf("%s: %s: %v, where check %s belongs", s.class, s.fault, err, s.check)
		}
	}
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.ContainsFunc(text, unprintable) || len(text) > 16<<10 {
		t.Errorf("%s: %s: %q is no line of a log", s.class, s.fault, text)
	}
	if slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(text, secret) }) {
		t.Errorf("%s: %s: a secret in %v", s.class, s.fault, err)
	}
}
