package idtls

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

// The bad certificates that claim to be somebody, or some time.

func hangForeign(g *gallery) {
	for _, domain := range []string{
		"example.com", "example.net", "org", "localhost", "example.org.evil.com", "evil-example.org", "sub.example.org", "xn--exmple-cua.org", "e.example.org",
	} {
		stranger := newAuthority(domain)
		g.forge(CheckDomain, "a member of "+domain, forgery{credential: stranger.member(g.t, "/peer")})
		name := parseName(g.t, "spiffe://"+domain+"/peer")
		g.issue(CheckDomain, "our own master's key for a name of "+domain, func(c *Credential) { c.Name = name })
	}
	g.issue(CheckDomain, "a fingerprint with one bit changed", func(c *Credential) { c.Domain.ID[0] ^= 1 })
	g.issue(CheckDomain, "a fingerprint of zeros", func(c *Credential) { c.Domain.ID = identity.DomainID{} })
}

func hangOtherMasters(g *gallery) {
	twin := newAuthority("example.org")
	for _, text := range []string{"spiffe://example.org/peer", "spiffe://example.org/verifier", "spiffe://example.org/a/b/c", "acct:root@example.org"} {
		name := parseName(g.t, text)
		own := &Credential{Name: name, Device: g.good.Device, Epoch: g.good.Epoch, Domain: twin.domain(g.t)}
		twin.rekey(g.t, own)
		g.forge(CheckDomain, text+" in a domain of the same name", forgery{credential: own})
		ours := &Credential{Name: name, Device: g.good.Device, Epoch: g.good.Epoch, Domain: g.good.Domain}
		twin.rekey(g.t, ours)
		g.forge(CheckSignature, text+" with our fingerprint", forgery{credential: ours})
		g.bind(CheckSignature, text+" with the peer's key", func(b *binding) {
			b.name = name
			b.device[1]++
		})
	}
}

func hangOldEpochs(g *gallery) {
	for _, n := range []uint64{2, 3, 4, 5, 7, 14, 30, 365, 3650} {
		g.issue(CheckEpoch, fmt.Sprintf("%d epochs ago", n), func(c *Credential) { c.Epoch.Start -= n * day })
	}
	for _, length := range []uint32{3600, 7 * day, 31 * day} {
		g.issue(CheckEpoch, fmt.Sprintf("an epoch of %d s", length), func(c *Credential) { c.Epoch = identity.EpochAt(unixNow(), length) })
	}
	g.issue(CheckEpoch, "the first epoch of all", func(c *Credential) { c.Epoch = identity.EpochAt(0, day) })
}

func hangFutureEpochs(g *gallery) {
	for _, n := range []uint64{2, 3, 4, 5, 7, 14, 30, 365, 3650} {
		g.issue(CheckEpoch, fmt.Sprintf("%d epochs ahead", n), func(c *Credential) { c.Epoch.Start += n * day })
	}
}

func hangExpired(g *gallery) {
	for _, ago := range []uint64{310, 400, 1000, 3600, day, 10 * day, 365 * day} {
		g.bind(CheckTime, fmt.Sprintf("ended %d s ago", ago), func(b *binding) { b.notBefore, b.notAfter = unixNow()-ago-1000, unixNow()-ago })
	}
	g.bind(CheckTime, "ended in 1970", func(b *binding) { b.notBefore, b.notAfter = 0, 1 })
	g.bind(CheckBinding, "ends before it begins", func(b *binding) { b.notBefore, b.notAfter = b.notAfter, b.notBefore })
}

func hangEarly(g *gallery) {
	for _, ahead := range []uint64{310, 400, 1000, 3600, day, 10 * day, 365 * day} {
		g.forge(CheckTime, fmt.Sprintf("begins in %d s", ahead), forgery{binding: func(b *binding) {
			b.notBefore, b.notAfter = unixNow()+ahead, unixNow()+ahead+1000
		}})
	}
	g.content(CheckBinding, "ends after the year 9999", func(b []byte) []byte {
		return slices.Concat(b[:54], binary.BigEndian.AppendUint64(nil, maxTime+1), b[62:])
	})
	g.content(CheckBinding, "ends at the end of all numbers", func(b []byte) []byte {
		return slices.Concat(b[:54], bytes.Repeat([]byte{255}, 8), b[62:])
	})
}

func hangUsages(g *gallery) {
	for role, other := range map[usage]usage{asClient: asServer, asServer: asClient} {
		leaf := forgery{credential: g.good, binding: func(b *binding) { b.usage = other }}.leaf(g.t)
		g.add(specimen{fault: fmt.Sprintf("a %v's leaf of a %v", other, role), check: CheckUsage, leaf: leaf, role: role})
	}
	for _, u := range []byte{0, 4, 5, 6, 7, 8, 16, 128, 255} {
		g.content(CheckBinding, fmt.Sprintf("usage %d", u), func(b []byte) []byte { b[62] = u; return b })
	}
}

