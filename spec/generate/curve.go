package main

import (
	"encoding/hex"
	"fmt"
	"math/big"
)

// plusOrderThree returns the encoding of P + (0, 2), where point encodes P of
// G1. (0, 2) is on the curve and has order 3, so the sum is outside the
// subgroup and no pairing tells it from P: the subgroup check alone does.
func plusOrderThree(point string) (string, error) {
	b, err := hex.DecodeString(point)
	if err != nil {
		return "", err
	}
	p, _ := new(big.Int).SetString(fieldOrder, 16)
	b[0] &^= 0xe0
	x := new(big.Int).SetBytes(b)
	y := new(big.Int).Exp(x, big.NewInt(3), p)
	if y.ModSqrt(y.Add(y, big.NewInt(4)), p) == nil {
		return "", fmt.Errorf("%s is not on the curve", point)
	}
	half := new(big.Int).Rsh(p, 1)
	if large := point[0] == 'a' || point[0] == 'b'; large != (y.Cmp(half) > 0) {
		y.Sub(p, y)
	}
	slope := new(big.Int).Sub(y, big.NewInt(2))
	slope.Mul(slope, new(big.Int).ModInverse(x, p))
	x.Sub(new(big.Int).Mul(slope, slope), x).Mod(x, p)
	y.Mul(slope, new(big.Int).Neg(x))
	y.Sub(y, big.NewInt(2)).Mod(y, p)
	sum := x.FillBytes(make([]byte, 48))
	if sum[0] |= 0x80; y.Cmp(half) > 0 {
		sum[0] |= 0x20
	}
	return hexOf(sum), nil
}
