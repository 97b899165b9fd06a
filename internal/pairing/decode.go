package pairing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cloudflare/circl/ecc/bls12381/ff"
)

// G1Size and G2Size are the lengths of compressed points in bytes.
const (
	G1Size = 48
	G2Size = 96
)

// ErrPoint is wrapped by every refusal of a point; the text after it tells the
// class of fault (spec/groups.md "Points").
var ErrPoint = errors.New("invalid point")

const (
	flagCompressed = 0x80
	flagIdentity   = 0x40
	flagAll        = 0xe0
)

// A flaw is why a backend refuses a well-formed encoding; "" is none.
type flaw string

const (
	offCurve    flaw = "not on the curve"
	offSubgroup flaw = "not in the subgroup"
)

// checkEncoding refuses everything that can be refused before arithmetic: wrong
// length, wrong flags, the identity, coordinates that are not below p.
func checkEncoding(b []byte, size int) error {
	if len(b) != size {
		return fmt.Errorf("%w: %d bytes instead of %d", ErrPoint, len(b), size)
	}
	if b[0]&flagCompressed == 0 {
		return fmt.Errorf("%w: not compressed", ErrPoint)
	}
	if b[0]&flagIdentity != 0 {
		return fmt.Errorf("%w: identity", ErrPoint)
	}
	for x := range slices.Chunk(withoutFlags(b), ff.FpSize) {
		if bytes.Compare(x, ff.FpOrder()) >= 0 {
			return fmt.Errorf("%w: coordinate not below the field order", ErrPoint)
		}
	}
	return nil
}

func withoutFlags(b []byte) []byte {
	return append([]byte{b[0] &^ flagAll}, b[1:]...)
}

func decodeG1(b []byte) (point1, error) {
	if err := checkEncoding(b, G1Size); err != nil {
		return point1{}, err
	}
	p, fault := decode1(b)
	if fault != "" {
		return point1{}, fmt.Errorf("%w: %s", ErrPoint, fault)
	}
	return p, nil
}

func decodeG2(b []byte) (point2, error) {
	if err := checkEncoding(b, G2Size); err != nil {
		return point2{}, err
	}
	p, fault := decode2(b)
	if fault != "" {
		return point2{}, fmt.Errorf("%w: %s", ErrPoint, fault)
	}
	return p, nil
}
