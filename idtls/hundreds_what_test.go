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
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"
)

// The bad certificates that are formed otherwise, and the bad handshakes.

func hangNames(g *gallery) {
	for _, uri := range []string{
		"spiffe://example.org/admin", "spiffe://example.org/peer2", "spiffe://example.org/pee", "spiffe://example.org/Peer", "spiffe://example.org/peer/",
		"spiffe://example.org/peer/x", "spiffe://example.com/peer", "spiffe://EXAMPLE.org/peer", "SPIFFE://example.org/peer", "spiffe://example.org/x/../peer",
		"spiffe://example.org/%70eer", "spiffe://example.org/peer?", "spiffe://example.org/peer#", "https://example.org/peer", "acct:peer@example.org", "peer",
	} {
		g.edit(CheckName, "URI "+uri, setSAN(generalName(6, uri)))
	}
	g.edit(CheckName, "no subject alternative name", func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[1:] })
	g.edit(CheckName, "the name as a DNS name", setSAN(generalName(2, "spiffe://example.org/peer")))
	g.edit(CheckName, "the name as an e-mail address", setSAN(generalName(1, "spiffe://example.org/peer")))
	g.edit(CheckName, "a DNS name alone", func(c *x509.Certificate) {
		c.ExtraExtensions, c.DNSNames = c.ExtraExtensions[1:], []string{"example.org"}
	})
}

// generalName returns the DER of a name of a kind that is a string.
func generalName(tag byte, text string) []byte {
	return slices.Concat([]byte{0x80 | tag, byte(len(text))}, []byte(text))
}

// setSAN replaces the subject alternative name by names, shorter than 128 bytes.
func setSAN(names ...[]byte) func(*x509.Certificate) {
	all := slices.Concat(names...)
	return func(c *x509.Certificate) {
		c.ExtraExtensions[0].Value = slices.Concat([]byte{0x30, byte(len(all))}, all)
	}
}

func hangExtraNames(g *gallery) {
	name := generalName(6, "spiffe://example.org/peer")
	for fault, other := range map[string][]byte{
		"a DNS name":           generalName(2, "example.org"),
		"an e-mail address":    generalName(1, "root@example.org"),
		"an IP address":        slices.Concat([]byte{0x87, 4}, net.IPv4(127, 0, 0, 1).To4()),
		"another URI":          generalName(6, "spiffe://example.org/admin"),
		"the same URI":         name,
		"an empty URI":         generalName(6, ""),
		"an otherName":         {0xa0, 7, 6, 1, 42, 0xa0, 2, 5, 0},
		"a registered ID":      {0x88, 1, 42},
		"a directory name":     {0xa4, 2, 0x30, 0},
		"a name of a new kind": {0x8f, 1, 0},
	} {
		g.edit(CheckName, fault+" after it", setSAN(name, other))
		if fault != "the same URI" {
			g.edit(CheckName, fault+" before it", setSAN(other, name))
		}
	}
	g.mint("a length in two bytes", "invalid subject alternative names", func(c *x509.Certificate) {
		c.ExtraExtensions[0].Value = slices.Concat([]byte{0x30, 0x81, byte(len(name))}, name)
	})
}

// mint adds a leaf that crypto/x509 does not even parse.
func (g *gallery) mint(fault, says string, edit func(*x509.Certificate)) {
	template, err := profile(mustParseBinding(g, forgery{credential: g.good}.leaf(g.t)))
	check(g.t, err)
	edit(template)
	key := newKey(g.t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(g.t, err)
	g.add(specimen{fault: fault, says: says, leaf: &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}})
}

func hangSubjects(g *gallery) {
	for fault, subject := range map[string]pkix.Name{
		"common name":         {CommonName: "spiffe://example.org/peer"},
		"another common name": {CommonName: "root"},
		"organization":        {Organization: []string{"Example"}},
		"unit":                {OrganizationalUnit: []string{"admins"}},
		"country":             {Country: []string{"CH"}},
		"serial number":       {SerialNumber: "1"},
		"e-mail address":      {ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "root@example.org"}}},
	} {
		g.edit(CheckProfile, "subject with "+fault, func(c *x509.Certificate) { c.Subject = subject })
		leaf := forgery{credential: g.good}.leaf(g.t)
		key := newKey(g.t)
		template, err := profile(mustParseBinding(g, leaf))
		check(g.t, err)
		der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: subject}, leaf.PrivateKey.(*ecdsa.PrivateKey).Public(), key)
		check(g.t, err)
		g.add(specimen{fault: "issuer with " + fault, check: CheckProfile, leaf: parsed(g, der, leaf.PrivateKey)})
	}
}

func mustParseBinding(g *gallery, leaf *tls.Certificate) *binding {
	b, err := parseBinding(bindingOf(g.t, leaf))
	check(g.t, err)
	return b
}

