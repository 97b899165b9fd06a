package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"slices"
	"strconv"
	"time"

	"milagro.dev/identity"
	"milagro.dev/spec"
)

// leaf is a whole certificate with a binding, before it is signed.
type leaf struct {
	binding  []byte
	template *x509.Certificate // its last extensions are the name and the binding
	parent   *x509.Certificate // whose subject is the issuer
	key      *ecdsa.PrivateKey
	fields   spec.Case // of the case
}

// leafKey is the key whose SubjectPublicKeyInfo device returns for the seed.
func leafKey(seed string) (*ecdsa.PrivateKey, error) {
	scalar := sha256.Sum256([]byte(seed))
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
}

// newLeaf makes spec/idtls.md "Leaf" of a binding, met at noon of its epoch by a
// server that pins the domain.
func newLeaf(k identity.Key, f tls) (*leaf, error) {
	c, err := bound(k, f)
	if err != nil {
		return nil, err
	}
	l := &leaf{parent: &x509.Certificate{}, fields: spec.Case{"what": "leaf", "domain": "example.org", "domainID": hexOf(k.Domain[:]), "master": c["master"],
		"length": strconv.Itoa(int(k.Epoch.Length)), "now": strconv.Itoa(int(k.Epoch.Start) + 43200), "role": "client",
		"name": k.Name.String(), "device": k.Device.String(), "epoch": hexOf(k.Epoch.Bytes())}}
	if l.key, err = leafKey("leaf"); err != nil {
		return nil, err
	}
	if l.binding, err = hex.DecodeString(c["binding"]); err != nil {
		return nil, err
	}
	roles := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	if f.usage != 3 {
		roles = roles[f.usage-1 : f.usage]
	}
	l.template = &x509.Certificate{SerialNumber: big.NewInt(77_73_76), NotBefore: time.Unix(int64(f.notBefore), 0), NotAfter: time.Unix(int64(min(f.notAfter, k.Epoch.End())), 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: roles,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: generalNames(uriName(k.Name.String()))}, {Id: bindingOID(1), Value: l.binding}}}
	return l, nil
}

func bindingOID(last int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 999, 77, 73, 76, last}
}

// uriName is a uniformResourceIdentifier of fewer than 128 bytes.
func uriName(text string) []byte { return slices.Concat([]byte{0x86, byte(len(text))}, []byte(text)) }

// generalNames are fewer than 128 bytes of names.
func generalNames(names ...[]byte) []byte {
	all := slices.Concat(names...)
	return slices.Concat([]byte{0x30, byte(len(all))}, all)
}

// certificate signs without randomness (RFC 6979).
func (l *leaf) certificate() (spec.Case, error) {
	der, err := x509.CreateCertificate(nil, l.template, l.parent, l.key.Public(), l.key)
	l.fields["certificate"] = hexOf(der)
	return l.fields, err
}

// acceptLeaves are certificates that pass, each in its way.
func acceptLeaves(p *spec.Page, k, person identity.Key, whole, hour tls) error {
	at := func(l *leaf, now uint64) { l.fields["now"] = strconv.FormatUint(now, 10) }
	server := func(l *leaf) { l.fields["role"] = "server" }
	client := whole
	client.usage = 1
	for _, x := range []struct {
		key    identity.Key
		fields tls
		edit   func(*leaf)
	}{
		{k, whole, func(*leaf) {}},
		{k, whole, server},
		{person, whole, func(*leaf) {}},
		{k, client, func(*leaf) {}},
		{k, hour, func(l *leaf) { server(l); at(l, hour.notBefore-300) }},
		{k, hour, func(l *leaf) { server(l); at(l, hour.notAfter+300) }},
		{k, whole, func(l *leaf) { at(l, whole.notBefore-300) }},
		{k, whole, func(l *leaf) { at(l, whole.notAfter+300) }},
		{k, whole, func(l *leaf) { // an extension that is not critical
			l.template.ExtraExtensions = append(l.template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 999, 5}, Value: []byte{5, 0}})
		}},
		{k, whole, func(l *leaf) { slices.Reverse(l.template.ExtraExtensions) }},
	} {
		l, err := newLeaf(x.key, x.fields)
		if err != nil {
			return err
		}
		x.edit(l)
		c, err := l.certificate()
		if err != nil {
			return err
		}
		p.Accept = append(p.Accept, c)
	}
	good := p.Accept[len(p.Accept)-10]
	unsigned := refused(good, "", "certificate", good["certificate"][:len(good["certificate"])-2]+"00") // the signature proves nothing
	delete(unsigned, "reason")
	p.Accept = append(p.Accept, unsigned)
	return nil
}

