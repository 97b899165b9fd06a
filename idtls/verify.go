package idtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"milagro.dev/identity"
)

// verifier is what one end demands of its peers.
type verifier struct {
	source    Source
	authorize Authorizer
	role      usage // that of the peer
	protocols []string
}

// connection is a peer under verification: the connection, and what each check
// leaves for those after it.
type connection struct {
	*verifier
	state   *tls.ConnectionState
	own     *Domain
	domain  *Domain // the peer's, from checkSuite on; nil if it is unknown
	realm   realm
	now     uint64
	leaf    *x509.Certificate
	content []byte
	binding *binding
}

type step struct {
	check Check
	run   func(*connection) error
}

// verify is every check there is, in the order of spec/idtls.md "Checks". It is
// called as tls.Config.VerifyConnection and nowhere else. crypto/tls calls that
// in every handshake, resumed ones too, but before the peer has proved that it
// holds the leaf's key: so nothing here may change anything, except to remember
// that a signature is good, which is true whoever shows it.
func (v *verifier) verify(state tls.ConnectionState) error {
	_, err := v.admit(state)
	return err
}

// admit is verify and returns what it found out.
func (v *verifier) admit(state tls.ConnectionState) (*connection, error) {
	own, err := credential(v.source)
	if err != nil {
		return nil, err
	}
	c := &connection{verifier: v, state: &state, own: own.Domain, now: unixNow()}
	return c, c.run([]step{
		{CheckVersion, (*connection).checkVersion},
		{CheckCertificate, (*connection).checkCertificate},
		{CheckKey, (*connection).checkKey},
		{CheckExtension, (*connection).checkExtension},
		{CheckBinding, (*connection).checkBinding},
		{CheckSuite, (*connection).checkSuite},
		{CheckProfile, (*connection).checkProfile},
		{CheckName, (*connection).checkName},
		{CheckDomain, (*connection).checkDomain},
		{CheckEpoch, (*connection).checkEpoch},
		{CheckTime, (*connection).checkTime},
		{CheckUsage, (*connection).checkUsage},
		{CheckRevocation, (*connection).checkRevocation},
		{CheckALPN, (*connection).checkALPN},
		{CheckSignature, (*connection).checkSignature},
		{CheckAuthorizer, (*connection).checkAuthorizer},
	})
}

// PeerOf returns who is at the other end of a connection made with a config of
// this package, after its handshake: what the leaf says that passed every check
// and whose key the peer has proved to hold. It verifies no signature again, so
// never ask it about a connection that another config accepted. An error wraps
// a *VerifyError, or says that the handshake is not complete.
func PeerOf(state tls.ConnectionState) (Peer, error) {
	if !state.HandshakeComplete {
		return Peer{}, errors.New("no peer is known before the handshake is complete")
	}
	c := &connection{state: &state}
	err := c.run([]step{
		{CheckVersion, (*connection).checkVersion},
		{CheckCertificate, (*connection).checkCertificate},
		{CheckKey, (*connection).checkKey},
		{CheckExtension, (*connection).checkExtension},
		{CheckBinding, (*connection).checkBinding},
		{CheckProfile, (*connection).checkProfile},
		{CheckName, (*connection).checkName},
	})
	if err != nil {
		return Peer{}, err
	}
	return c.binding.peer(), nil
}

func (c *connection) run(steps []step) error {
	for _, s := range steps {
		err := s.run(c)
		if err == nil {
			continue
		}
		refusal := &VerifyError{Check: s.check, Err: err}
		if c.binding != nil {
			refusal.Claimed = c.binding.peer()
		}
		return refusal
	}
	return nil
}

func (c *connection) checkVersion() error {
	if c.state.Version != tls.VersionTLS13 {
		return fmt.Errorf("%s, not TLS 1.3", tls.VersionName(c.state.Version))
	}
	return nil
}

