package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
)

func proofsPage() (*spec.Page, error) {
	p := &spec.Page{About: "proof shows that share is that of authority index of the key of point, under the public share public in G1 and the other " +
		"fields of the statement; all in hexadecimal but purpose, counter and index. With secret and nonce, s_i and k of spec/shares.md, the same proof comes out."}
	all, err := subject()
	if err != nil {
		return nil, err
	}
	for _, purpose := range []identity.Purpose{identity.MPin, identity.Permit} {
		k := only(all, purpose)
		point, err := k.Point()
		if err != nil {
			return nil, err
		}
		c, err := prove(k, point, hexOf(point.MulSecret(share("pin master", 1)).Expose()), "nonce")
		if err != nil {
			return nil, err
		}
		p.Accept = append(p.Accept, c)
	}
	return p, refuseProofs(p)
}

// prove is spec/shares.md "M-Pin master": authority 1 proves issued, true or
// not, with a nonce that comes from a seed.
func prove(k identity.Key, point pairing.G1, issued, seed string) (spec.Case, error) {
	s, nonce, g, request := share("pin master", 1), secret(seed), generation(), sha256.Sum256([]byte("request"))
	given, err := hex.DecodeString(issued)
	if err != nil {
		return nil, err
	}
	c, err := pairing.HashToScalar("MILAGRO-V1-DLEQ-SCALAR_XMD:SHA-256", encoding.LP("milagro/v1 dleq",
		k.Domain[:], k.Service[:], []byte(k.Purpose), g.Bytes(), encoding.U32(1), request[:], pairing.G1Generator().Bytes(),
		point.Bytes(), s.G1().Bytes(), given, nonce.G1().Bytes(), point.MulSecret(nonce).Expose()))
	if err != nil {
		return nil, err
	}
	z := nonce.Add(s.MulPublic(c)).Publish()
	return spec.Case{"domainID": hexOf(k.Domain[:]), "serviceID": hexOf(k.Service[:]), "purpose": string(k.Purpose), "counter": "1",
		"generation": hexOf(g.Hash[:]), "index": "1", "request": hexOf(request[:]), "point": hexOf(point.Bytes()), "public": hexOf(s.G1().Bytes()),
		"share": issued, "proof": hexOf(c.Bytes()) + hexOf(z.Bytes()), "secret": hexOf(s.Expose()), "nonce": hexOf(nonce.Expose())}, nil
}

func refuseProofs(p *spec.Page) error {
	good := p.Accept[0]
	zero, c, z := strings.Repeat("00", 32), good["proof"][:64], good["proof"][64:]
	point, err := hex.DecodeString(good["point"])
	if err != nil {
		return err
	}
	a, err := pairing.ParseG1(point)
	if err != nil {
		return err
	}
	outside, err := proveOutside(a, good["share"])
	if err != nil {
		return err
	}
	p.Refuse = []spec.Case{
		refused(good, "another index", "index", "2"),
		refused(good, "another counter", "counter", "2"),
		refused(good, "another generation", "generation", zero),
		refused(good, "another purpose", "purpose", "permit"),
		refused(good, "another request", "request", zero),
		refused(good, "another service", "serviceID", zero),
		refused(good, "another domain", "domainID", zero),
		refused(good, "another point", "point", p.Accept[1]["point"]),
		refused(good, "another share", "share", hexOf(a.MulSecret(share("pin master", 2)).Expose())),
		refused(good, "another public share", "public", hexOf(share("pin master", 2).G1().Bytes())),
		outside,
		refused(good, "c is zero", "proof", zero+z),
		refused(good, "z is zero", "proof", c+zero),
		refused(good, "c is r", "proof", groupOrder+z),
		refused(good, "z is r", "proof", c+groupOrder),
		refused(good, "c and z swapped", "proof", z+c),
		refused(good, "short", "proof", c+z[2:]),
		refused(good, "long", "proof", c+z+"00"),
	}
	return nil
}

// proveOutside proves a share outside the subgroup: its component of order 3
// vanishes when the challenge is a multiple of 3, so nonces are tried until it
// is, and the subgroup check alone refuses the proof.
func proveOutside(point pairing.G1, issued string) (spec.Case, error) {
	all, err := subject()
	if err != nil {
		return nil, err
	}
	outside, err := plusOrderThree(issued)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		c, err := prove(only(all, identity.MPin), point, outside, fmt.Sprint("nonce ", try))
		if err != nil {
			return nil, err
		}
		challenge, _ := new(big.Int).SetString(c["proof"][:64], 16)
		if challenge.Mod(challenge, big.NewInt(3)).Sign() == 0 {
			return refused(c, "share outside the subgroup, which the equations do not tell"), nil
		}
	}
}
