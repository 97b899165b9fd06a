package mpin

import (
	"errors"
	"fmt"
	"slices"

	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

// MaxBatch is the greatest number of logins of one batch.
const MaxBatch = 64

// ErrRefused says that a proof is not that of the right PIN on the right device.
// It does not say what was wrong: nobody can tell.
var ErrRefused = errors.New("login refused")

// VerifyDevice returns identity.ErrPossession unless the device of the transcript
// signed the proof. It comes before any counter, so that no stranger raises one.
func VerifyDevice(t Transcript, p Proof) error {
	return t.login.Device.Verify(t.digest(p.V[:]), p.Signature[:])
}

// checked is a proof with all that its verification multiplies.
type checked struct {
	u, v, b pairing.G1
	y       pairing.Scalar
}

func check(t Transcript, v [pairing.G1Size]byte) (c checked, err error) {
	if c.v, err = pairing.ParseG1(v[:]); err != nil {
		return c, fmt.Errorf("%w: V: %w", ErrRefused, err)
	}
	if c.u, err = t.commitment.decoded(); err != nil {
		return c, fmt.Errorf("%w: U: %w", ErrRefused, err)
	}
	if _, c.b, err = t.login.points(); err != nil {
		return c, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if c.y, err = t.y(); err != nil {
		return c, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return c, nil
}

// Verify returns an error that wraps ErrRefused unless V answers the transcript
// with the key and the PIN: U + yB ≠ 0 and e(V, P2)·e(U + yB, S) = 1. The device's
// signature was verified before.
func Verify(key keys.ServerKey, t Transcript, v [pairing.G1Size]byte) error {
	c, err := check(t, v)
	if err != nil {
		return err
	}
	if !c.answers(key) {
		return ErrRefused
	}
	return nil
}

// answers checks W = U + yB ≠ 0 and e(V, P2)·e(W, S) = 1.
func (c checked) answers(key keys.ServerKey) bool {
	w := c.u.Add(c.b.Mul(c.y))
	return !w.IsIdentity() && holds(key, c.v, w)
}

func holds(key keys.ServerKey, v, w pairing.G1) bool {
	return pairing.ProductIsOne(pairing.WithGenerator(v), key.With(w))
}

// VerifyBatch verifies at most MaxBatch logins at one service and returns the
// positions of those that Verify refuses. Each has a fresh random weight, drawn
// after all inputs are fixed, so that errors cannot cancel each other; a batch that
// fails is halved until the bad ones are found. It panics if the lists differ in
// length or are longer than MaxBatch, which is a bug of the caller.
func VerifyBatch(key keys.ServerKey, transcripts []Transcript, vs [][pairing.G1Size]byte) (bad []int) {
	if len(transcripts) != len(vs) || len(transcripts) > MaxBatch {
		panic("mpin: VerifyBatch with lists of different or excessive length")
	}
	var batch []entry
	for i, t := range transcripts {
		c, err := check(t, vs[i])
		if err != nil {
			bad = append(bad, i)
			continue
		}
		batch = append(batch, entry{position: i, checked: c})
	}
	bad = append(bad, bisect(key, batch)...)
	slices.Sort(bad)
	return bad
}

type entry struct {
	position int
	checked
}

func bisect(key keys.ServerKey, batch []entry) []int {
	if len(batch) == 0 || holdTogether(key, batch) {
		return nil
	}
	if len(batch) == 1 {
		return []int{batch[0].position}
	}
	half := len(batch) / 2
	return append(bisect(key, batch[:half]), bisect(key, batch[half:])...)
}

// holdTogether checks e(Σ ρ_j V_j, P2)·e(Σ ρ_j (U_j + y_j B_j), S) = 1: the same
// weight for both sides of a login, another for each login. U + yB = 0 needs no
// look of its own: no V that decodes fits it.
func holdTogether(key keys.ServerKey, batch []entry) bool {
	var vs, us, bs []pairing.G1
	var weights, products []pairing.Scalar
	for _, e := range batch {
		w := pairing.RandomWeight()
		vs, us, bs = append(vs, e.v), append(us, e.u), append(bs, e.b)
		weights, products = append(weights, w), append(products, w.Mul(e.y))
	}
	left := pairing.SumG1(vs, weights)
	right := pairing.SumG1(us, weights).Add(pairing.SumG1(bs, products))
	return holds(key, left, right)
}
