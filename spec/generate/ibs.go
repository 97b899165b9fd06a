package main

import (
	"encoding/hex"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
)

func ibsPage() (*spec.Page, error) {
	p := &spec.Page{About: "signature is one of message by the channel key of name, device and epoch in the domain with domainID, under master; " +
		"all in hexadecimal but name. With key and nonce, d and r of spec/ibs.md, the same signature comes out."}
	all, err := subject()
	if err != nil {
		return nil, err
	}
	k := only(all, identity.Channel)
	for _, message := range []string{"", "message", strings.Repeat("long ", 100)} {
		c, err := sign(k, k, message, untouched)
		if err != nil {
			return nil, err
		}
		p.Accept = append(p.Accept, c)
	}
	return p, refuseSignatures(p, all)
}

func untouched(point string) (string, error) { return point, nil }

// sign is spec/ibs.md with a nonce that comes from a seed. The key is that of
// signer, true or not; moved changes U before it is hashed.
func sign(k, signer identity.Key, message string, moved func(string) (string, error)) (spec.Case, error) {
	point, err := k.Point()
	if err != nil {
		return nil, err
	}
	own, err := signer.Point()
	if err != nil {
		return nil, err
	}
	d, r := own.MulSecret(secret("master")), secret("nonce of "+message)
	text, err := moved(hexOf(point.MulSecret(r).Expose()))
	if err != nil {
		return nil, err
	}
	u, err := hex.DecodeString(text)
	if err != nil {
		return nil, err
	}
	h, err := pairing.HashToScalar("MILAGRO-V1-IBS-SCALAR_XMD:SHA-256", encoding.LP("milagro/v1 ibs",
		k.Domain[:], []byte(k.Name.String()), k.Device[:], k.Epoch.Bytes(), u, []byte(message)))
	if err != nil {
		return nil, err
	}
	v := d.MulSecret(r.AddPublic(h)).Expose()
	return spec.Case{"master": hexOf(secret("master").G2().Bytes()), "domainID": hexOf(k.Domain[:]), "name": k.Name.String(),
		"device": hexOf(k.Device[:]), "epoch": hexOf(k.Epoch.Bytes()), "message": hexOf([]byte(message)),
		"key": hexOf(d.Expose()), "nonce": hexOf(r.Expose()), "signature": text + hexOf(v)}, nil
}

func refuseSignatures(p *spec.Page, all identity.Key) error {
	k := only(all, identity.Channel)
	outsideU, err := sign(k, k, "message", plusOrderThree)
	if err != nil {
		return err
	}
	decrypt, err := sign(k, only(all, identity.Decrypt), "message", untouched)
	if err != nil {
		return err
	}
	good := p.Accept[1]
	u, v, zero := good["signature"][:96], good["signature"][96:], strings.Repeat("00", 32)
	outsideV, err := plusOrderThree(v)
	if err != nil {
		return err
	}
	p.Refuse = []spec.Case{
		refused(good, "another message", "message", "00"),
		refused(good, "another name", "name", "spiffe://example.org/api"),
		refused(good, "another device", "device", zero[:62]+"01"),
		refused(good, "another epoch", "epoch", hexOf(k.Epoch.Next().Bytes())),
		refused(good, "another domain", "domainID", zero),
		refused(good, "another master", "master", hexOf(secret("other").G2().Bytes())),
		refused(good, "signature of another message", "signature", p.Accept[0]["signature"]),
		refused(decrypt, "made with the decrypt key of the name"),
		refused(good, "U and V swapped", "signature", v+u),
		refused(good, "U is the identity", "signature", identityG1+v),
		refused(good, "V is the identity", "signature", u+identityG1),
		refused(outsideU, "U outside the subgroup, which the pairing does not tell"),
		refused(good, "V outside the subgroup, which the pairing does not tell", "signature", u+outsideV),
		refused(good, "short", "signature", u+v[2:]),
		refused(good, "long", "signature", u+v+"00"),
		refused(good, "empty", "signature", ""),
	}
	return nil
}
