package main

import (
	"crypto/sha512"
	"math/big"
	"strings"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
)

// fieldOrder is p of spec/groups.md.
const fieldOrder = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"

const groupOrder = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001"

// secret is the scalar that seed stands for: SHA-512(seed) mod r.
func secret(seed string) pairing.Secret {
	wide := sha512.Sum512([]byte(seed))
	return pairing.WideSecret(&wide)
}

func encodingPage() (*spec.Page, error) {
	p := &spec.Page{About: "lp is LP(label, parts…), all in hexadecimal but label, which is text; parts are separated by commas, and none is \"none\" rather than one empty part. " +
		"A case to refuse is not LP(label, exactly one part of exactly 4 bytes)."}
	for _, parts := range [][][]byte{{{1, 2, 3}, nil}, {}, {nil}, {[]byte("ab"), []byte("c")}, {[]byte("a"), []byte("bc")}, {encoding.U32(1), encoding.U64(2), encoding.U8(3)}, {encoding.List([]byte("x"), nil)}} {
		var list []string
		for _, part := range parts {
			list = append(list, hexOf(part))
		}
		text := strings.Join(list, ",")
		if len(parts) == 0 {
			text = "none"
		}
		p.Accept = append(p.Accept, spec.Case{"label": "milagro/v1 example", "parts": text, "lp": hexOf(encoding.LP("milagro/v1 example", parts...))})
	}
	good := encoding.LP("milagro/v1 example", encoding.U32(7))
	for reason, b := range map[string][]byte{
		"a byte too many": append(append([]byte{}, good...), 0), "truncated": good[:len(good)-1], "empty": {},
		"another label": encoding.LP("milagro/v1 exbmple", encoding.U32(7)), "a longer label": encoding.LP("milagro/v1 examples", encoding.U32(7)),
		"a part too many": encoding.LP("milagro/v1 example", encoding.U32(7), nil), "a part missing": encoding.LP("milagro/v1 example"),
		"part of 3 bytes": encoding.LP("milagro/v1 example", []byte{1, 2, 3}), "part of 5 bytes": encoding.LP("milagro/v1 example", []byte{1, 2, 3, 4, 5}),
	} {
		p.Refuse = append(p.Refuse, spec.Case{"label": "milagro/v1 example", "lp": hexOf(b), "reason": reason})
	}
	sortByReason(p)
	return p, nil
}

func groupsPage() (*spec.Page, error) {
	p := &spec.Page{About: "what is \"g1\", \"g2\" or \"scalar\": bytes (hexadecimal) decode and encode to the same. \"g1 mul\", \"g2 mul\": bytes = scalar·P1 or ·P2. " +
		"\"hash to g1\", \"hash to scalar\": bytes come of message (hexadecimal) under dst (text)."}
	for _, seed := range []string{"one", "two"} {
		s := secret(seed)
		p.Accept = append(p.Accept, spec.Case{"what": "scalar", "bytes": hexOf(s.Expose())},
			spec.Case{"what": "g1", "bytes": hexOf(s.G1().Bytes())}, spec.Case{"what": "g2", "bytes": hexOf(s.G2().Bytes())},
			spec.Case{"what": "g1 mul", "scalar": hexOf(s.Expose()), "bytes": hexOf(s.G1().Bytes())},
			spec.Case{"what": "g2 mul", "scalar": hexOf(s.Expose()), "bytes": hexOf(s.G2().Bytes())})
	}
	for _, b := range [][]byte{pairing.G1Generator().Bytes(), pairing.G1Generator().Neg().Bytes()} {
		p.Accept = append(p.Accept, spec.Case{"what": "g1", "bytes": hexOf(b)})
	}
	for _, b := range [][]byte{pairing.G2Generator().Bytes(), pairing.G2Generator().Neg().Bytes()} {
		p.Accept = append(p.Accept, spec.Case{"what": "g2", "bytes": hexOf(b)})
	}
	if err := addHashes(p); err != nil {
		return nil, err
	}
	order3, err := plusOrderThree(hexOf(pairing.G1Generator().Bytes()))
	if err != nil {
		return nil, err
	}
	lower := append(pairing.G2Generator().Bytes()[:48], notCanonical(48)...)
	lower[48] &^= 0x80
	p.Refuse = append(badPoints("g1", pairing.G1Generator().Bytes()), badPoints("g2", pairing.G2Generator().Bytes())...)
	p.Refuse = append(p.Refuse, spec.Case{"what": "g1", "bytes": order3, "reason": "a component of order 3"},
		spec.Case{"what": "g2", "bytes": hexOf(lower), "reason": "second coordinate not below p"})
	p.Refuse = append(p.Refuse, badScalars()...)
	return p, nil
}

