package pairing

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cloudflare/circl/ecc/bls12381/ff"
)

func fieldOrder() *big.Int { return new(big.Int).SetBytes(ff.FpOrder()) }

// compressed1 returns the encoding of the point of E1 with coordinate x, and
// whether there is one, by nothing but the equation y² = x³ + 4.
func compressed1(x int64) ([]byte, bool) {
	y2 := new(big.Int).Exp(big.NewInt(x), big.NewInt(3), fieldOrder())
	y2.Add(y2, big.NewInt(4))
	b := big.NewInt(x).FillBytes(make([]byte, G1Size))
	b[0] |= flagCompressed
	return b, big.Jacobi(y2, fieldOrder()) >= 0
}

// compressed2 does so for E2, y² = x³ + 4(1+i), with x in the prime field: a+bi
// is a square if and only if its norm a²+b² is.
func compressed2(x int64) ([]byte, bool) {
	a := new(big.Int).Exp(big.NewInt(x), big.NewInt(3), fieldOrder())
	a.Add(a, big.NewInt(4))
	norm := a.Mul(a, a)
	norm.Add(norm, big.NewInt(16))
	b := big.NewInt(x).FillBytes(make([]byte, G2Size))
	b[0] |= flagCompressed
	return b, big.Jacobi(norm, fieldOrder()) >= 0
}

// smallX returns the encoding for the least x ≥ 1 that is on the curve or not.
func smallX(curve func(int64) ([]byte, bool), on bool) []byte {
	for x := int64(1); ; x++ {
		if b, is := curve(x); is == on {
			return b
		}
	}
}

// plusOrderThree returns P1 + (0, 2): right but for a component of order 3, which
// a careless subgroup check misses.
func plusOrderThree() []byte {
	var x, y, slope, three ff.Fp
	_ = x.UnmarshalBinary(withoutFlags(G1Generator().Bytes()))
	y.Sqr(&x)
	y.Mul(&y, &x)
	three.SetUint64(4)
	y.Add(&y, &three)
	y.Sqrt(&y)
	three.SetUint64(2)
	slope.Sub(&y, &three)
	three.Inv(&x)
	slope.Mul(&slope, &three)
	y.Sqr(&slope)
	y.Sub(&y, &x)
	b, _ := y.MarshalBinary()
	b[0] |= flagCompressed
	return b
}

func with(b []byte, change func([]byte)) []byte {
	b = bytes.Clone(b)
	change(b)
	return b
}

// badPoints are the classes that each decoder refuses, with the words by which it
// must do so. x is where the last coordinate of an encoding of good begins.
func badPoints(good []byte, curve func(int64) ([]byte, bool), x int) map[string][]byte {
	p := fieldOrder()
	over := new(big.Int).Add(p, big.NewInt(1))
	field := func(n *big.Int) []byte {
		return with(good, func(b []byte) {
			n.FillBytes(b[x : x+48])
			b[0] |= flagCompressed
		})
	}
	identity := append([]byte{flagCompressed | flagIdentity}, make([]byte, len(good)-1)...)
	length := fmt.Sprintf(" instead of %d", len(good))
	return map[string][]byte{
		length + ": nil":                 nil,
		length + ": short":               good[:len(good)-1],
		length + ": trailing":            append(bytes.Clone(good), 0),
		length + ": twice":               append(bytes.Clone(good), good...),
		length + ": one byte":            {flagCompressed},
		"below the field order: x = p":   field(p),
		"below the field order: x = p+1": field(over),
		"below the field order: all ones": with(good, func(b []byte) {
			copy(b[x:], bytes.Repeat([]byte{0xff}, 48))
			b[0] &^= flagIdentity
		}),
		"not compressed: flag cleared":  with(good, func(b []byte) { b[0] &^= flagCompressed }),
		"not compressed: no flags":      with(good, func(b []byte) { b[0] &^= flagAll }),
		"not compressed: all zero":      make([]byte, len(good)),
		"identity: canonical":           identity,
		"identity: with sign":           with(identity, func(b []byte) { b[0] |= 0x20 }),
		"identity: not zero":            with(identity, func(b []byte) { b[len(b)-1] = 1 }),
		"identity: flag on a point":     with(good, func(b []byte) { b[0] |= flagIdentity }),
		"not on the curve: small x":     smallX(curve, false),
		"not in the subgroup: small x":  smallX(curve, true),
		"not in the subgroup: its sign": with(smallX(curve, true), func(b []byte) { b[0] |= 0x20 }),
	}
}

