package pairing

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"testing"

	"pgregory.net/rapid"
)

const orderHex = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001"

func order() *big.Int { return new(big.Int).SetBytes(unhex(orderHex)) }

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func big32(n *big.Int) []byte { return n.FillBytes(make([]byte, ScalarSize)) }

// badScalars are the refused classes: lengths, zero, r and above.
func badScalars() map[string][]byte {
	r := order()
	return map[string][]byte{
		"nil":      nil,
		"empty":    {},
		"short":    big32(big.NewInt(7))[1:],
		"long":     append(big32(big.NewInt(7)), 0),
		"leading":  append([]byte{0}, big32(big.NewInt(7))...),
		"zero":     make([]byte, ScalarSize),
		"r":        big32(r),
		"r+1":      big32(new(big.Int).Add(r, big.NewInt(1))),
		"2r":       big32(new(big.Int).Lsh(r, 1)),
		"2^256-1":  bytes.Repeat([]byte{0xff}, ScalarSize),
		"top bit":  append([]byte{0x80}, make([]byte, ScalarSize-1)...),
		"r, wide":  append(make([]byte, ScalarSize), big32(r)...),
		"one byte": {1},
	}
}

func TestParseScalarRefuses(t *testing.T) {
	for name, b := range badScalars() {
		if _, err := ParseScalar(b); !errors.Is(err, ErrScalar) {
			t.Errorf("ParseScalar(%s) = %v", name, err)
		}
		if _, err := ParseSecret(b); !errors.Is(err, ErrScalar) {
			t.Errorf("ParseSecret(%s) = %v", name, err)
		}
	}
}

func TestParseScalarAcceptsItsBounds(t *testing.T) {
	for _, n := range []*big.Int{big.NewInt(1), new(big.Int).Sub(order(), big.NewInt(1))} {
		k, err := ParseScalar(big32(n))
		if err != nil || !bytes.Equal(k.Bytes(), big32(n)) {
			t.Errorf("ParseScalar(%v) = %x, %v", n, k.Bytes(), err)
		}
		s, err := ParseSecret(big32(n))
		if err != nil || !bytes.Equal(s.Expose(), big32(n)) {
			t.Errorf("ParseSecret(%v): %v", n, err)
		}
	}
}

// genInt draws numbers below r: uniform ones, small ones, and ones close to r.
func genInt() *rapid.Generator[*big.Int] {
	return rapid.Custom(func(t *rapid.T) *big.Int {
		b := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "bytes")
		n := new(big.Int).SetBytes(b)
		if rapid.Bool().Draw(t, "negative") {
			n.Neg(n)
		}
		return n.Mod(n, order())
	})
}

func toScalar(n *big.Int) Scalar { return Scalar{reduce(big32(n))} }

func toSecret(n *big.Int) Secret {
	var wide [64]byte
	n.FillBytes(wide[:])
	return WideSecret(&wide)
}

func genScalar() *rapid.Generator[Scalar] { return rapid.Map(genInt(), toScalar) }

func genSecret() *rapid.Generator[Secret] { return rapid.Map(genInt(), toSecret) }

func mod(n *big.Int) []byte { return big32(n.Mod(n, order())) }

func TestScalarArithmeticIsThatOfIntegersModuloR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := genInt().Draw(t, "x"), genInt().Draw(t, "y")
		want := map[string][]byte{
			"add": mod(new(big.Int).Add(x, y)),
			"sub": mod(new(big.Int).Sub(x, y)),
			"mul": mod(new(big.Int).Mul(x, y)),
			"neg": mod(new(big.Int).Neg(x)),
		}
		a, b := toScalar(x), toScalar(y)
		s, u := toSecret(x), toSecret(y)
		got := map[string][][]byte{
			"add": {a.Add(b).Bytes(), s.Add(u).Expose(), s.AddPublic(b).Expose()},
			"sub": {a.Sub(b).Bytes(), s.Sub(u).Expose(), s.AddPublic(b.Neg()).Publish().Bytes()},
			"mul": {a.Mul(b).Bytes(), s.Mul(u).Expose(), s.MulPublic(b).Expose()},
			"neg": {a.Neg().Bytes(), Secret{}.Sub(s).Expose()},
		}
		for op, results := range got {
			for i, result := range results {
				if !bytes.Equal(result, want[op]) {
					t.Fatalf("%s %d: %x, want %x", op, i, result, want[op])
				}
			}
		}
		if a.Equal(b) != (x.Cmp(y) == 0) || s.Equal(u) != (x.Cmp(y) == 0) {
			t.Fatal("Equal differs from equality")
		}
	})
}

