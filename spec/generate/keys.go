package main

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
	"milagro.dev/spec"
)

// share returns f(index) of the polynomial of degree 1 that seed stands for.
func share(seed string, index uint64) pairing.Secret {
	return secret(seed).Add(secret(seed + " slope").MulPublic(pairing.NewScalar(index)))
}

func sharesPage() (*spec.Page, error) {
	p := &spec.Page{About: "what \"share\": share is that of authority index, with public share public, of the key of point. what \"key\": key is that of point under master. " +
		"what \"combine\": threshold shares, as index:share separated by commas, all of one generation, combine to key. what \"generation\": bytes are counter and hash. All points in hexadecimal."}
	k, err := subject()
	if err != nil {
		return nil, err
	}
	point, err := only(k, identity.Channel).Point()
	if err != nil {
		return nil, err
	}
	at := hexOf(point.Bytes())
	issued := map[uint64]string{}
	for index := uint64(1); index <= 3; index++ {
		issued[index] = hexOf(point.MulSecret(share("master", index)).Expose())
		p.Accept = append(p.Accept, spec.Case{"what": "share", "index": fmt.Sprint(index), "point": at, "public": hexOf(share("master", index).G2().Bytes()), "share": issued[index]})
	}
	key := hexOf(point.MulSecret(secret("master")).Expose())
	g := generation()
	p.Accept = append(p.Accept, spec.Case{"what": "key", "point": at, "master": hexOf(secret("master").G2().Bytes()), "key": key},
		spec.Case{"what": "generation", "counter": "1", "hash": hexOf(g.Hash[:]), "bytes": hexOf(g.Bytes())})
	for _, pair := range [][2]uint64{{1, 2}, {1, 3}, {2, 3}, {3, 1}} {
		p.Accept = append(p.Accept, spec.Case{"what": "combine", "threshold": "2", "shares": fmt.Sprintf("%d:%s,%d:%s", pair[0], issued[pair[0]], pair[1], issued[pair[1]]), "key": key})
	}
	identityPoint := "c0" + strings.Repeat("00", 47)
	first, master := p.Accept[0], p.Accept[3]
	p.Refuse = []spec.Case{
		refused(first, "another authority's share", "share", issued[2]), refused(first, "the identity", "share", identityPoint),
		refused(first, "share of another point", "share", hexOf(pairing.G1Generator().MulSecret(share("master", 1)).Expose())),
		refused(first, "short", "share", issued[1][2:]), refused(first, "another public share", "public", p.Accept[1]["public"]),
		refused(master, "one share alone", "key", issued[1]), refused(master, "the identity", "key", identityPoint),
		{"what": "combine", "threshold": "2", "shares": "1:" + issued[1], "reason": "too few"},
		{"what": "combine", "threshold": "2", "shares": fmt.Sprintf("1:%s,1:%s", issued[1], issued[1]), "reason": "one index twice"},
		{"what": "combine", "threshold": "2", "shares": fmt.Sprintf("0:%s,1:%s", issued[2], issued[1]), "reason": "index 0"},
	}
	return p, nil
}

