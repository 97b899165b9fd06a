package pairing

// Pair is a pair of points, one of each group: an argument of ProductIsOne. It
// may hold a secret and is guarded like one.
type Pair struct {
	guard
	p *point1
	q *point2
}

// NewPair returns (p, q) as an argument of ProductIsOne.
func NewPair(p G1, q G2) Pair { return Pair{p: &p.p, q: &q.p} }

// ProductIsOne reports whether Π e(p, q) over pairs is 1 in GT, with a single
// final exponentiation. A pair in which either point is the identity contributes
// 1, and the empty product is 1.
func ProductIsOne(pairs ...Pair) bool {
	ps := make([]*point1, 0, len(pairs))
	qs := make([]*point2, 0, len(pairs))
	for _, a := range pairs {
		if a.p == nil || a.q == nil || equal1(a.p, new(point1)) || equal2(a.q, new(point2)) {
			continue
		}
		ps, qs = append(ps, a.p), append(qs, a.q)
	}
	return len(ps) == 0 || productIsOne(ps, qs)
}
