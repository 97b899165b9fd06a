package dkg

import (
	"errors"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

// MaxSubsets is the greatest number of t-subsets that a trial combines. Past
// it the shares, each verified against its own public share, stand for the
// rest: the certificate has proved these to lie on one polynomial.
const MaxSubsets = 1000

// ErrTrial is wrapped when a trial fails; the text names the authority.
var ErrTrial = errors.New("trial failed")

// TestShare is one authority's share of the trial key, which is public.
type TestShare struct {
	Index uint32
	Share []byte // 48 bytes
	Proof []byte // 64 bytes for an M-Pin master, else empty
}

// TestPoint returns the point of the trial of c.
func (c *Certificate) TestPoint() pairing.G1 {
	return identity.TestPoint(c.Generation().Hash, string(c.plan.Kind()))
}

// statement is what the proof of an M-Pin test share is about.
func (c *Certificate) statement(index uint32) keys.ProofStatement {
	s := c.plan.Service()
	return keys.ProofStatement{Domain: s.DomainID, Service: identity.NewServiceID(s.DomainID, s.Name, c.body.master.g1),
		Purpose: identity.Test, Generation: c.Generation(), Index: index, RequestHash: c.Generation().Hash,
		Point: c.TestPoint(), Public: c.body.public[index-1].g1}
}

// MakeTestShare returns this authority's share of the trial key of c.
func (c *Certificate) MakeTestShare(share keys.MasterShare) (TestShare, error) {
	issued := share.Issue(c.TestPoint())
	t := TestShare{Index: share.Index(), Share: issued.Expose()}
	if c.plan.Kind() == Public {
		return t, nil
	}
	proof, err := share.Prove(c.statement(share.Index()), issued)
	t.Proof = proof.Bytes()
	return t, err
}

// VerifyTrial returns nil iff all n authorities gave true test shares and
// every t of them, up to MaxSubsets choices, combine to one key that verifies.
func (c *Certificate) VerifyTrial(shares []TestShare) error {
	if len(shares) != c.plan.Size() {
		return fmt.Errorf("%w: shares of %d authorities, all %d are needed", ErrTrial, len(shares), c.plan.Size())
	}
	parsed := make([]keys.Share, len(shares))
	for _, s := range shares {
		if c.plan.card(s.Index) == nil || parsed[s.Index-1].Index() != 0 {
			return fmt.Errorf("%w: index %d twice, or of nobody", ErrTrial, s.Index)
		}
		share, err := c.verifyTestShare(s)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrTrial, err)
		}
		parsed[s.Index-1] = share
	}
	return c.combineSubsets(parsed)
}

func (c *Certificate) verifyTestShare(s TestShare) (keys.Share, error) {
	share, err := keys.ParseShare(s.Index, c.Generation(), s.Share)
	if err != nil {
		return keys.Share{}, err
	}
	if c.plan.Kind() == Public {
		if len(s.Proof) != 0 {
			return keys.Share{}, fmt.Errorf("%w of authority %d: a proof where none belongs", keys.ErrShare, s.Index)
		}
		return share, share.Verify(c.TestPoint(), c.body.public[s.Index-1].g2)
	}
	proof, err := keys.ParseProof(s.Proof)
	if err != nil {
		return keys.Share{}, err
	}
	return share, proof.Verify(c.statement(s.Index), share)
}

func (c *Certificate) combineSubsets(shares []keys.Share) error {
	t := c.plan.Threshold()
	first, err := keys.Combine(t, shares)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTrial, err)
	}
	if err := c.verifyKey(first); err != nil {
		return fmt.Errorf("%w: %w", ErrTrial, err)
	}
	left := MaxSubsets
	return eachSubset(shares, t, func(chosen []keys.Share) error {
		if left--; left < 0 {
			return nil
		}
		key, err := keys.Combine(t, chosen)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrTrial, err)
		}
		if !key.Secret().Equal(first.Secret()) {
			return fmt.Errorf("%w: %v make another key", ErrTrial, chosen)
		}
		return nil
	})
}

// verifyKey checks a public master's key by pairing; an M-Pin master's by
// Σ λ_i X_i = X, which is all that its values in G1 can show.
func (c *Certificate) verifyKey(key keys.Private) error {
	if c.plan.Kind() == Pin {
		return vss.OnePolynomialG1(c.indices(), c.PublicPin(), c.body.master.g1, c.plan.Threshold())
	}
	master, err := keys.ParseMaster(c.MasterBytes())
	if err != nil {
		return err
	}
	return key.Verify(c.TestPoint(), master)
}

// eachSubset calls use with every choice of t of the shares.
func eachSubset(shares []keys.Share, t int, use func([]keys.Share) error) error {
	var choose func(from int, chosen []keys.Share) error
	choose = func(from int, chosen []keys.Share) error {
		if len(chosen) == t {
			return use(chosen)
		}
		for i := from; i <= len(shares)-(t-len(chosen)); i++ {
			if err := choose(i+1, append(chosen[:len(chosen):len(chosen)], shares[i])); err != nil {
				return err
			}
		}
		return nil
	}
	return choose(0, nil)
}
