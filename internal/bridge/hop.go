package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"milagro.dev/identity"
)

// grace is how long the sidecar's end of the hop still takes an SVID that has
// ended: a program's next one is on its way when an epoch turns. The identity key
// of the name must hold at that time.
const grace = 5 * time.Second

// ServerTLS returns a config for the sidecar as the server of a program: it shows
// an SVID of name and accepts a program that shows one of welcome, both of this
// bridge. A program without a certificate is refused. All names must be the
// bridge's. The config may be cloned; NextProtos may be set.
func (b *Bridge) ServerTLS(name identity.Name, welcome ...identity.Name) (*tls.Config, error) {
	h, err := b.hop(name, welcome)
	if err != nil {
		return nil, err
	}
	config := h.config()
	config.ClientAuth = tls.RequireAnyClientCert
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return h.show() }
	return config, nil
}

// ClientTLS returns a config for the sidecar as the client of a program, as
// ServerTLS does for the other direction.
func (b *Bridge) ClientTLS(name identity.Name, welcome ...identity.Name) (*tls.Config, error) {
	h, err := b.hop(name, welcome)
	if err != nil {
		return nil, err
	}
	config := h.config()
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return h.show() }
	return config, nil
}

// hop is the sidecar's end of connections with programs.
type hop struct {
	bridge  *Bridge
	name    identity.Name
	welcome []identity.Name

	mu       sync.Mutex // of all below
	shown    *tls.Certificate
	editions []uint64 // when shown was made
}

func (b *Bridge) hop(name identity.Name, welcome []identity.Name) (*hop, error) {
	if len(welcome) == 0 {
		return nil, errors.New("the hop needs to know which programs are welcome")
	}
	for _, n := range append([]identity.Name{name}, welcome...) {
		if b.names[n] == nil {
			return nil, fmt.Errorf("the bridge has no key of %q, and so no certificates", n)
		}
	}
	return &hop{bridge: b, name: name, welcome: slices.Clone(welcome)}, nil
}

// config is what both directions share.
func (h *hop) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, // what only speaks X.509 may be old
		// Turns off host names and the system's roots. VerifyConnection decides,
		// which is called on resumption too.
		InsecureSkipVerify:     true,
		VerifyConnection:       h.verify,
		SessionTicketsDisabled: true,
	}
}

// show returns the SVID of the sidecar's end, the same until it is to be
// replaced. An error says that the identity key of the name does not hold.
func (h *hop) show() (*tls.Certificate, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.bridge.look(); err != nil {
		return nil, err
	}
	names := []identity.Name{h.name}
	if now, _ := h.bridge.editions(names); slices.Equal(now, h.editions) {
		return h.shown, nil
	}
	a, err := h.bridge.answer(names)
	if err != nil {
		return nil, err
	}
	own := a.svids[0]
	h.shown = &tls.Certificate{Certificate: [][]byte{own.certificate.Raw}, PrivateKey: own.key, Leaf: own.certificate}
	h.editions = a.editions
	return h.shown, nil
}

// verify accepts the SVID of a welcome name, of this bridge, while the identity
// key behind that name holds.
func (h *hop) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("program refused: it shows no certificate")
	}
	leaf := state.PeerCertificates[0]
	now := h.bridge.clock()
	if over := now.Sub(leaf.NotAfter); over > 0 && over <= grace {
		now = leaf.NotAfter
	}
	// Software that has the bundle may send the authority along with its leaf.
	id, _, err := x509svid.Verify(state.PeerCertificates, roots{h.bridge}, x509svid.WithTime(now))
	if err != nil {
		return fmt.Errorf("program refused: %w", err)
	}
	i := slices.IndexFunc(h.welcome, func(n identity.Name) bool { return n.String() == id.String() })
	if i < 0 {
		return fmt.Errorf("program refused: %v is not welcome here", id)
	}
	return h.bridge.holdsNow(h.welcome[i])
}

// holdsNow returns nil iff the identity key of a name of the bridge holds now.
func (b *Bridge) holdsNow(name identity.Name) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.lookLocked(b.clock()); err != nil {
		return err
	}
	return b.names[name].err
}

// roots is the bridge's bundles for go-spiffe.
type roots struct{ bridge *Bridge }

// GetX509BundleForTrustDomain is x509bundle.Source.
func (r roots) GetX509BundleForTrustDomain(domain spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	r.bridge.mu.Lock()
	defer r.bridge.mu.Unlock()
	a := r.bridge.authorities[domain.Name()]
	if a == nil {
		return nil, fmt.Errorf("no authority for %v here", domain)
	}
	var certificates []*x509.Certificate
	for _, i := range a.issuers {
		certificates = append(certificates, i.certificate)
	}
	return x509bundle.FromX509Authorities(domain, certificates), nil
}
