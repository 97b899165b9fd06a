package keys

import (
	"encoding/binary"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
)

// domain is a master shared among n authorities, all of which the test plays.
type domain struct {
	threshold int
	master    Master
	pin       PinMaster
	holders   []MasterShare
	publics   map[uint32]pairing.G2
	pins      map[uint32]pairing.G1
}

func newDomain(t testing.TB, threshold, n int) *domain {
	t.Helper()
	return deal(t, pairing.RandomSecret(), Generation{Counter: 1, Hash: [32]byte{1}}, threshold, n)
}

func deal(t testing.TB, s pairing.Secret, g Generation, threshold, n int) *domain {
	t.Helper()
	d := &domain{threshold: threshold, publics: map[uint32]pairing.G2{}, pins: map[uint32]pairing.G1{}}
	var err error
	if d.master, err = ParseMaster(s.G2().Bytes()); err != nil {
		t.Fatal(err)
	}
	if d.pin, err = ParsePinMaster(s.G1().Bytes()); err != nil {
		t.Fatal(err)
	}
	p := vss.WithConstant(s, threshold)
	for i := range uint32(n) {
		h := NewMasterShare(i+1, g, p.At(i+1))
		d.holders = append(d.holders, h)
		d.publics[i+1], d.pins[i+1] = h.Public(), h.PublicPin()
	}
	return d
}

// issue returns every authority's share of the key of point.
func (d *domain) issue(point pairing.G1) []Share {
	var shares []Share
	for _, h := range d.holders {
		shares = append(shares, h.Issue(point))
	}
	return shares
}

// statement returns what authority index proves about its share of point.
func (d *domain) statement(index uint32, point pairing.G1) ProofStatement {
	return ProofStatement{Domain: identity.DomainID{1}, Service: identity.ServiceID{2}, Purpose: identity.MPin,
		Generation: d.holders[0].Generation(), Index: index, RequestHash: [32]byte{3}, Point: point, Public: d.pins[index]}
}

// somePoint returns a point that stands for the n-th identity.
func somePoint(n uint64) pairing.G1 {
	return pairing.HashToG1("TEST", binary.BigEndian.AppendUint64(nil, n))
}

// forged returns share moved by the point error.
func forged(t testing.TB, s Share, err pairing.G1) Share {
	t.Helper()
	f, parseErr := ParseShare(s.Index(), s.Generation(), s.point.Publish().Add(err).Bytes())
	if parseErr != nil {
		t.Fatal(parseErr)
	}
	return f
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
