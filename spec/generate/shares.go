package main

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
	"milagro.dev/spec"
)

// identityG1 is the identity of G1, which no decoder accepts.
var identityG1 = "c0" + strings.Repeat("00", 47)

// generation is the one that the vectors are of.
func generation() keys.Generation {
	return keys.Generation{Counter: 1, Hash: sha256.Sum256([]byte("generation"))}
}

// share returns f(index) of the polynomial of degree 1 that seed stands for.
func share(seed string, index uint64) pairing.Secret {
	return secret(seed).Add(secret(seed + " slope").MulPublic(pairing.NewScalar(index)))
}

func sharesPage() (*spec.Page, error) {
	p := &spec.Page{About: "what \"share\": share is that of authority index, with public share public, of the key of point. " +
		"what \"key\": key is that of point under master. what \"combine\": threshold shares, as index:share separated by commas, " +
		"all of one generation, combine to key. what \"generation\": bytes are counter and hash. All points in hexadecimal."}
	k, err := subject()
	if err != nil {
		return nil, err
	}
	point, err := only(k, identity.Channel).Point()
	if err != nil {
		return nil, err
	}
	issued := map[uint64]string{}
	for index := uint64(1); index <= 3; index++ {
		s := share("master", index)
		issued[index] = hexOf(point.MulSecret(s).Expose())
		p.Accept = append(p.Accept, spec.Case{"what": "share", "index": fmt.Sprint(index), "point": hexOf(point.Bytes()),
			"public": hexOf(s.G2().Bytes()), "share": issued[index]})
	}
	key := spec.Case{"what": "key", "point": hexOf(point.Bytes()), "master": hexOf(secret("master").G2().Bytes()),
		"key": hexOf(point.MulSecret(secret("master")).Expose())}
	g := generation()
	written := spec.Case{"what": "generation", "counter": "1", "hash": hexOf(g.Hash[:]), "bytes": hexOf(g.Bytes())}
	p.Accept = append(p.Accept, key, written)
	for _, s := range [][2]uint64{{1, 2}, {1, 3}, {2, 3}, {3, 1}} {
		p.Accept = append(p.Accept, combination(issued, key["key"], s[0], s[1]))
	}
	p.Accept = append(p.Accept, combination(issued, key["key"], 3, 2, 1)) // the first two
	return p, refuseShares(p, issued, key, written)
}

// combination is the case of threshold 2 in which these authorities gave their
// shares.
func combination(issued map[uint64]string, key string, indices ...uint64) spec.Case {
	var list []string
	for _, i := range indices {
		list = append(list, fmt.Sprintf("%d:%s", i, issued[i]))
	}
	return spec.Case{"what": "combine", "threshold": "2", "shares": strings.Join(list, ","), "key": key}
}

func refuseShares(p *spec.Page, issued map[uint64]string, key, written spec.Case) error {
	first, other := p.Accept[0], hexOf(pairing.G1Generator().Bytes())
	outside, err := plusOrderThree(issued[1])
	if err != nil {
		return err
	}
	outsideKey, err := plusOrderThree(key["key"])
	if err != nil {
		return err
	}
	p.Refuse = []spec.Case{
		refused(first, "another authority's share", "share", issued[2]),
		refused(first, "the identity", "share", identityG1),
		refused(first, "outside the subgroup, which the pairing does not tell", "share", outside),
		refused(first, "share of another point", "share", hexOf(pairing.G1Generator().MulSecret(share("master", 1)).Expose())),
		refused(first, "another point", "point", other),
		refused(first, "short", "share", issued[1][2:]),
		refused(first, "another public share", "public", p.Accept[1]["public"]),
		refused(key, "one share alone", "key", issued[1]),
		refused(key, "the identity", "key", identityG1),
		refused(key, "outside the subgroup, which the pairing does not tell", "key", outsideKey),
		refused(key, "another point", "point", other),
		refused(written, "generation with counter 0", "bytes", strings.Repeat("0", 16)+written["bytes"][16:]),
		refused(written, "generation of 39 bytes", "bytes", written["bytes"][2:]),
		refused(written, "generation of 41 bytes", "bytes", written["bytes"]+"00"),
		refused(combination(issued, "", 1), "too few"),
		refused(combination(issued, "", 1, 1), "one index twice"),
		{"what": "combine", "threshold": "2", "shares": fmt.Sprintf("0:%s,1:%s", issued[2], issued[1]), "key": "", "reason": "index 0"},
	}
	return nil
}
