package dkg

import (
	"errors"
	"slices"
	"testing"

	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

func (r *run) testShares(t *testing.T) (*Certificate, []TestShare) {
	t.Helper()
	c := r.certificate(t)
	var shares []TestShare
	for _, p := range r.parties {
		share, err := c.MakeTestShare(p.Result().Share)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	return c, shares
}

func TestTrialNamesAFalseShare(t *testing.T) {
	for _, kind := range []Kind{Public, Pin} {
		r := newWorld(t, kind, 2, 3).start(t).toConfirm(t)
		c := r.certificate(t)
		var shares []TestShare
		for _, p := range r.parties {
			share, err := c.MakeTestShare(p.Result().Share)
			if err != nil {
				t.Fatal(err)
			}
			shares = append(shares, share)
		}
		swapped := slices.Clone(shares)
		swapped[1].Share = shares[0].Share
		for name, bad := range map[string][]TestShare{"another's share": swapped, "one missing": shares[:2], "one twice": {shares[0], shares[1], shares[1]}} {
			if err := c.VerifyTrial(bad); !errors.Is(err, ErrTrial) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
		}
		if err := c.VerifyTrial(swapped); !errors.Is(err, keys.ErrShare) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestEverySubsetMakesTheSameKey combines, beside the trial, every t shares of
// small ceremonies and holds the key against the secret that all n together know.
func TestEverySubsetMakesTheSameKey(t *testing.T) {
	for _, s := range [][2]int{{2, 2}, {2, 4}, {3, 4}, {4, 4}} {
		for _, kind := range []Kind{Public, Pin} {
			c, shares := newWorld(t, kind, s[0], s[1]).start(t).toConfirm(t).testShares(t)
			var parsed []keys.Share
			for _, share := range shares {
				p, err := keys.ParseShare(share.Index, c.Generation(), share.Share)
				if err != nil {
					t.Fatal(err)
				}
				parsed = append(parsed, p)
			}
			whole, err := keys.Combine(s[1], parsed)
			if err != nil {
				t.Fatal(err)
			}
			tried := 0
			err = eachSubset(parsed, s[0], func(chosen []keys.Share) error {
				tried++
				key, err := keys.Combine(s[0], chosen)
				if err == nil && !key.Secret().Equal(whole.Secret()) {
					t.Errorf("%s %d of %d: %v make another key", kind, s[0], s[1], chosen)
				}
				return err
			})
			if err != nil || tried != binomial(s[1], s[0]) {
				t.Errorf("%s %d of %d: %d subsets, error %v", kind, s[0], s[1], tried, err)
			}
		}
	}
}

func binomial(n, k int) int {
	if k == 0 || k == n {
		return 1
	}
	return binomial(n-1, k-1) + binomial(n-1, k)
}

// TestFewerThanTMakeAnotherKey: t−1 shares, taken for a sharing of lower
// threshold, combine to something else.
func TestFewerThanTMakeAnotherKey(t *testing.T) {
	c, shares := newWorld(t, Public, 3, 3).start(t).toConfirm(t).testShares(t)
	var parsed []keys.Share
	for _, share := range shares[:2] {
		p, err := keys.ParseShare(share.Index, c.Generation(), share.Share)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, p)
	}
	if _, err := keys.Combine(3, parsed); !errors.Is(err, keys.ErrThreshold) {
		t.Errorf("two of three: %v", err)
	}
	key, err := keys.Combine(2, parsed)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.verifyKey(key); !errors.Is(err, keys.ErrKey) {
		t.Errorf("the key of two: %v", err)
	}
}

// TestTrialOfManySubsetsEnds: 8 of 16 have 12,870 subsets.
func TestTrialOfManySubsetsEnds(t *testing.T) {
	c, shares := newWorld(t, Public, 8, 16).start(t).toConfirm(t).testShares(t)
	if err := c.VerifyTrial(shares); err != nil {
		t.Error(err)
	}
}

func TestTrialRefuses(t *testing.T) {
	for _, kind := range []Kind{Public, Pin} {
		w := newWorld(t, kind, 2, 3)
		c, shares := w.start(t).toConfirm(t).testShares(t)
		_, others := w.start(t).toConfirm(t).testShares(t)
		for name, change := range map[string]func([]TestShare){
			"another run's share":  func(s []TestShare) { s[0] = others[0] },
			"index 0":              func(s []TestShare) { s[0].Index = 0 },
			"index of nobody":      func(s []TestShare) { s[0].Index = 4 },
			"two indices swapped":  func(s []TestShare) { s[0].Index, s[1].Index = 2, 1 },
			"a short share":        func(s []TestShare) { s[2].Share = s[2].Share[:47] },
			"no share":             func(s []TestShare) { s[2].Share = nil },
			"the negated share":    func(s []TestShare) { s[2].Share = negated(t, s[2].Share) },
			"another proof":        func(s []TestShare) { s[1].Proof = others[1].Proof; s[1].Share = others[1].Share },
			"a proof of some kind": func(s []TestShare) { s[1].Proof = append(slices.Clone(s[1].Proof), 1) },
		} {
			bad := slices.Clone(shares)
			change(bad)
			if err := c.VerifyTrial(bad); !errors.Is(err, ErrTrial) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
		}
	}
}

// TestSubsetThatMakesAnotherKeyIsFound goes past the check of each share: the
// subsets themselves tell.
func TestSubsetThatMakesAnotherKeyIsFound(t *testing.T) {
	c, shares := newWorld(t, Public, 2, 4).start(t).toConfirm(t).testShares(t)
	shares[3].Share = negated(t, shares[3].Share)
	var parsed []keys.Share
	for _, share := range shares {
		p, err := keys.ParseShare(share.Index, c.Generation(), share.Share)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, p)
	}
	if err := c.combineSubsets(parsed); !errors.Is(err, ErrTrial) {
		t.Errorf("error = %v", err)
	}
}

func TestPinTestShareWithoutItsProofIsRefused(t *testing.T) {
	c, shares := newWorld(t, Pin, 2, 2).start(t).toConfirm(t).testShares(t)
	shares[0].Proof = shares[1].Proof
	if err := c.VerifyTrial(shares); !errors.Is(err, keys.ErrShare) {
		t.Errorf("another's proof: %v", err)
	}
	shares[0].Proof = nil
	if err := c.VerifyTrial(shares); !errors.Is(err, ErrTrial) {
		t.Errorf("no proof: %v", err)
	}
}

func TestTestPointIsThatOfItsGeneration(t *testing.T) {
	w := newWorld(t, Public, 2, 2)
	a, b := w.start(t).toConfirm(t).certificate(t), w.start(t).toConfirm(t).certificate(t)
	if a.TestPoint().Equal(b.TestPoint()) {
		t.Error("two runs are tried with one point")
	}
}

func negated(t *testing.T, share []byte) []byte {
	t.Helper()
	p, err := pairing.ParseG1(share)
	if err != nil {
		t.Fatal(err)
	}
	return p.Neg().Bytes()
}