func badG1() map[string][]byte {
	bad := badPoints(G1Generator().Bytes(), compressed1, 0)
	bad["not in the subgroup: order 3"], _ = compressed1(0)
	bad["not in the subgroup: generator and order 3"] = plusOrderThree()
	return bad
}

func badG2() map[string][]byte {
	bad := badPoints(G2Generator().Bytes(), compressed2, 0)
	for class, b := range badPoints(G2Generator().Bytes(), compressed2, 48) {
		bad[class+", second coordinate"] = b
	}
	return bad
}

func refuses(t *testing.T, decoder string, bad map[string][]byte, parse func([]byte) error) {
	for class, b := range bad {
		err := parse(b)
		words, _, _ := strings.Cut(class, ":")
		if !errors.Is(err, ErrPoint) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s, %s: %v", decoder, class, err)
		}
	}
}

func TestParsePointsRefuses(t *testing.T) {
	refuses(t, "ParseG1", badG1(), func(b []byte) error { _, err := ParseG1(b); return err })
	refuses(t, "ParseSecretG1", badG1(), func(b []byte) error { _, err := ParseSecretG1(b); return err })
	refuses(t, "ParseG2", badG2(), func(b []byte) error { _, err := ParseG2(b); return err })
}

func TestRefusedPointsAreTheIdentity(t *testing.T) {
	for class, b := range badG1() {
		p, _ := ParseG1(b)
		s, _ := ParseSecretG1(b)
		if !p.IsIdentity() || !s.IsIdentity() {
			t.Errorf("%s: a refused point came back", class)
		}
	}
	for class, b := range badG2() {
		if p, _ := ParseG2(b); !p.IsIdentity() {
			t.Errorf("%s: a refused point came back", class)
		}
	}
}

func TestGeneratorsAreTheStandardOnes(t *testing.T) {
	const p1 = "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
	const p2 = "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e" +
		"024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
	if got := hex.EncodeToString(G1Generator().Bytes()); got != p1 {
		t.Errorf("P1 = %s", got)
	}
	if got := hex.EncodeToString(G2Generator().Bytes()); got != p2 {
		t.Errorf("P2 = %s", got)
	}
}

func TestHashToG1Vectors(t *testing.T) {
	v := vectors(t).HashToG1
	if len(v) != 5 {
		t.Fatalf("%d vectors", len(v))
	}
	half := new(big.Int).Rsh(fieldOrder(), 1)
	for _, c := range v {
		want := unhex(c.X)
		want[0] |= flagCompressed
		if new(big.Int).SetBytes(unhex(c.Y)).Cmp(half) > 0 {
			want[0] |= 0x20
		}
		got := HashToG1(c.DST, []byte(c.Msg))
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("HashToG1(%q) = %x, want %x", c.Msg, got.Bytes(), want)
		}
		if _, err := ParseG1(got.Bytes()); err != nil {
			t.Errorf("HashToG1(%q): %v", c.Msg, err)
		}
	}
	if a, b := HashToG1("A", nil), HashToG1("B", nil); a.Equal(b) {
		t.Error("two tags, one point")
	}
}

func genG1() *rapid.Generator[G1] {
	return rapid.Map(genSecret(), func(s Secret) G1 { return s.G1() })
}

func genG2() *rapid.Generator[G2] {
	return rapid.Map(genSecret(), func(s Secret) G2 { return s.G2() })
}

func FuzzParseG1(f *testing.F) {
	for _, b := range badG1() {
		f.Add(b)
	}
	f.Add(HashToG1("fuzz", nil).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseG1(b)
		s, serr := ParseSecretG1(b)
		if (err == nil) != (serr == nil) || err != nil && !errors.Is(err, ErrPoint) {
			t.Fatalf("%v, %v", err, serr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(p.Bytes(), b) || !bytes.Equal(s.Expose(), b) {
			t.Fatalf("%x comes back as %x", b, p.Bytes())
		}
		if !p.Mul(NewScalar(1).Neg()).Equal(p.Neg()) || p.IsIdentity() {
			t.Fatalf("%x is not of order r", b)
		}
	})
}

func FuzzParseG2(f *testing.F) {
	for _, b := range badG2() {
		f.Add(b)
	}
	f.Add(toSecret(big.NewInt(7)).G2().Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseG2(b)
		if err != nil {
			if !errors.Is(err, ErrPoint) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(p.Bytes(), b) {
			t.Fatalf("%x comes back as %x", b, p.Bytes())
		}
		if !p.Mul(NewScalar(1).Neg()).Equal(p.Neg()) || p.IsIdentity() {
			t.Fatalf("%x is not of order r", b)
		}
	})
}