// addHashes has a case for each DST in use, and long messages under one.
func addHashes(p *spec.Page) error {
	toG1 := func(use, message string) {
		dst := "MILAGRO-V1-" + use + "-BLS12381G1_XMD:SHA-256_SSWU_RO_"
		p.Accept = append(p.Accept, spec.Case{"what": "hash to g1", "dst": dst, "message": hexOf([]byte(message)),
			"bytes": hexOf(pairing.HashToG1(dst, []byte(message)).Bytes())})
	}
	toScalar := func(use, message string) error {
		dst := "MILAGRO-V1-" + use + "-SCALAR_XMD:SHA-256"
		h, err := pairing.HashToScalar(dst, []byte(message))
		p.Accept = append(p.Accept, spec.Case{"what": "hash to scalar", "dst": dst, "message": hexOf([]byte(message)), "bytes": hexOf(h.Bytes())})
		return err
	}
	for _, use := range []string{"CHANNEL", "DECRYPT", "DOCUMENT", "FRESH", "MPIN", "PERMIT", "TEST"} {
		toG1(use, "abc")
	}
	for _, message := range []string{"", strings.Repeat("a", 200)} {
		toG1("CHANNEL", message)
		if err := toScalar("IBS", message); err != nil {
			return err
		}
	}
	for _, use := range []string{"IBS", "DLEQ", "POP", "PIN", "MPINY"} {
		if err := toScalar(use, "abc"); err != nil {
			return err
		}
	}
	return nil
}

// badPoints are the classes that a decoder refuses, made from a good point.
func badPoints(what string, good []byte) []spec.Case {
	with := func(reason string, b []byte) spec.Case {
		return spec.Case{"what": what, "bytes": hexOf(b), "reason": reason}
	}
	flags := func(flag byte) []byte { b := append([]byte{}, good...); b[0] ^= flag; return b }
	identity := append([]byte{0xc0}, make([]byte, len(good)-1)...)
	return []spec.Case{
		with("short", good[:len(good)-1]), with("long", append(append([]byte{}, good...), 0)), with("empty", nil),
		with("not compressed", flags(0x80)), with("identity flag on a point", flags(0x40)),
		with("the identity", identity), with("the identity, other spelling", append([]byte{0xe0}, identity[1:]...)),
		with("coordinate not below p", notCanonical(len(good))), with("not on the curve", search(what, good, "not on the curve")),
		with("not in the subgroup", search(what, good, "not in the subgroup")),
	}
}

func notCanonical(size int) []byte {
	p, _ := new(big.Int).SetString(fieldOrder, 16)
	b := make([]byte, size)
	p.FillBytes(b[:48])
	b[0] |= 0x80
	return b
}

// search counts x up until the decoder refuses it for the reason wanted.
func search(what string, good []byte, want string) []byte {
	for x := byte(1); ; x++ {
		b := append([]byte{0x80}, make([]byte, len(good)-1)...)
		b[len(b)-1] = x
		var err error
		if what == "g1" {
			_, err = pairing.ParseG1(b)
		} else {
			_, err = pairing.ParseG2(b)
		}
		if err != nil && strings.Contains(err.Error(), want) {
			return b
		}
	}
}

func badScalars() []spec.Case {
	r, _ := new(big.Int).SetString(groupOrder, 16)
	with := func(reason string, n *big.Int, size int) spec.Case {
		return spec.Case{"what": "scalar", "bytes": hexOf(n.FillBytes(make([]byte, size))), "reason": reason}
	}
	all := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	return []spec.Case{with("zero", new(big.Int), 32), with("r", r, 32), with("r + 1", new(big.Int).Add(r, big.NewInt(1)), 32),
		with("2^256 - 1", all, 32), with("31 bytes", big.NewInt(1), 31), with("33 bytes", big.NewInt(1), 33)}
}
