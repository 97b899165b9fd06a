package keys

import (
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
)

const (
	// ProofSize is the length of a Proof, in bytes.
	ProofSize = 2 * pairing.ScalarSize

	dleqLabel = "milagro/v1 dleq"
	dleqDST   = "MILAGRO-V1-DLEQ-SCALAR_XMD:SHA-256"
)

// ProofStatement is what a Proof is about: that the share given in answer to a
// request was made of point with the secret whose public share is Public.
type ProofStatement struct {
	Domain      identity.DomainID
	Service     identity.ServiceID
	Purpose     identity.Purpose
	Generation  Generation
	Index       uint32
	RequestHash [32]byte
	Point       pairing.G1 // A
	Public      pairing.G1 // X_i
}

// encode returns the statement and the share, followed by the two commitments
// in the challenge, by nothing in the nonce (spec/shares.md "M-Pin master").
func (st ProofStatement) encode(share Share, commitments ...[]byte) []byte {
	parts := [][]byte{st.Domain[:], st.Service[:], []byte(st.Purpose), st.Generation.Bytes(), encoding.U32(st.Index),
		st.RequestHash[:], pairing.G1Generator().Bytes(), st.Point.Bytes(), st.Public.Bytes(), share.Expose()}
	return encoding.LP(dleqLabel, append(parts, commitments...)...)
}

func (st ProofStatement) challenge(share Share, r1, r2 pairing.G1) (pairing.Scalar, error) {
	return pairing.HashToScalar(dleqDST, st.encode(share, r1.Bytes(), r2.Bytes()))
}

// Proof shows that log_P1 X_i = log_A (s_i·A) without a value in G2:
// Chaum–Pedersen, made non-interactive.
type Proof struct{ c, z pairing.Scalar }

// Prove proves share, which s has issued for st.Point.
func (s MasterShare) Prove(st ProofStatement, share Share) (Proof, error) {
	key := s.secret.Expose()
	defer clear(key)
	k := pairing.Nonce(key, st.encode(share))
	defer k.Erase()
	c, err := st.challenge(share, k.G1(), st.Point.MulSecret(k).Publish())
	if err != nil {
		return Proof{}, fmt.Errorf("prove share: %w", err)
	}
	return Proof{c: c, z: k.Add(s.secret.MulPublic(c)).Publish()}, nil
}

// ParseProof reads the 64 bytes c ‖ z; an error wraps pairing.ErrScalar.
func ParseProof(b []byte) (Proof, error) {
	if len(b) != ProofSize {
		return Proof{}, fmt.Errorf("proof: %w: %d bytes where %d belong", pairing.ErrScalar, len(b), ProofSize)
	}
	c, err := pairing.ParseScalar(b[:pairing.ScalarSize])
	if err != nil {
		return Proof{}, fmt.Errorf("proof: %w", err)
	}
	z, err := pairing.ParseScalar(b[pairing.ScalarSize:])
	if err != nil {
		return Proof{}, fmt.Errorf("proof: %w", err)
	}
	return Proof{c: c, z: z}, nil
}

// Bytes returns the 64 bytes that ParseProof reads.
func (p Proof) Bytes() []byte { return append(p.c.Bytes(), p.z.Bytes()...) }

// Verify returns ErrShare unless p proves share under st.
func (p Proof) Verify(st ProofStatement, share Share) error {
	if share.index != st.Index || share.generation != st.Generation || share.point.IsIdentity() {
		return fmt.Errorf("%w of authority %d", ErrShare, share.index)
	}
	minus := p.c.Neg()
	r1 := pairing.SumG1([]pairing.G1{pairing.G1Generator(), st.Public}, []pairing.Scalar{p.z, minus})
	r2 := st.Point.Mul(p.z).Add(share.point.Mul(minus).Publish())
	c, err := st.challenge(share, r1, r2)
	if err != nil || !c.Equal(p.c) {
		return fmt.Errorf("%w of authority %d", ErrShare, share.index)
	}
	return nil
}