func TestInvert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := genScalar().Draw(t, "k")
		inverse, err := k.Invert()
		if k.IsZero() {
			if !errors.Is(err, ErrScalar) {
				t.Fatalf("1/0 = %x, %v", inverse.Bytes(), err)
			}
			return
		}
		if err != nil || !k.Mul(inverse).Equal(NewScalar(1)) {
			t.Fatalf("1/%x = %x, %v", k.Bytes(), inverse.Bytes(), err)
		}
	})
}

func TestReduceIsModuloR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "b")
		got := WideSecret((*[64]byte)(b))
		if want := mod(new(big.Int).SetBytes(b)); !bytes.Equal(got.Expose(), want) {
			t.Fatalf("%x mod r = %x, want %x", b, got.Expose(), want)
		}
	})
	all := [64]byte(bytes.Repeat([]byte{0xff}, 64))
	if want := mod(new(big.Int).SetBytes(all[:])); !bytes.Equal(WideSecret(&all).Expose(), want) {
		t.Error("2^512-1 mod r is wrong")
	}
}

func TestZeroScalars(t *testing.T) {
	if !(Scalar{}).IsZero() || !(Secret{}).IsZero() || !NewScalar(0).IsZero() || NewScalar(1).IsZero() {
		t.Error("the zero value is not 0")
	}
	if !(Secret{}).Add(Secret{}).Equal(Secret{}) || !(Secret{}).Publish().Equal(Scalar{}) {
		t.Error("zero values do not compute")
	}
	if n := NewScalar(0x0102030405060708).Bytes(); !bytes.Equal(n[24:], []byte{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("NewScalar: %x", n)
	}
}

type rfc9380 struct {
	HashToG1 []struct{ DST, Msg, X, Y string } `json:"hash_to_g1"`
	Expand   []struct {
		DST, Msg, Bytes string
		Size            uint
	}
}

func vectors(t *testing.T) rfc9380 {
	b, err := os.ReadFile("testdata/rfc9380.json")
	if err != nil {
		t.Fatal(err)
	}
	var v rfc9380
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestExpandMessageVectors(t *testing.T) {
	v := vectors(t).Expand
	if len(v) != 20 {
		t.Fatalf("%d vectors", len(v))
	}
	for _, c := range v {
		if got := expand(c.DST, []byte(c.Msg), c.Size); hex.EncodeToString(got) != c.Bytes {
			t.Errorf("expand(%q, %q, %d) = %x", c.DST, c.Msg, c.Size, got)
		}
	}
}

func TestHashToScalarIs48BytesModuloR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msg := rapid.SliceOf(rapid.Byte()).Draw(t, "msg")
		dst := rapid.StringN(1, 80, 255).Draw(t, "dst")
		got, err := HashToScalar(dst, msg)
		want := mod(new(big.Int).SetBytes(expand(dst, msg, 48)))
		if err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("%x, %v, want %x", got.Bytes(), err, want)
		}
		if other, _ := HashToScalar(dst+"x", msg); other.Equal(got) {
			t.Fatal("two tags, one hash")
		}
	})
}

func FuzzParseScalar(f *testing.F) {
	for _, b := range badScalars() {
		f.Add(b)
	}
	f.Add(big32(big.NewInt(9)))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := new(big.Int).SetBytes(b)
		good := len(b) == ScalarSize && n.Sign() > 0 && n.Cmp(order()) < 0
		k, err := ParseScalar(b)
		s, serr := ParseSecret(b)
		if (err == nil) != good || (serr == nil) != good {
			t.Fatalf("%x: %v, %v", b, err, serr)
		}
		if good && (!bytes.Equal(k.Bytes(), b) || !bytes.Equal(s.Expose(), b)) {
			t.Fatalf("%x does not come back", b)
		}
		if !good && !(errors.Is(err, ErrScalar) && errors.Is(serr, ErrScalar)) {
			t.Fatalf("%x: %v, %v", b, err, serr)
		}
	})
}
