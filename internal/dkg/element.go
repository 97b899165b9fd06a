package dkg

import (
	"fmt"

	"milagro.dev/internal/pairing"
)

// Kind is what a ceremony makes.
type Kind string

// The kinds of ceremony: a domain's public master, with values in G2, or the
// master of an M-Pin service, with values in G1 and none in G2.
const (
	Public Kind = "public"
	Pin    Kind = "mpin"
)

// element is a point of the group in which a kind commits. The zero element is
// neutral.
type element struct {
	kind Kind
	g1   pairing.G1
	g2   pairing.G2
}

func (k Kind) size() int {
	if k == Pin {
		return pairing.G1Size
	}
	return pairing.G2Size
}

// lift returns s times the generator.
func (k Kind) lift(s pairing.Secret) element {
	if k == Pin {
		return element{kind: k, g1: s.G1()}
	}
	return element{kind: k, g2: s.G2()}
}

func (k Kind) generator() element {
	if k == Pin {
		return element{kind: k, g1: pairing.G1Generator()}
	}
	return element{kind: k, g2: pairing.G2Generator()}
}

func (k Kind) parse(b []byte) (e element, err error) {
	e.kind = k
	if k == Pin {
		e.g1, err = pairing.ParseG1(b)
	} else {
		e.g2, err = pairing.ParseG2(b)
	}
	if err != nil {
		return element{}, fmt.Errorf("commitment: %w", err)
	}
	return e, nil
}

// Add returns e + o.
func (e element) Add(o element) element {
	if e.kind == "" {
		return o
	}
	return element{kind: e.kind, g1: e.g1.Add(o.g1), g2: e.g2.Add(o.g2)}
}

// Equal reports whether e and o are the same point.
func (e element) Equal(o element) bool {
	return e.kind == o.kind && e.g1.Equal(o.g1) && e.g2.Equal(o.g2)
}

// Mul returns k·e.
func (e element) Mul(k pairing.Scalar) element {
	if e.kind == Pin {
		return element{kind: e.kind, g1: e.g1.Mul(k)}
	}
	return element{kind: e.kind, g2: e.g2.Mul(k)}
}

// Bytes returns the compressed point.
func (e element) Bytes() []byte {
	if e.kind == Pin {
		return e.g1.Bytes()
	}
	return e.g2.Bytes()
}
