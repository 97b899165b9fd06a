package pairing

import "sync"

// Pair is a pair of points, one of each group: an argument of ProductIsOne. It
// may hold a secret and is guarded like one.
type Pair struct {
	guard
	p     *point1
	q     *point2
	lines *lines2 // of q, where they are known
}

// NewPair returns (p, q) as an argument of ProductIsOne.
func NewPair(p G1, q G2) Pair { return Pair{p: &p.p, q: &q.p, lines: q.lines} }

// generatorLines are those of P2; they are made when they are first needed.
var generatorLines = sync.OnceValue(func() *lines2 { return prepare2(generator2()) })

// WithGenerator returns (p, P2) as an argument of ProductIsOne, which takes it
// faster than that of NewPair where the one other pair is of a prepared point.
func WithGenerator(p G1) Pair { return Pair{p: &p.p, q: generator2(), lines: generatorLines()} }

// ProductIsOne reports whether Π e(p, q) over pairs is 1 in GT, with a single
// final exponentiation. A pair in which either point is the identity contributes
// 1, and the empty product is 1.
func ProductIsOne(pairs ...Pair) bool {
	ps := make([]*point1, 0, len(pairs))
	qs := make([]*point2, 0, len(pairs))
	var lines []*lines2
	for _, a := range pairs {
		if a.p == nil || a.q == nil || equal1(a.p, new(point1)) || equal2(a.q, new(point2)) {
			continue
		}
		ps, qs = append(ps, a.p), append(qs, a.q)
		if a.lines != nil {
			lines = append(lines, a.lines)
		}
	}
	if len(ps) == 2 && len(lines) == 2 {
		return productOfTwo(ps, lines)
	}
	return len(ps) == 0 || productIsOne(ps, qs)
}