func proofsPage() (*spec.Page, error) {
	p := &spec.Page{About: "proof shows that share is that of authority index of the key of point, under the public share public in G1 and the other fields of the statement; all in hexadecimal but purpose, counter and index."}
	all, err := subject()
	if err != nil {
		return nil, err
	}
	k := only(all, identity.MPin)
	point, err := k.Point()
	if err != nil {
		return nil, err
	}
	s := share("pin master", 1)
	st := keys.ProofStatement{Domain: k.Domain, Service: k.Service, Purpose: k.Purpose, Generation: generation(), Index: 1,
		RequestHash: sha256.Sum256([]byte("request")), Point: point, Public: s.G1()}
	issued := point.MulSecret(s).Expose()
	nonce := secret("nonce")
	c, err := pairing.HashToScalar("MILAGRO-V1-DLEQ-SCALAR_XMD:SHA-256", encoding.LP("milagro/v1 dleq", st.Domain[:], st.Service[:], []byte(st.Purpose), st.Generation.Bytes(),
		encoding.U32(1), st.RequestHash[:], pairing.G1Generator().Bytes(), point.Bytes(), st.Public.Bytes(), issued, nonce.G1().Bytes(), point.MulSecret(nonce).Expose()))
	if err != nil {
		return nil, err
	}
	proof := append(c.Bytes(), nonce.Add(s.MulPublic(c)).Publish().Bytes()...)
	good := spec.Case{"domainID": hexOf(st.Domain[:]), "serviceID": hexOf(st.Service[:]), "purpose": string(st.Purpose), "counter": "1", "generation": hexOf(st.Generation.Hash[:]),
		"index": "1", "request": hexOf(st.RequestHash[:]), "point": hexOf(point.Bytes()), "public": hexOf(st.Public.Bytes()), "share": hexOf(issued), "proof": hexOf(proof)}
	p.Accept = []spec.Case{good}
	zero := strings.Repeat("00", 32)
	p.Refuse = []spec.Case{
		refused(good, "another index", "index", "2"), refused(good, "another generation", "counter", "2"), refused(good, "another purpose", "purpose", "permit"),
		refused(good, "another request", "request", zero), refused(good, "another service", "serviceID", zero), refused(good, "another domain", "domainID", zero),
		refused(good, "another share", "share", hexOf(point.MulSecret(share("pin master", 2)).Expose())), refused(good, "another public share", "public", hexOf(share("pin master", 2).G1().Bytes())),
		refused(good, "c is zero", "proof", zero+hexOf(proof[32:])), refused(good, "z is zero", "proof", hexOf(proof[:32])+zero), refused(good, "c and z swapped", "proof", hexOf(proof[32:])+hexOf(proof[:32])),
		refused(good, "short", "proof", hexOf(proof[:63])), refused(good, "long", "proof", hexOf(proof)+"00"),
	}
	return p, nil
}

func ibsPage() (*spec.Page, error) {
	p := &spec.Page{About: "signature is one of message by the channel key of name, device and epoch in the domain with domainID, under master; all in hexadecimal but name. key is the signer's, for implementations that sign."}
	all, err := subject()
	if err != nil {
		return nil, err
	}
	k := only(all, identity.Channel)
	point, err := k.Point()
	if err != nil {
		return nil, err
	}
	d := point.MulSecret(secret("master"))
	good := spec.Case{"master": hexOf(secret("master").G2().Bytes()), "domainID": hexOf(k.Domain[:]), "name": k.Name.String(), "device": hexOf(k.Device[:]),
		"epoch": hexOf(k.Epoch.Bytes()), "key": hexOf(d.Expose())}
	for _, message := range []string{"", "message", strings.Repeat("long ", 100)} {
		signature, err := sign(k, point, d, []byte(message))
		if err != nil {
			return nil, err
		}
		c := refused(good, "", "message", hexOf([]byte(message)), "signature", hexOf(signature))
		delete(c, "reason")
		p.Accept = append(p.Accept, c)
	}
	first := p.Accept[1]
	s := first["signature"]
	identityPoint, zero := "c0"+strings.Repeat("00", 47), strings.Repeat("00", 32)
	p.Refuse = []spec.Case{
		refused(first, "another message", "message", "00"), refused(first, "another name", "name", "spiffe://example.org/api"), refused(first, "another device", "device", zero[:62]+"01"),
		refused(first, "another epoch", "epoch", hexOf(k.Epoch.Next().Bytes())), refused(first, "another domain", "domainID", zero),
		refused(first, "another master", "master", hexOf(secret("other").G2().Bytes())), refused(first, "signature of another message", "signature", p.Accept[0]["signature"]),
		refused(first, "U and V swapped", "signature", s[96:]+s[:96]), refused(first, "U is the identity", "signature", identityPoint+s[96:]), refused(first, "V is the identity", "signature", s[:96]+identityPoint),
		refused(first, "short", "signature", s[:190]), refused(first, "long", "signature", s+"00"), refused(first, "empty", "signature", ""),
	}
	return p, nil
}

// sign is spec/ibs.md with a nonce that comes from a seed.
func sign(k identity.Key, point pairing.G1, d pairing.SecretG1, message []byte) ([]byte, error) {
	r := secret("nonce of " + string(message))
	u := point.MulSecret(r).Expose()
	h, err := pairing.HashToScalar("MILAGRO-V1-IBS-SCALAR_XMD:SHA-256", encoding.LP("milagro/v1 ibs", k.Domain[:], []byte(k.Name.String()), k.Device[:], k.Epoch.Bytes(), u, message))
	if err != nil {
		return nil, err
	}
	return append(u, d.MulSecret(r.AddPublic(h)).Expose()...), nil
}