// flaw is what is wrong with one leaf, and the check that refuses it.
type flaw struct {
	check, reason string
	edit          func(*leaf)
}

func refuseLeaves(p *spec.Page, k identity.Key, whole, hour tls) error {
	for _, f := range slices.Concat(extensionFlaws(), profileFlaws(), nameFlaws(), timeFlaws(whole)) {
		l, err := newLeaf(k, whole)
		if err != nil {
			return err
		}
		f.edit(l)
		c, err := l.certificate()
		if err != nil {
			return err
		}
		p.Refuse = append(p.Refuse, refused(c, f.reason, "check", f.check))
	}
	for reason, x := range map[string][2]string{
		"binding of an hour, 301 s before it": {"time", strconv.FormatUint(hour.notBefore-301, 10)},
		"binding of an hour, 301 s after it":  {"time", strconv.FormatUint(hour.notAfter+301, 10)},
		"a server's leaf shown by a client":   {"usage", strconv.FormatUint(hour.notBefore, 10)},
	} {
		l, err := newLeaf(k, hour)
		if err != nil {
			return err
		}
		c, err := l.certificate()
		if err != nil {
			return err
		}
		p.Refuse = append(p.Refuse, refused(c, reason, "check", x[0], "now", x[1], "role", map[string]string{"time": "server", "usage": "client"}[x[0]]))
	}
	return refuseElsewhere(p, k, whole)
}

// refuseElsewhere are good leaves that meet another verifier, or arrive damaged.
func refuseElsewhere(p *spec.Page, k identity.Key, whole tls) error {
	l, err := newLeaf(k, whole)
	if err != nil {
		return err
	}
	good, err := l.certificate()
	if err != nil {
		return err
	}
	other := secret("other").G2()
	id, err := identity.NewDomainID("example.org", other)
	if err != nil {
		return err
	}
	der := good["certificate"]
	p.Refuse = append(p.Refuse,
		refused(good, "the domain of that name with another master", "check", "domain", "domainID", hexOf(id[:]), "master", hexOf(other.Bytes())),
		refused(good, "epochs of another length", "check", "epoch", "length", "3600"),
		refused(good, "a byte after the certificate", "check", "certificate", "certificate", der+"00"),
		refused(good, "certificate cut short", "check", "certificate", "certificate", der[:len(der)-2]),
		refused(good, "no certificate", "check", "certificate", "certificate", ""))
	if l.key, err = leafKey("another leaf"); err != nil {
		return err
	}
	copied, err := l.certificate()
	if err != nil {
		return err
	}
	p.Refuse = append(p.Refuse, refused(copied, "binding of another leaf", "check", "signature"))
	wide := sha512.Sum384([]byte("leaf"))
	if l.key, err = ecdsa.ParseRawPrivateKey(elliptic.P384(), wide[:]); err != nil {
		return err
	}
	curve, err := l.certificate()
	p.Refuse = append(p.Refuse, refused(curve, "P-384", "check", "key"))
	return err
}