func parsed(g *gallery, der []byte, key any) *tls.Certificate {
	leaf, err := x509.ParseCertificate(der)
	check(g.t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func hangProfiles(g *gallery) {
	for bit := range 9 {
		if u := x509.KeyUsage(1) << bit; u != x509.KeyUsageDigitalSignature {
			g.edit(CheckProfile, fmt.Sprintf("key usage bit %d beside it", bit), func(c *x509.Certificate) { c.KeyUsage |= u })
			g.edit(CheckProfile, fmt.Sprintf("key usage bit %d in its place", bit), func(c *x509.Certificate) { c.KeyUsage = u })
		}
	}
	for _, u := range []x509.ExtKeyUsage{x509.ExtKeyUsageAny, x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageTimeStamping, x509.ExtKeyUsageOCSPSigning} {
		g.edit(CheckProfile, fmt.Sprintf("extended key usage %d beside it", u), func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, u) })
		g.edit(CheckProfile, fmt.Sprintf("extended key usage %d alone", u), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} })
	}
	for fault, edit := range map[string]func(*x509.Certificate){
		"an authority":                     func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true },
		"no key usage":                     func(c *x509.Certificate) { c.KeyUsage = 0 },
		"no extended key usage":            func(c *x509.Certificate) { c.ExtKeyUsage = nil },
		"client alone where both are said": func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] },
		"server alone where both are said": func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] },
		"server before client":             func(c *x509.Certificate) { slices.Reverse(c.ExtKeyUsage) },
		"client twice":                     func(c *x509.Certificate) { c.ExtKeyUsage[1] = c.ExtKeyUsage[0] },
		"an unknown extended key usage":    func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{2, 999, 5}} },
		"notBefore a second earlier":       func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(-time.Second) },
		"notBefore a second later":         func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(time.Second) },
		"notAfter a second earlier":        func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(-time.Second) },
		"notAfter a second later":          func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Second) },
		"notAfter ten years later":         func(c *x509.Certificate) { c.NotAfter = c.NotAfter.AddDate(10, 0, 0) },
		"an unknown critical extension":    addExtension(asn1.ObjectIdentifier{2, 999, 5}),
		"name constraints":                 addExtension(asn1.ObjectIdentifier{2, 5, 29, 36, 1}),
		"a critical binding of version 2":  addExtension(asn1.ObjectIdentifier{2, 999, 77, 73, 76, 2}),
	} {
		g.edit(CheckProfile, fault, edit)
	}
}

func addExtension(id asn1.ObjectIdentifier) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: true, Value: []byte{5, 0}})
	}
}

func hangTrailing(g *gallery) {
	for _, tail := range [][]byte{{0}, {255}, {0, 0}, make([]byte, 48), make([]byte, 96), make([]byte, 1000), make([]byte, 1<<14)} {
		g.content(CheckBinding, fmt.Sprintf("%d bytes of %#x after it", len(tail), tail[0]), func(b []byte) []byte { return append(b, tail...) })
	}
	g.content(CheckBinding, "the binding twice", func(b []byte) []byte { return slices.Concat(b, b) })
	g.content(CheckBinding, "a byte before it", func(b []byte) []byte { return slices.Concat([]byte{1}, b) })
	g.content(CheckBinding, "an OCTET STRING around it", func(b []byte) []byte { b, _ = asn1.Marshal(b); return b })
	for _, n := range []int{1, 2, 47, 48, 95, 96, 97, 120} {
		g.content(CheckBinding, fmt.Sprintf("%d bytes are missing", n), func(b []byte) []byte { return b[:len(b)-n] })
	}
	for _, n := range []int{0, 1, 96, 97, 192} {
		g.content(CheckBinding, fmt.Sprintf("the first %d bytes", n), func(b []byte) []byte { return b[:n] })
	}
	for fault, edit := range map[string]func([]byte) []byte{
		"the name's length is one less":     func(b []byte) []byte { b[96]--; return b },
		"the name's length is one more":     func(b []byte) []byte { b[96]++; return b },
		"the name's length is 65535":        func(b []byte) []byte { b[95], b[96] = 255, 255; return b },
		"an epoch that starts off its grid": func(b []byte) []byte { b[41]++; return b },
		"an epoch without length":           func(b []byte) []byte { clear(b[42:46]); return b },
		"an epoch that starts at the end":   func(b []byte) []byte { copy(b[34:], "\xff\xff\xff\xff\xff\xff\xff\xff"); return b },
	} {
		g.content(CheckBinding, fault, edit)
	}
	whole := forgery{credential: g.good}.leaf(g.t)
	for fault, der := range map[string][]byte{
		"a byte after the certificate": append(slices.Clone(whole.Certificate[0]), 0),
		"a certificate cut short":      whole.Certificate[0][:len(whole.Certificate[0])-1],
		"no certificate but a byte":    {0x30},
	} {
		g.add(specimen{fault: fault, says: "certificate", leaf: &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: whole.PrivateKey}})
	}
}

