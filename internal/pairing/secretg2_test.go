package pairing

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSecretG2ComputesLikePublicPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, u, k := genSecret().Draw(t, "s"), genSecret().Draw(t, "u"), genScalar().Draw(t, "k")
		a, b := s.SecretG2(), u.SecretG2()
		pa, pb := s.G2(), u.G2()
		switch {
		case !bytes.Equal(a.Expose(), pa.Bytes()):
			t.Fatal("SecretG2 differs from G2")
		case !bytes.Equal(a.Add(b).Expose(), pa.Add(pb).Bytes()):
			t.Fatal("Add differs")
		case !bytes.Equal(a.Mul(k).Expose(), pa.Mul(k).Bytes()):
			t.Fatal("Mul differs")
		case a.Equal(b) != pa.Equal(pb) || a.IsIdentity() != pa.IsIdentity():
			t.Fatal("Equal or IsIdentity differs")
		}
	})
}

func TestSecretG2Pairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, p := genSecret().Draw(t, "s"), genG1().Draw(t, "p")
		if !ProductIsOne(s.SecretG2().With(p), NewPair(p.MulSecret(s).Neg().Publish(), G2Generator())) {
			t.Fatal("e(p, sP2) ≠ e(sp, P2)")
		}
		if one := s.AddPublic(NewScalar(1)); !p.IsIdentity() && ProductIsOne(one.SecretG2().With(p), NewPair(p.MulSecret(s).Neg().Publish(), G2Generator())) {
			t.Fatal("e(p, (s+1)P2) = e(sp, P2)")
		}
	})
	if !ProductIsOne((SecretG2{}).With(G1Generator())) || !ProductIsOne(canary(t).SecretG2().With(G1{})) {
		t.Error("an identity does not contribute 1")
	}
}

func TestParseSecretG2(t *testing.T) {
	refuses(t, "ParseSecretG2", badG2(), func(b []byte) error {
		p, err := ParseSecretG2(b)
		if !p.IsIdentity() {
			t.Errorf("%x: a refused point came back", b)
		}
		return err
	})
	want := canary(t).SecretG2()
	if got, err := ParseSecretG2(want.Expose()); err != nil || !got.Equal(want) {
		t.Errorf("read as another point: %v", err)
	}
}

func TestSecretG2DoesNotShow(t *testing.T) {
	s := canary(t)
	x := s.SecretG2()
	var out strings.Builder
	for _, v := range []any{x, &x, x.With(G1Generator()), []SecretG2{x}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			text := fmt.Sprintf(verb, v)
			if !strings.Contains(text, redacted) {
				t.Errorf("Sprintf(%q, %T) = %s", verb, v, text)
			}
			out.WriteString(text)
		}
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("json of %T: %s", v, b)
		}
	}
	if gob.NewEncoder(new(bytes.Buffer)).Encode(x) == nil {
		t.Error("gob took a SecretG2")
	}
	for _, v := range []any{struct{ hidden SecretG2 }{x}, &struct{ hidden SecretG2 }{x}} {
		fmt.Fprintf(&out, "%v %+v %#v %x", v, v, v, v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "held", v)
	}
	for _, leak := range []string{string(x.Expose()), hex.EncodeToString(x.Expose()[4:20]), fmt.Sprint(x.Expose())[4:40], fmt.Sprintf("%v", *x.p)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("a SecretG2 shows %q", leak)
		}
	}
}

func TestEraseReachesEverySecretG2(t *testing.T) {
	x := canary(t).SecretG2()
	copied := x
	x.Erase()
	if !copied.IsIdentity() {
		t.Error("a copy survived Erase")
	}
	prepared := canary(t).SecretG2().Prepared()
	lines := prepared.lines
	prepared.Erase()
	if !prepared.IsIdentity() || lines != nil && *lines != (lines2{}) {
		t.Error("the lines of a point survived Erase")
	}
	if nobody := (SecretG2{}).Prepared(); !nobody.IsIdentity() || !ProductIsOne(nobody.With(G1Generator())) {
		t.Error("the identity, prepared, is not the identity")
	}
	var nowhere SecretG2
	nowhere.Erase()
	if !nowhere.IsIdentity() || !nowhere.Add(nowhere).Mul(NewScalar(2)).IsIdentity() || !bytes.Equal(nowhere.Expose(), (G2{}).Bytes()) {
		t.Error("the zero SecretG2 is not the identity")
	}
	y := canary(t).SecretG2()
	before := y.Expose()
	sum, product := y.Add(y), y.Mul(NewScalar(3))
	sum.Erase()
	product.Erase()
	if !bytes.Equal(y.Expose(), before) {
		t.Error("an operand changed")
	}
}

func TestSecretG1Subtracts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genG1().Draw(t, "a"), genG1().Draw(t, "b")
		one := toSecret(big.NewInt(1))
		sa, sb := a.MulSecret(one), b.MulSecret(one)
		if d := sa.Sub(sb); !d.Publish().Equal(a.Sub(b)) || !d.Add(sb).Equal(sa) {
			t.Fatal("Sub differs")
		}
	})
	if !(SecretG1{}).Sub(SecretG1{}).IsIdentity() {
		t.Error("0 − 0 ≠ 0")
	}
}

func TestHashToSecretIsHashToScalar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dst, msg := rapid.StringN(1, 40, 200).Draw(t, "dst"), rapid.SliceOf(rapid.Byte()).Draw(t, "msg")
		want, err := HashToScalar(dst, msg)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := HashToSecret(dst, msg); err != nil || !got.Publish().Equal(want) {
			t.Fatalf("%x, %v", got.Expose(), err)
		}
	})
}

func FuzzParseSecretG2(f *testing.F) {
	for _, b := range badG2() {
		f.Add(b)
	}
	f.Add(toSecret(big.NewInt(7)).SecretG2().Expose())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseG2(b)
		s, serr := ParseSecretG2(b)
		if (err == nil) != (serr == nil) {
			t.Fatalf("%v, %v", err, serr)
		}
		if err == nil && (!bytes.Equal(s.Expose(), b) || !bytes.Equal(s.Expose(), p.Bytes())) {
			t.Fatalf("%x comes back as %x", b, s.Expose())
		}
	})
}