func extensionFlaws() []flaw {
	bind := func(check, reason string, edit func([]byte) []byte) flaw {
		return flaw{check, reason, func(l *leaf) { l.template.ExtraExtensions[1].Value = edit(bytes.Clone(l.binding)) }}
	}
	set := func(at int, to ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], to); return b }
	}
	return []flaw{
		{"extension", "no binding", func(l *leaf) { l.template.ExtraExtensions = l.template.ExtraExtensions[:1] }},
		{"extension", "critical binding", func(l *leaf) { l.template.ExtraExtensions[1].Critical = true }},
		{"extension", "another identifier", func(l *leaf) { l.template.ExtraExtensions[1].Id = bindingOID(2) }},
		{"extension", "two bindings", func(l *leaf) {
			l.template.ExtraExtensions = append(l.template.ExtraExtensions, l.template.ExtraExtensions[1])
		}},
		bind("binding", "a byte after the binding", func(b []byte) []byte { return append(b, 0) }),
		bind("binding", "binding cut short", func(b []byte) []byte { return b[:len(b)-1] }),
		bind("binding", "binding of version 2", set(0, 2)),
		bind("binding", "binding with usage 7", set(62, 7)),
		bind("binding", "binding with a path that goes up", set(116, []byte("/../x")...)),
		bind("suite", "binding of suite 2", set(1, 2)),
		bind("signature", "binding of another device", set(63, 0)),
		bind("signature", "identity element for U", func(b []byte) []byte {
			return slices.Concat(b[:len(b)-96], []byte{0xc0}, make([]byte, 47), b[len(b)-48:])
		}),
		bind("signature", "identity element for V", func(b []byte) []byte { return slices.Concat(b[:len(b)-48], []byte{0xc0}, make([]byte, 47)) }),
	}
}

func profileFlaws() []flaw {
	f := func(reason string, edit func(*x509.Certificate)) flaw {
		return flaw{"profile", reason, func(l *leaf) { edit(l.template) }}
	}
	extension := func(id asn1.ObjectIdentifier, value ...byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: true, Value: value})
		}
	}
	return []flaw{
		f("a subject", func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "web"} }),
		{"profile", "an issuer", func(l *leaf) { l.parent = &x509.Certificate{Subject: pkix.Name{CommonName: "root"}} }},
		f("an authority", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }),
		f("critical basic constraints", extension(asn1.ObjectIdentifier{2, 5, 29, 19}, 0x30, 0)),
		f("an unknown critical extension", extension(asn1.ObjectIdentifier{2, 999, 5}, 5, 0)),
		f("no key usage", func(c *x509.Certificate) { c.KeyUsage = 0 }),
		f("key usage of an authority", func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }),
		f("key usage that is not critical", func(c *x509.Certificate) {
			c.KeyUsage = 0
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 7, 0x80}})
		}),
		f("no extended key usage", func(c *x509.Certificate) { c.ExtKeyUsage = nil }),
		f("one extended key usage of two", func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }),
		f("an extended key usage too many", func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) }),
		f("serverAuth before clientAuth", func(c *x509.Certificate) { slices.Reverse(c.ExtKeyUsage) }),
		f("notBefore a second earlier", func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(-time.Second) }),
		f("notAfter a second later", func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) }),
		f("subjectAltName that is not critical", func(c *x509.Certificate) { c.ExtraExtensions[0].Critical = false }),
	}
}

func nameFlaws() []flaw {
	names := func(reason string, names ...[]byte) flaw {
		return flaw{"name", reason, func(l *leaf) { l.template.ExtraExtensions[0].Value = generalNames(names...) }}
	}
	own := uriName("spiffe://example.org/web")
	return []flaw{
		{"name", "no subjectAltName", func(l *leaf) { l.template.ExtraExtensions = l.template.ExtraExtensions[1:] }},
		names("another name", uriName("spiffe://example.org/api")),
		names("a second name", own, uriName("spiffe://example.org/api")),
		names("a second name before it", uriName("spiffe://example.org/api"), own),
		names("the name twice", own, own),
		names("a DNS name beside it", own, []byte("\x82\x0bexample.org")),
		names("an IP address beside it", own, []byte{0x87, 4, 127, 0, 0, 1}),
		names("the name as a DNS name", []byte("\x82\x18spiffe://example.org/web")),
	}
}

func timeFlaws(whole tls) []flaw {
	now := func(reason string, unix uint64) flaw {
		return flaw{"epoch", reason, func(l *leaf) { l.fields["now"] = strconv.FormatUint(unix, 10) }}
	}
	return []flaw{now("301 s before its epoch", whole.notBefore-301), now("301 s after its epoch", whole.notAfter+301), now("a year later", whole.notAfter+365*86400)}
}
