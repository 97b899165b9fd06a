package dta

import (
	"fmt"

	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

// CombineSignature verifies shares (by index, 48 bytes each) of the key of
// point and combines t good ones to the signature of a document or stamp. It
// returns the indices of bad shares too; an error wraps keys.ErrThreshold if
// fewer than t are good.
func (d *Document) CombineSignature(point pairing.G1, shares map[uint32][]byte) (signature []byte, bad []uint32, err error) {
	var good []keys.Share
	for _, a := range d.fields.Authorities {
		b, given := shares[a.Index]
		if !given {
			continue
		}
		share, err := keys.ParseShare(a.Index, d.Generation(), b)
		if err == nil {
			err = share.Verify(point, a.Public)
		}
		if err != nil {
			bad = append(bad, a.Index)
			continue
		}
		good = append(good, share)
	}
	key, err := keys.Combine(d.Threshold(), good)
	if err != nil {
		return nil, bad, fmt.Errorf("combine signature: %w", err)
	}
	if err := key.Verify(point, d.Master()); err != nil {
		return nil, bad, fmt.Errorf("combine signature: %w", err)
	}
	return key.Expose(), bad, nil
}
