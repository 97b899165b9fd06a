package keys

import (
	"errors"
	"math/bits"
	"slices"
	"testing"

	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
)

func TestAnyThresholdSharesMakeTheKey(t *testing.T) {
	for _, c := range [][2]int{{2, 2}, {2, 3}, {3, 3}, {3, 5}, {5, 6}} {
		threshold, n := c[0], c[1]
		d, point := newDomain(t, threshold, n), somePoint(1)
		all := d.issue(point)
		whole := must[Private](t)(Combine(threshold, all))
		if err := whole.Verify(point, d.master); err != nil {
			t.Fatalf("%d of %d: %v", threshold, n, err)
		}
		for subset := range 1 << n {
			if bits.OnesCount(uint(subset)) < threshold {
				continue
			}
			var shares []Share
			for i := range all {
				if subset>>i&1 == 1 {
					shares = append([]Share{all[i]}, shares...) // backwards: the order is nobody's
				}
			}
			if key := must[Private](t)(Combine(threshold, shares)); !key.Secret().Equal(whole.Secret()) {
				t.Errorf("%d of %d: subset %b makes another key", threshold, n, subset)
			}
		}
	}
}

func TestFewerThanThresholdSharesMakeNoKey(t *testing.T) {
	d, point := newDomain(t, 3, 5), somePoint(1)
	shares := d.issue(point)[:2]
	if _, err := Combine(3, shares); !errors.Is(err, ErrThreshold) {
		t.Errorf("2 shares of threshold 3: %v", err)
	}
	for threshold := 1; threshold <= 2; threshold++ {
		key, err := Combine(threshold, shares)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Verify(point, d.master); !errors.Is(err, ErrKey) {
			t.Errorf("%d shares combined to a key: %v", threshold, err)
		}
	}
}