// withName puts another name into the bytes of a binding.
func withName(b []byte, name string) []byte {
	return slices.Concat(b[:headSize-2], binary.BigEndian.AppendUint16(nil, uint16(len(name))), []byte(name), b[len(b)-96:])
}

func hangMalformedNames(g *gallery) {
	for _, name := range []string{
		"spiffe://example.org/../admin", "spiffe://example.org/peer/..", "spiffe://example.org/./peer", "spiffe://example.org//peer",
		"spiffe://example.org/peer/", "spiffe://example.org/", "spiffe://example.org", "spiffe:///peer", "spiffe://",
		"spiffe://example.org/%2e%2e/admin", "spiffe://example.org/..%2fadmin", `spiffe://example.org/..\admin`, "spiffe://example.org/peer\x00",
		"spiffe://example.org/peer\n", "spiffe://example.org/peer\x1b[31m", "spiffe://example.org/pe er", "spiffe://example.org/peer?x", "spiffe://example.org/peer#x",
		"spiffe://example.org:443/peer", "spiffe://root@example.org/peer", "spiffe://Example.org/peer", "SPIFFE://example.org/peer", "spiffe:/example.org/peer",
		"https://example.org/peer", "spiffe://example.org./peer", "spiffe://exämple.org/peer", "spiffe://example.org/пир", "spiffe://example.org/\xff",
		"acct:root", "acct:@example.org", "acct:Root@example.org", "acct:a..b@example.org", "acct:root@", "peer", "", "*", "spiffe://example.org/*",
		"spiffe://example.org/" + strings.Repeat("a", 2048),
	} {
		g.content(CheckBinding, fmt.Sprintf("%.40q", name), func(b []byte) []byte { return withName(b, name) })
	}
}

func hangCopies(g *gallery) {
	for _, role := range []usage{asClient, asServer} {
		for fault, leaf := range map[string]*tls.Certificate{
			"a leaf with the key of another": {Certificate: forgery{credential: g.good}.leaf(g.t).Certificate, PrivateKey: newKey(g.t)},
			"the verifier's own leaf":        {Certificate: forgery{credential: g.a.member(g.t, "/verifier")}.leaf(g.t).Certificate, PrivateKey: newKey(g.t)},
		} {
			g.add(specimen{fault: fmt.Sprintf("%s, as %v", fault, role), leaf: leaf, role: role, says: fmt.Sprintf("invalid signature by the %v certificate", role)})
		}
	}
}

func hangStolen(g *gallery) {
	stolen := bindingOf(g.t, forgery{credential: g.good}.leaf(g.t))
	g.content(CheckSignature, "a peer's", func([]byte) []byte { return stolen })
	g.content(CheckSignature, "a peer's signature on a binding of his own", func(b []byte) []byte {
		return slices.Concat(b[:len(b)-96], stolen[len(stolen)-96:])
	})
	verifiers := bindingOf(g.t, forgery{credential: g.a.member(g.t, "/peer")}.leaf(g.t))
	g.content(CheckSignature, "the same peer's of another leaf", func([]byte) []byte { return verifiers })
	g.content(CheckSignature, "the peer's V with a U of another leaf", func(b []byte) []byte {
		return slices.Concat(b[:len(b)-96], stolen[len(stolen)-96:len(stolen)-48], b[len(b)-48:])
	})
	for i := range 4 {
		g.bind(CheckSignature, fmt.Sprintf("key of another device, byte %d", 8*i), func(b *binding) { b.device[8*i]++ })
	}
}

func hangPoints(g *gallery) {
	page, err := spec.Load("groups")
	check(g.t, err)
	points := map[string][]byte{"zeros": make([]byte, 48), "ones": bytes.Repeat([]byte{255}, 48)}
	for _, c := range page.Refuse {
		if b := spectest.Bytes(g.t, c["bytes"]); c["what"] == "g1" && len(b) == 48 {
			points[c["reason"]] = b
		}
	}
	for reason, point := range points {
		for where, offset := range map[string]int{"U": 96, "V": 48} {
			g.content(CheckSignature, where+": "+reason, func(b []byte) []byte {
				copy(b[len(b)-offset:], point)
				return b
			})
		}
		g.content(CheckSignature, "U and V: "+reason, func(b []byte) []byte {
			copy(b[len(b)-96:], slices.Concat(point, point))
			return b
		})
	}
	g.content(CheckSignature, "U is V", func(b []byte) []byte { copy(b[len(b)-96:], b[len(b)-48:]); return b })
	g.content(CheckSignature, "V is U", func(b []byte) []byte { copy(b[len(b)-48:], b[len(b)-96:]); return b })
	g.content(CheckSignature, "−U", func(b []byte) []byte { b[len(b)-96] ^= 0x20; return b })
	g.content(CheckSignature, "−V", func(b []byte) []byte { b[len(b)-48] ^= 0x20; return b })
}
