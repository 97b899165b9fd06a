package ibs

import (
	"errors"
	"fmt"
	"slices"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const (
	// Size is the length of a signature, U ‖ V, in bytes.
	Size = 2 * pairing.G1Size
	// MaxBatch is the greatest number of signatures of one batch.
	MaxBatch = 64

	label = "milagro/v1 ibs"
	dst   = "MILAGRO-V1-IBS-SCALAR_XMD:SHA-256"
)

// ErrSignature says that a signature does not verify.
var ErrSignature = errors.New("identity-based signature does not verify")

// Statement is what is signed, and by whom.
type Statement struct {
	Domain  identity.DomainID
	Name    identity.Name
	Device  identity.DeviceHash
	Epoch   identity.Epoch
	Message []byte
}

// key returns the channel key that signs the statement.
func (s Statement) key() identity.Key {
	return identity.Key{Domain: s.Domain, Purpose: identity.Channel, Name: s.Name, Device: s.Device, Epoch: s.Epoch}
}

// encode returns the statement with U, or in the nonce with nothing for it.
func (s Statement) encode(u []byte) []byte {
	return encoding.LP(label, s.Domain[:], []byte(s.Name.String()), s.Device[:], s.Epoch.Bytes(), u, s.Message)
}

// challenge is h = S_IBS(LP(label, domainID, name, device, epoch, U, message)).
func (s Statement) challenge(u []byte) (pairing.Scalar, error) {
	return pairing.HashToScalar(dst, s.encode(u))
}

// Sign returns the signature of s by key, which is the channel key of the
// statement's name, device and epoch: Size bytes. An error wraps
// identity.ErrPurpose if a field of s is missing.
func Sign(key keys.Private, s Statement) ([]byte, error) {
	a, err := s.key().Point()
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	secret := key.Expose()
	defer clear(secret)
	for {
		r := pairing.Nonce(secret, s.encode(nil))
		u := a.MulSecret(r).Publish().Bytes()
		h, err := s.challenge(u)
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
		if k := r.AddPublic(h); !k.IsZero() {
			return append(u, key.Secret().MulSecret(k).Publish().Bytes()...), nil
		}
	}
}

// parsed is a signature and statement with all that verification multiplies.
type parsed struct {
	a, u, v pairing.G1
	h       pairing.Scalar
}

func parse(s Statement, signature []byte) (parsed, error) {
	if len(signature) != Size {
		return parsed{}, fmt.Errorf("%w: %d bytes where %d belong", ErrSignature, len(signature), Size)
	}
	var p parsed
	var err error
	if p.u, err = pairing.ParseG1(signature[:pairing.G1Size]); err != nil {
		return parsed{}, fmt.Errorf("%w: U: %w", ErrSignature, err)
	}
	if p.v, err = pairing.ParseG1(signature[pairing.G1Size:]); err != nil {
		return parsed{}, fmt.Errorf("%w: V: %w", ErrSignature, err)
	}
	if p.a, err = s.key().Point(); err != nil {
		return parsed{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if p.h, err = s.challenge(signature[:pairing.G1Size]); err != nil {
		return parsed{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return p, nil
}

// Verify returns an error that wraps ErrSignature unless signature is that of
// s under master: U + hA ≠ 0 and e(V, P2) = e(U + hA, mpk).
func Verify(master keys.Master, s Statement, signature []byte) error {
	p, err := parse(s, signature)
	if err != nil {
		return err
	}
	w := p.u.Add(p.a.Mul(p.h))
	if w.IsIdentity() || !holds(master, p.v, w) {
		return ErrSignature
	}
	return nil
}

func holds(master keys.Master, v, w pairing.G1) bool {
	return pairing.ProductIsOne(pairing.WithGenerator(v), pairing.NewPair(w.Neg(), master.Point()))
}

// VerifyBatch verifies at most MaxBatch signatures under one master and
// returns the positions of those that do not verify. Each has a fresh random
// weight, drawn after all inputs are fixed, so that errors cannot cancel each
// other; a batch that fails is halved until the bad ones are found. It panics
// if the lists differ in length or are longer than MaxBatch, which is a bug of
// the caller.
func VerifyBatch(master keys.Master, statements []Statement, signatures [][]byte) (bad []int) {
	if len(statements) != len(signatures) || len(statements) > MaxBatch {
		panic("ibs: VerifyBatch with lists of different or excessive length")
	}
	var batch []entry
	for i, s := range statements {
		p, err := parse(s, signatures[i])
		if err != nil {
			bad = append(bad, i)
			continue
		}
		batch = append(batch, entry{position: i, parsed: p})
	}
	bad = append(bad, bisect(master, batch)...)
	slices.Sort(bad)
	return bad
}

type entry struct {
	position int
	parsed
}

func bisect(master keys.Master, batch []entry) []int {
	if len(batch) == 0 || holdTogether(master, batch) {
		return nil
	}
	if len(batch) == 1 {
		return []int{batch[0].position}
	}
	half := len(batch) / 2
	return append(bisect(master, batch[:half]), bisect(master, batch[half:])...)
}

// holdTogether checks e(Σ ρ_j V_j, P2) = e(Σ ρ_j (U_j + h_j A_j), mpk): the
// same weight for both sides of a signature, another for each signature. It
// need not look for U + hA = 0: no V that decodes fits it.
func holdTogether(master keys.Master, batch []entry) bool {
	var vs, us, as []pairing.G1
	var weights, products []pairing.Scalar
	for _, e := range batch {
		w := pairing.RandomWeight()
		vs, us, as = append(vs, e.v), append(us, e.u), append(as, e.a)
		weights, products = append(weights, w), append(products, w.Mul(e.h))
	}
	left := pairing.SumG1(vs, weights)
	right := pairing.SumG1(us, weights).Add(pairing.SumG1(as, products))
	return holds(master, left, right)
}
