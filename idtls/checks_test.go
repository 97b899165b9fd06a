package idtls

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/url"
	"slices"
	"testing"

	"milagro.dev/identity"
)

// trial is one peer that must be refused by one check, and would pass all others.
type trial struct {
	check Check
	fault string
	// leaf is what the peer shows, given a good credential and the role in which
	// it is shown.
	leaf func(t *testing.T, a authority, c *Credential, role usage) *tls.Certificate
	// verifier changes what the verifier knows of the domain, config its config,
	// peer that of the peer.
	verifier     func(*Domain)
	config, peer func(*tls.Config)
	authorize    Authorizer
	protocols    []string
	// fullOnly is set where crypto/tls itself does not resume: the leaf has expired.
	fullOnly bool
}

// forged returns a trial whose peer shows a leaf made by hand.
func forged(check Check, fault string, edit func(*forgery)) trial {
	return trial{check: check, fault: fault, leaf: func(t *testing.T, _ authority, c *Credential, _ usage) *tls.Certificate {
		f := forgery{credential: c}
		edit(&f)
		return f.leaf(t)
	}}
}

// issued returns a trial whose peer has a good key of the master for other
// fields than it should have.
func issued(check Check, fault string, edit func(*testing.T, *Credential)) trial {
	return trial{check: check, fault: fault, leaf: func(t *testing.T, a authority, c *Credential, _ usage) *tls.Certificate {
		other := &Credential{Name: c.Name, Device: c.Device, Epoch: c.Epoch, Domain: a.domain(t)}
		edit(t, other)
		a.rekey(t, other)
		return forgery{credential: other}.leaf(t)
	}}
}

// edited returns a trial about the leaf's own fields.
func edited(check Check, fault string, edit func(*x509.Certificate)) trial {
	return forged(check, fault, func(f *forgery) { f.template = edit })
}

// content returns a trial about the bytes of the extension.
func content(fault string, edit func([]byte) []byte) trial {
	return forged(CheckBinding, fault, func(f *forgery) { f.content = edit })
}

func connectionTrials() []trial {
	tls12 := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }
	return []trial{
		{check: "", fault: "nothing"},
		{check: CheckVersion, fault: "TLS 1.2", config: tls12, peer: tls12},
		{check: CheckCertificate, fault: "two certificates", leaf: func(t *testing.T, _ authority, c *Credential, _ usage) *tls.Certificate {
			leaf := forgery{credential: c}.leaf(t)
			leaf.Certificate = append(leaf.Certificate, forgery{credential: c}.leaf(t).Certificate...)
			return leaf
		}},
		{check: CheckUsage, fault: "the other role", leaf: func(t *testing.T, _ authority, c *Credential, role usage) *tls.Certificate {
			return forgery{credential: c, binding: func(b *binding) { b.usage &^= role }}.leaf(t)
		}},
		{check: CheckRevocation, fault: "name and device revoked", verifier: func(d *Domain) {
			d.Revoked = func(p Peer) bool {
				return p.Name.String() == "spiffe://example.org/peer" && p.Device == identity.DeviceHash{1, 2, 3}
			}
		}},
		{check: CheckALPN, fault: "no protocol agreed", protocols: []string{"h2"}},
		{check: CheckAuthorizer, fault: "another name is expected", authorize: Exactly()},
		{check: CheckAuthorizer, fault: "another domain is expected", authorize: Member("example.com")},
		{check: CheckSuite, fault: "the document allows no suite 1", verifier: func(d *Domain) { d.Suites = []uint8{2} }},
		{check: CheckEpoch, fault: "the highest epoch seen is later", verifier: func(d *Domain) {
			d.Watermark = identity.NewWatermark(d.Schedule.Current(unixNow()).Next().Next())
		}},
	}
}

func keyTrials() []trial {
	return []trial{
		forged(CheckKey, "P-384", func(f *forgery) { f.key, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }),
		forged(CheckKey, "RSA", func(f *forgery) { f.key, _ = rsa.GenerateKey(rand.Reader, 2048) }),
		forged(CheckKey, "Ed25519", func(f *forgery) { _, f.key, _ = ed25519.GenerateKey(rand.Reader) }),
		edited(CheckExtension, "none", func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[:1] }),
		edited(CheckExtension, "critical", func(c *x509.Certificate) { c.ExtraExtensions[1].Critical = true }),
		edited(CheckExtension, "another identifier", func(c *x509.Certificate) { c.ExtraExtensions[1].Id[5] = 2 }),
	}
}

func bindingTrials() []trial {
	return []trial{
		content("a trailing byte", func(b []byte) []byte { return append(b, 0) }),
		content("truncated", func(b []byte) []byte { return b[:len(b)-1] }),
		content("empty", func([]byte) []byte { return nil }),
		content("version 2", func(b []byte) []byte { b[0] = 2; return b }),
		content("an ASN.1 type around it", func(b []byte) []byte { b, _ = asn1.Marshal(b); return b }),
		forged(CheckBinding, "usage none", func(f *forgery) { f.binding = func(b *binding) { b.usage = 0 } }),
		forged(CheckBinding, "usage 7", func(f *forgery) { f.binding = func(b *binding) { b.usage = 7 } }),
		forged(CheckBinding, "times out of order", func(f *forgery) {
			f.binding = func(b *binding) { b.notBefore, b.notAfter = unixNow()+200, unixNow()+100 }
		}),
		content("a name that is not canonical", func(b []byte) []byte { b[headSize] = 'S'; return b }),
		content("an epoch that starts off its grid", func(b []byte) []byte { b[41]++; return b }),
		forged(CheckSuite, "suite 2", func(f *forgery) { f.binding = func(b *binding) { b.suite = 2 } }),
	}
}

