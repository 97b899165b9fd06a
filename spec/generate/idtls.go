package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/spec"
)

// tls are the fields of a binding that are not those of a key.
type tls struct {
	version, suite, usage byte
	notBefore, notAfter   uint64
}

func idtlsPage() (*spec.Page, error) {
	p := &spec.Page{About: "what \"binding\": binding is the content of the extension in a leaf with the key spki, under master; both and device, domainID, epoch, key, nonce " +
		"in hexadecimal. suite, usage, notBefore, notAfter (here the 8 bytes, in hexadecimal) and name are its fields, message is what its signature is over. With key and nonce, " +
		"d and r of spec/ibs.md, the same binding comes out. check names the check of spec/idtls.md that refuses a case, when the domain allows suite 1 alone. " +
		"what \"leaf\": certificate (DER, in hexadecimal) is shown by a peer in role, at now (unix seconds), to a verifier that pins domainID, which is domain with master, whose epochs " +
		"have length seconds, who knows no other domain, revokes nobody, welcomes everybody and needs no protocol. name, device and epoch are the peer's. check \"certificate\" is one that does not parse."}
	all, err := subject()
	if err != nil {
		return nil, err
	}
	k := only(all, identity.Channel)
	person := k
	if person.Name, err = identity.ParseName("acct:a.b+c@example.org"); err != nil {
		return nil, err
	}
	whole := tls{version: 1, suite: 1, usage: 3, notBefore: k.Epoch.Start, notAfter: k.Epoch.End()}
	hour := tls{version: 1, suite: 1, usage: 2, notBefore: k.Epoch.Start + 3600, notAfter: k.Epoch.Start + 7200}
	for _, x := range []struct {
		key    identity.Key
		fields tls
	}{{k, whole}, {person, whole}, {k, hour}} {
		c, err := bound(x.key, x.fields)
		if err != nil {
			return nil, err
		}
		p.Accept = append(p.Accept, c)
	}
	if err := acceptLeaves(p, k, person, whole, hour); err != nil {
		return nil, err
	}
	if err := refuseBindings(p, k, whole); err != nil {
		return nil, err
	}
	if err := refuseLeaves(p, k, whole, hour); err != nil {
		return nil, err
	}
	sortByReason(p)
	return p, nil
}

// bound is spec/idtls.md "Binding", signed for the leaf key of a seed.
func bound(k identity.Key, f tls) (spec.Case, error) {
	spki, err := device("leaf")
	if err != nil {
		return nil, err
	}
	name, hash := k.Name.String(), sha256.Sum256(spki)
	tbs := slices.Concat([]byte{f.version, f.suite}, k.Domain[:], k.Epoch.Bytes(), encoding.U64(f.notBefore), encoding.U64(f.notAfter),
		[]byte{f.usage}, k.Device[:], binary.BigEndian.AppendUint16(nil, uint16(len(name))), []byte(name))
	c, err := sign(k, k, string(encoding.LP("milagro/v1 tls binding", tbs, hash[:])), untouched)
	if err != nil {
		return nil, err
	}
	c["what"] = "binding"
	c["binding"], c["spki"] = hexOf(tbs)+c["signature"], hexOf(spki)
	c["suite"], c["usage"] = hexOf([]byte{f.suite}), hexOf([]byte{f.usage})
	c["notBefore"], c["notAfter"] = hexOf(encoding.U64(f.notBefore)), hexOf(encoding.U64(f.notAfter))
	delete(c, "signature")
	return c, nil
}

func refuseBindings(p *spec.Page, k identity.Key, whole tls) error {
	good := p.Accept[0]
	for reason, edit := range map[string]func(*tls){
		"version 0":                       func(f *tls) { f.version = 0 },
		"version 2":                       func(f *tls) { f.version = 2 },
		"usage 0":                         func(f *tls) { f.usage = 0 },
		"usage 4":                         func(f *tls) { f.usage = 4 },
		"not_before after not_after":      func(f *tls) { f.notBefore = f.notAfter + 1 },
		"not_after is past the year 9999": func(f *tls) { f.notAfter = 253402300800 },
		"suite 2":                         func(f *tls) { f.suite = 2 },
	} {
		fields := whole
		edit(&fields)
		c, err := bound(k, fields)
		if err != nil {
			return err
		}
		check := "binding"
		if fields.suite != 1 {
			check = "suite"
		}
		p.Refuse = append(p.Refuse, refused(c, reason, "check", check))
	}
	b := good["binding"]
	at := func(offset int, to string) string { return b[:2*offset] + to + b[2*offset+len(to):] }
	with := func(check, reason, binding string) {
		p.Refuse = append(p.Refuse, refused(good, reason, "check", check, "binding", binding))
	}
	with("binding", "empty", "")
	with("binding", "truncated", b[:len(b)-2])
	with("binding", "a byte too many", b+"00")
	with("binding", "an OCTET STRING around it", "0481"+hexOf([]byte{byte(len(b) / 2)})+b)
	with("binding", "length of the name one too great", at(96, "19"))
	with("binding", "name with a capital in its scheme", at(97, "53"))
	with("binding", "epoch start is no multiple of its length", at(41, "01"))
	with("binding", "epoch length 0", at(42, "00000000"))
	with("signature", "another domain", at(2, strings.Repeat("00", 32)))
	with("signature", "the next epoch", at(34, hexOf(k.Epoch.Next().Bytes())))
	with("signature", "another not_before", at(53, "01"))
	with("signature", "another usage", at(62, "01"))
	with("signature", "another device", at(63, "00"))
	with("signature", "another name", at(118, hex.EncodeToString([]byte("api"))))
	with("signature", "U and V swapped", b[:len(b)-192]+b[len(b)-96:]+b[len(b)-192:len(b)-96])
	other, err := device("another leaf")
	if err != nil {
		return err
	}
	p.Refuse = append(p.Refuse, refused(good, "leaf with another key", "check", "signature", "spki", hexOf(other)),
		refused(good, "another master", "check", "signature", "master", hexOf(secret("other").G2().Bytes())))
	return nil
}