func TestCombineRefuses(t *testing.T) {
	d := newDomain(t, 2, 3)
	s := d.issue(somePoint(1))
	zero := Share{index: 0, generation: s[0].generation, point: s[0].point}
	for name, c := range map[string]struct {
		threshold int
		shares    []Share
		want      error
	}{
		"none":               {2, nil, ErrThreshold},
		"threshold 0":        {0, s, ErrThreshold},
		"negative threshold": {-1, s, ErrThreshold},
		"one share twice":    {2, []Share{s[0], s[0]}, ErrThreshold},
		"index 0":            {2, []Share{zero, s[1]}, vss.ErrIndices},
	} {
		if _, err := Combine(c.threshold, c.shares); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestGenerationsNeverCombine deals one master twice, as a resharing does: one
// old share and one new one would interpolate to nobody's key.
func TestGenerationsNeverCombine(t *testing.T) {
	s, point := pairing.RandomSecret(), somePoint(1)
	old := deal(t, s, Generation{Counter: 1, Hash: [32]byte{1}}, 2, 3)
	for name, g := range map[string]Generation{
		"another counter": {Counter: 2, Hash: [32]byte{1}},
		"another hash":    {Counter: 1, Hash: [32]byte{2}},
	} {
		young := deal(t, s, g, 2, 3)
		mixed := []Share{old.issue(point)[0], young.issue(point)[1]}
		if _, err := Combine(2, mixed); !errors.Is(err, ErrGeneration) {
			t.Errorf("%s: %v", name, err)
		}
		late := append(old.issue(point)[:2], young.issue(point)[2])
		if _, err := Combine(2, late); !errors.Is(err, ErrGeneration) {
			t.Errorf("%s, beyond the threshold: %v", name, err)
		}
		mixed[1].generation = mixed[0].generation
		key := must[Private](t)(Combine(2, mixed))
		if key.Verify(point, old.master) == nil {
			t.Error("shares of two dealings make a key: the test shows nothing")
		}
	}
}

func TestVerifySharesNamesTheLiar(t *testing.T) {
	d, point := newDomain(t, 3, 5), somePoint(1)
	honest := d.issue(point)
	if bad := VerifyShares(point, honest, d.publics); len(bad) != 0 {
		t.Fatalf("honest authorities blamed: %v", bad)
	}
	stranger := honest[1]
	stranger.index = 9
	for name, liar := range map[string]Share{
		"of another identity":  d.holders[1].Issue(somePoint(2)),
		"of another master":    newDomain(t, 3, 5).holders[1].Issue(point),
		"of another authority": {index: 2, generation: honest[1].generation, point: honest[0].point},
		"a little wrong":       forged(t, honest[1], pairing.G1Generator()),
		"nothing":              {index: 2, generation: honest[1].generation},
		"of an unknown index":  stranger,
	} {
		shares := slices.Clone(honest)
		shares[1] = liar
		if bad := VerifyShares(point, shares, d.publics); !slices.Equal(bad, []uint32{liar.index}) {
			t.Errorf("share %s: blamed %v, want %d", name, bad, liar.index)
		}
		if bad := VerifyShares(point, shares[1:2], d.publics); !slices.Equal(bad, []uint32{liar.index}) {
			t.Errorf("share %s alone: blamed %v, want %d", name, bad, liar.index)
		}
	}
	if bad := VerifyShares(point, nil, d.publics); len(bad) != 0 {
		t.Errorf("nobody gave a share and %v are blamed", bad)
	}
}

// TestLiesThatCancelAreNamed adds an error to one share and takes it from
// another: with equal weights the sum is right.
func TestLiesThatCancelAreNamed(t *testing.T) {
	d, point := newDomain(t, 2, 3), somePoint(1)
	shares, lie := d.issue(point), somePoint(7)
	shares[0], shares[2] = forged(t, shares[0], lie), forged(t, shares[2], lie.Neg())
	sum, publics := pairing.SecretG1{}, pairing.G2{}
	for _, s := range shares {
		sum, publics = sum.Add(s.point), publics.Add(d.publics[s.index])
	}
	if !verified(sum, point, publics) {
		t.Fatal("the lies do not cancel: the test shows nothing")
	}
	if bad := VerifyShares(point, shares, d.publics); !slices.Equal(bad, []uint32{1, 3}) {
		t.Errorf("blamed %v, want [1 3]", bad)
	}
}

func TestEveryShareButTheFalseOneSuffices(t *testing.T) {
	d, point := newDomain(t, 2, 3), somePoint(1)
	shares := d.issue(point)
	shares[0] = forged(t, shares[0], somePoint(7))
	spoilt := must[Private](t)(Combine(2, shares))
	if err := spoilt.Verify(point, d.master); !errors.Is(err, ErrKey) {
		t.Errorf("key of a false share: %v", err)
	}
	bad := VerifyShares(point, shares, d.publics)
	good := slices.DeleteFunc(shares, func(s Share) bool { return slices.Contains(bad, s.Index()) })
	key := must[Private](t)(Combine(2, good))
	if err := key.Verify(point, d.master); err != nil {
		t.Error(err)
	}
}

func TestWeightsAreShortAndFresh(t *testing.T) {
	a, b := pairing.RandomWeight(), pairing.RandomWeight()
	if a.Equal(b) {
		t.Error("two weights are the same")
	}
	if a.IsZero() || slices.Max(a.Bytes()[:16]) != 0 {
		t.Errorf("weight %x is 0 or longer than 128 bits", a.Bytes())
	}
}

func BenchmarkVerifyShares3(b *testing.B) {
	d, point := newDomain(b, 3, 3), somePoint(1)
	shares := d.issue(point)
	for b.Loop() {
		if bad := VerifyShares(point, shares, d.publics); len(bad) != 0 {
			b.Fatal(bad)
		}
	}
}

func BenchmarkCombine3(b *testing.B) {
	shares := newDomain(b, 3, 3).issue(somePoint(1))
	for b.Loop() {
		if _, err := Combine(3, shares); err != nil {
			b.Fatal(err)
		}
	}
}