func profileTrials() []trial {
	return []trial{
		edited(CheckProfile, "a subject", func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "root"} }),
		edited(CheckProfile, "an authority", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }),
		edited(CheckProfile, "an unknown critical extension", func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 999, 5}, Critical: true, Value: []byte{5, 0}})
		}),
		edited(CheckProfile, "no key usage", func(c *x509.Certificate) { c.KeyUsage = 0 }),
		edited(CheckProfile, "key usage of an authority", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }),
		edited(CheckProfile, "no extended key usage", func(c *x509.Certificate) { c.ExtKeyUsage = nil }),
		edited(CheckProfile, "one role too few", func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }),
		edited(CheckProfile, "one role too many", func(c *x509.Certificate) {
			c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning)
		}),
		edited(CheckProfile, "an unknown role", func(c *x509.Certificate) {
			c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{2, 999, 5}}
		}),
		edited(CheckProfile, "notBefore earlier", func(c *x509.Certificate) { c.NotBefore = c.NotBefore.AddDate(0, 0, -1) }),
		edited(CheckProfile, "notAfter later", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(0, 0, 1) }),
		edited(CheckName, "another URI", setNames(nil, "spiffe://example.org/admin")),
		edited(CheckName, "no name", func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[1:] }),
		edited(CheckName, "a DNS name beside it", setNames([]string{"example.org"}, "spiffe://example.org/peer")),
		edited(CheckName, "a second URI", setNames(nil, "spiffe://example.org/peer", "spiffe://example.org/admin")),
		edited(CheckName, "the name twice", setNames(nil, "spiffe://example.org/peer", "spiffe://example.org/peer")),
		edited(CheckName, "an otherName beside it", func(c *x509.Certificate) {
			san := c.ExtraExtensions[0].Value // SEQUENCE, short length, one URI
			other := []byte{0xa0, 7, 6, 1, 42, 0xa0, 2, 5, 0}
			c.ExtraExtensions[0].Value = append(append([]byte{0x30, san[1] + byte(len(other))}, san[2:]...), other...)
		}),
	}
}

// setNames replaces the subject alternative name.
func setNames(dns []string, uris ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = c.ExtraExtensions[1:]
		c.DNSNames = dns
		for _, u := range uris {
			parsed, err := url.Parse(u)
			if err != nil {
				panic(err)
			}
			c.URIs = append(c.URIs, parsed)
		}
	}
}

func timeTrials() []trial {
	expired := forged(CheckTime, "ended", func(f *forgery) {
		f.binding = func(b *binding) { b.notBefore, b.notAfter = unixNow()-2000, unixNow()-1000 }
	})
	expired.fullOnly = true
	old := issued(CheckEpoch, "three epochs ago", func(_ *testing.T, c *Credential) { c.Epoch.Start -= 3 * day })
	old.fullOnly = true
	return []trial{
		old, expired,
		issued(CheckEpoch, "two epochs ahead", func(_ *testing.T, c *Credential) { c.Epoch.Start += 2 * day }),
		issued(CheckEpoch, "of another length", func(_ *testing.T, c *Credential) {
			c.Epoch = identity.EpochAt(unixNow(), 7*day)
		}),
		forged(CheckTime, "not begun", func(f *forgery) {
			f.binding = func(b *binding) { b.notBefore, b.notAfter = unixNow()+1000, unixNow()+2000 }
		}),
	}
}

func signatureTrials() []trial {
	return []trial{
		issued(CheckDomain, "another domain of the same master", func(_ *testing.T, c *Credential) { c.Domain.ID[0] ^= 1 }),
		issued(CheckDomain, "a name of another domain", func(t *testing.T, c *Credential) {
			c.Name = parseName(t, "spiffe://example.com/peer")
		}),
		forged(CheckSignature, "key of another name", func(f *forgery) {
			f.binding = func(b *binding) { b.name, _ = identity.ParseName("spiffe://example.org/admin") }
		}),
		forged(CheckSignature, "key of another device", func(f *forgery) { f.binding = func(b *binding) { b.device[0]++ } }),
		{check: CheckSignature, fault: "other master", leaf: func(t *testing.T, _ authority, c *Credential, _ usage) *tls.Certificate {
			stranger := &Credential{Name: c.Name, Device: c.Device, Epoch: c.Epoch, Domain: c.Domain}
			newAuthority("example.org").rekey(t, stranger)
			return forgery{credential: stranger}.leaf(t)
		}},
		{check: CheckSignature, fault: "binding of another key", leaf: func(t *testing.T, _ authority, c *Credential, _ usage) *tls.Certificate {
			stolen := bindingOf(t, forgery{credential: c}.leaf(t))
			return forgery{credential: c, content: func([]byte) []byte { return stolen }}.leaf(t)
		}},
		forged(CheckSignature, "U and V exchanged", func(f *forgery) {
			f.content = func(b []byte) []byte {
				signature := b[len(b)-96:]
				return slices.Concat(b[:len(b)-96], signature[48:], signature[:48])
			}
		}),
	}
}

func bindingOf(t testing.TB, leaf *tls.Certificate) []byte {
	t.Helper()
	for _, e := range leaf.Leaf.Extensions {
		if e.Id.Equal(oid()) {
			return slices.Clone(e.Value)
		}
	}
	t.Fatal("leaf without binding")
	return nil
}

func allTrials() []trial {
	return slices.Concat(connectionTrials(), keyTrials(), bindingTrials(), profileTrials(), timeTrials(), signatureTrials())
}