func (c *connection) checkCertificate() error {
	if n := len(c.state.PeerCertificates); n != 1 {
		return fmt.Errorf("%d certificates, not 1", n)
	}
	c.leaf = c.state.PeerCertificates[0]
	return nil
}

func (c *connection) checkKey() error {
	key, ok := c.leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || len(c.leaf.RawSubjectPublicKeyInfo) != identity.SPKISize {
		return errors.New("the leaf's key is not an uncompressed P-256 key")
	}
	return nil
}

func (c *connection) checkExtension() error {
	found := 0
	for _, e := range c.leaf.Extensions {
		if !e.Id.Equal(oid()) {
			continue
		}
		if e.Critical {
			return errors.New("the extension with the binding is marked critical")
		}
		c.content = e.Value
		found++
	}
	if found != 1 {
		return fmt.Errorf("%d extensions with a binding, not 1: is this a peer of identity TLS?", found)
	}
	return nil
}

func (c *connection) checkBinding() (err error) {
	c.binding, err = parseBinding(c.content)
	return err
}

// checkSuite asks the document of the peer's domain. If that is unknown, no
// document says anything and checkDomain refuses the peer.
func (c *connection) checkSuite() error {
	c.realm = realmOf(c.source, c.own, c.binding.domain)
	c.domain = c.realm.domain
	if s := c.binding.suite; s != SuiteIdentityKey || c.domain != nil && !slices.Contains(c.domain.Suites, s) {
		return fmt.Errorf("suite %d is unknown or not allowed by the domain document", s)
	}
	return nil
}

func (c *connection) checkProfile() error { return checkProfile(c.leaf, c.binding) }

func (c *connection) checkName() error { return checkName(c.leaf, c.binding.name) }

func (c *connection) checkDomain() error {
	if c.domain == nil {
		return fmt.Errorf("domain %v is not the pinned %v, nor one federated with it", c.binding.domain, c.own.ID)
	}
	return c.realm.vouches(c.binding.name)
}

func (c *connection) checkEpoch() error { return c.domain.accepts(c.binding.epoch, c.now) }

// accepts returns nil iff a peer with a key of epoch e is accepted now.
func (d *Domain) accepts(e identity.Epoch, now uint64) error {
	if err := d.Schedule.Accepts(e, now); err != nil {
		return fmt.Errorf("%w: the peer must renew, or a clock is wrong", err)
	}
	if d.Watermark == nil {
		return nil
	}
	return d.Watermark.Admit(e)
}

func (c *connection) checkTime() error {
	b, skew := c.binding, c.binding.epoch.Skew()
	if c.now+skew < b.notBefore {
		return fmt.Errorf("the binding begins in %d s", b.notBefore-c.now)
	}
	if c.now > b.notAfter+skew {
		return fmt.Errorf("the binding ended %d s ago", c.now-b.notAfter)
	}
	return nil
}

func (c *connection) checkUsage() error {
	if c.binding.usage&c.role == 0 {
		return fmt.Errorf("the binding is for %v and the peer acts as %v", c.binding.usage, c.role)
	}
	return nil
}

func (c *connection) checkRevocation() error { return c.domain.revoked(c.binding.peer()) }

// revoked returns an error iff the deny list names p.
func (d *Domain) revoked(p Peer) error {
	if d.Revoked != nil && d.Revoked(p) {
		return errors.New("the peer is revoked")
	}
	return nil
}

func (c *connection) checkALPN() error {
	if len(c.protocols) > 0 && !slices.Contains(c.protocols, c.state.NegotiatedProtocol) {
		return fmt.Errorf("no application protocol agreed, one of %q is needed", c.protocols)
	}
	return nil
}

func (c *connection) checkSignature() error {
	return c.domain.proved.verify(c.domain.Master, c.binding.statement(c.leaf.RawSubjectPublicKeyInfo), c.binding.signature[:])
}

func (c *connection) checkAuthorizer() error { return c.authorize(c.binding.peer()) }

func unixNow() uint64 { return uint64(max(0, time.Now().Unix())) }
