package keys

import (
	"errors"
	"fmt"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
)

const masterShareLabel = "milagro/v1 master share"

// ErrMasterShare is wrapped by every refusal of a master share's bytes.
var ErrMasterShare = errors.New("not a master share")

// MasterShare is s_i: what one authority holds of a master. It is the
// authority's most secret possession.
type MasterShare struct {
	index      uint32
	generation Generation
	secret     pairing.Secret
}

// NewMasterShare returns authority index's share s of a generation.
func NewMasterShare(index uint32, generation Generation, s pairing.Secret) MasterShare {
	return MasterShare{index: index, generation: generation, secret: s}
}

// ParseMasterShare reads the bytes of Expose; an error wraps ErrMasterShare
// and does not repeat them.
func ParseMasterShare(b []byte) (MasterShare, error) {
	r := encoding.Open(b, masterShareLabel)
	s := MasterShare{index: r.U32()}
	generation, scalar := r.Fixed(GenerationSize), r.Fixed(pairing.ScalarSize)
	defer clear(scalar)
	if err := r.Close(); err != nil {
		return MasterShare{}, fmt.Errorf("%w: %w", ErrMasterShare, err)
	}
	var err error
	if s.generation, err = ParseGeneration(generation); err != nil {
		return MasterShare{}, fmt.Errorf("%w: %w", ErrMasterShare, err)
	}
	if s.secret, err = pairing.ParseSecret(scalar); err != nil {
		return MasterShare{}, fmt.Errorf("%w: %w", ErrMasterShare, err)
	}
	return s, nil
}

// Expose returns the share's bytes, for sealing only:
// LP("milagro/v1 master share", u32 index, generation, s_i).
func (s MasterShare) Expose() []byte {
	scalar := s.secret.Expose()
	defer clear(scalar)
	return encoding.LP(masterShareLabel, encoding.U32(s.index), s.generation.Bytes(), scalar)
}

// Index returns the index of the authority that holds s.
func (s MasterShare) Index() uint32 { return s.index }

// Generation returns the generation that s is of.
func (s MasterShare) Generation() Generation { return s.generation }

// Public returns Y_i = s_i·P2. It must never be called on a share of an M-Pin
// master.
func (s MasterShare) Public() pairing.G2 { return s.secret.G2() }

// PublicPin returns X_i = s_i·P1, the public share of an M-Pin master.
func (s MasterShare) PublicPin() pairing.G1 { return s.secret.G1() }

// Issue returns this authority's share s_i·A of the key of point A. The caller
// computed the point itself, from fields (identity.Key.Point).
func (s MasterShare) Issue(point pairing.G1) Share {
	return Share{index: s.index, generation: s.generation, point: point.MulSecret(s.secret)}
}

// Erase overwrites the secret; s is of no further use.
func (s *MasterShare) Erase() { s.secret.Erase() }

// String returns the share without its secret.
func (s MasterShare) String() string { return redactedShare("master share", s.index) }

// GoString returns what String does.
func (s MasterShare) GoString() string { return s.String() }

func redactedShare(what string, index uint32) string {
	return fmt.Sprintf("%s %d [redacted]", what, index)
}