func hangExtensions(g *gallery) {
	twice := func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, c.ExtraExtensions[1]) }
	for fault, edit := range map[string]func(*x509.Certificate){
		"two in the certificate": twice,
		"two, the other empty":   func(c *x509.Certificate) { twice(c); c.ExtraExtensions[2].Value = nil },
		"two, one critical":      func(c *x509.Certificate) { twice(c); c.ExtraExtensions[2].Critical = true },
	} {
		g.mint(fault, "duplicate extension", edit)
	}
	for _, n := range []int{2, 3, 10} { // for a parser that would let them pass
		g.add(specimen{fault: fmt.Sprintf("%d before the checks", n), check: CheckExtension, leaf: forgery{credential: g.good}.leaf(g.t), state: func(s *tls.ConnectionState) {
			leaf := *s.PeerCertificates[0]
			last := leaf.Extensions[len(leaf.Extensions)-1]
			leaf.Extensions = slices.Concat(leaf.Extensions, slices.Repeat([]pkix.Extension{last}, n-1))
			s.PeerCertificates = []*x509.Certificate{&leaf}
		}})
	}
	g.edit(CheckExtension, "none", func(c *x509.Certificate) { c.ExtraExtensions = c.ExtraExtensions[:1] })
	g.edit(CheckExtension, "critical", func(c *x509.Certificate) { c.ExtraExtensions[1].Critical = true })
	for _, id := range []asn1.ObjectIdentifier{{2, 999, 77, 73, 76}, {2, 999, 77, 73, 76, 0}, {2, 999, 77, 73, 76, 2}, {2, 999, 77, 73, 76, 1, 1}, {2, 999, 1}} {
		g.edit(CheckExtension, "identifier "+id.String(), func(c *x509.Certificate) { c.ExtraExtensions[1].Id = id })
	}
	g.edit(CheckExtension, "the certificate of an ordinary server", func(c *x509.Certificate) {
		c.ExtraExtensions, c.DNSNames, c.URIs = nil, []string{"peer.example"}, []*url.URL{{Scheme: "spiffe", Host: "example.org", Path: "/peer"}}
	})
}

func hangVersions(g *gallery) {
	for _, v := range []byte{0, 2, 3, 128, 255} {
		g.content(CheckBinding, fmt.Sprintf("version %d", v), func(b []byte) []byte { b[0] = v; return b })
	}
	for _, s := range []uint8{0, 2, 3, 128, 255} {
		g.bind(CheckSuite, fmt.Sprintf("suite %d", s), func(b *binding) { b.suite = s })
	}
}

func hangKeys(g *gallery) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(g.t, err)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	check(g.t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	check(g.t, err)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	check(g.t, err)
	g.forge(CheckKey, "P-384", forgery{key: p384})
	g.forge(CheckKey, "P-521", forgery{key: p521})
	g.forge(CheckKey, "Ed25519", forgery{key: edwards})
	g.forge(CheckKey, "RSA", forgery{key: rsa2048})
}

func hangOldTLS(g *gallery) {
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
		for _, role := range []usage{asClient, asServer} {
			g.add(specimen{fault: fmt.Sprintf("%s, as %v", tls.VersionName(v), role), says: "version", role: role, leaf: forgery{credential: g.good}.leaf(g.t), peer: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, v }})
		}
	}
	for _, v := range []uint16{0, 0x0300, tls.VersionTLS10, tls.VersionTLS12, 0x0305, 0xfefc} {
		g.add(specimen{fault: fmt.Sprintf("%s, before the checks", tls.VersionName(v)), check: CheckVersion, leaf: forgery{credential: g.good}.leaf(g.t), state: func(s *tls.ConnectionState) { s.Version = v }})
	}
}

func hangProtocols(g *gallery) {
	leaf := forgery{credential: g.good}.leaf(g.t)
	g.add(specimen{fault: "none offered", check: CheckALPN, leaf: leaf, needs: []string{"h2"}})
	g.add(specimen{fault: "a server that knows none", check: CheckALPN, leaf: leaf, needs: []string{"h2"}, role: asServer})
	g.add(specimen{fault: "another one offered", says: "unsupported application protocols", leaf: leaf, needs: []string{"h2"}, peer: func(c *tls.Config) { c.NextProtos = []string{"mqtt"} }})
	for _, agreed := range []string{"", "h3", "H2", "h2 "} {
		g.add(specimen{fault: fmt.Sprintf("%q, before the checks", agreed), check: CheckALPN, leaf: leaf, needs: []string{"h2", "http/1.1"}, state: func(s *tls.ConnectionState) { s.NegotiatedProtocol = agreed }})
	}
}

func hangCounts(g *gallery) {
	g.add(specimen{fault: "none, as client", says: "client didn't provide a certificate"})
	g.add(specimen{fault: "none, before the checks", check: CheckCertificate, state: func(*tls.ConnectionState) {}})
	for _, n := range []int{2, 3, 10} {
		leaf := forgery{credential: g.good}.leaf(g.t)
		leaf.Certificate = slices.Repeat(leaf.Certificate, n)
		g.add(specimen{fault: fmt.Sprintf("%d", n), check: CheckCertificate, leaf: leaf,
			state: func(s *tls.ConnectionState) { s.PeerCertificates = slices.Repeat(s.PeerCertificates, n) }, peer: func(*tls.Config) {}})
	}
}
