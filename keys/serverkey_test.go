package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"reflect"
	"strings"
	"testing"

	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
)

var identityG2 = append([]byte{0xc0}, make([]byte, pairing.G2Size-1)...)

// serverShares returns every authority's share of the server key.
func (d *domain) serverShares() []ServerShare {
	var shares []ServerShare
	for _, h := range d.holders {
		shares = append(shares, h.ServerShare())
	}
	return shares
}

func TestAnyThresholdSharesMakeTheServerKey(t *testing.T) {
	for _, c := range [][2]int{{2, 2}, {2, 3}, {3, 5}} {
		threshold, n := c[0], c[1]
		d := newDomain(t, threshold, n)
		all := d.serverShares()
		whole := must[ServerKey](t)(CombineServer(threshold, all))
		if err := whole.Verify(d.pin); err != nil {
			t.Fatalf("%d of %d: %v", threshold, n, err)
		}
		for subset := range 1 << n {
			var shares []ServerShare
			for i := range all {
				if subset>>i&1 == 1 {
					shares = append([]ServerShare{all[i]}, shares...)
				}
			}
			key, err := CombineServer(threshold, shares)
			if enough := bits.OnesCount(uint(subset)) >= threshold; !enough {
				if !errors.Is(err, ErrThreshold) {
					t.Errorf("%d of %d: subset %b: %v", threshold, n, subset, err)
				}
			} else if err != nil || !bytes.Equal(key.Expose(), whole.Expose()) {
				t.Errorf("%d of %d: subset %b makes another key: %v", threshold, n, subset, err)
			}
		}
	}
}

func TestServerShareVerifies(t *testing.T) {
	d, other := newDomain(t, 2, 3), newDomain(t, 2, 3)
	shares := d.serverShares()
	for _, s := range shares {
		if err := s.Verify(d.pins[s.Index()]); err != nil {
			t.Errorf("share %d: %v", s.Index(), err)
		}
	}
	negated, err := ParseServerShare(1, shares[0].Generation(), d.publics[1].Neg().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		share  ServerShare
		public pairing.G1
	}{
		"of another authority":           {shares[1], d.pins[1]},
		"of another master":              {other.serverShares()[0], d.pins[1]},
		"negated":                        {negated, d.pins[1]},
		"nothing":                        {ServerShare{index: 1}, d.pins[1]},
		"nothing, of nothing":            {ServerShare{index: 1}, pairing.G1{}},
		"good, and nothing to verify by": {shares[0], pairing.G1{}},
	} {
		if err := c.share.Verify(c.public); !errors.Is(err, ErrShare) {
			t.Errorf("share %s: %v", name, err)
		}
	}
}

func TestServerKeyVerifyRefuses(t *testing.T) {
	d := newDomain(t, 2, 3)
	key := must[ServerKey](t)(CombineServer(2, d.serverShares()))
	if err := key.Verify(newDomain(t, 2, 3).pin); !errors.Is(err, ErrKey) {
		t.Errorf("another master: %v", err)
	}
	if err := (ServerKey{}).Verify(d.pin); !errors.Is(err, ErrKey) {
		t.Errorf("no key: %v", err)
	}
	if err := (ServerKey{}).Verify(PinMaster{}); !errors.Is(err, ErrKey) {
		t.Errorf("nothing at all: %v", err)
	}
	lone := must[ServerKey](t)(CombineServer(1, d.serverShares()))
	if err := lone.Verify(d.pin); !errors.Is(err, ErrKey) {
		t.Errorf("one share of two: %v", err)
	}
}

func TestCombineServerRefuses(t *testing.T) {
	d := newDomain(t, 2, 3)
	s := d.serverShares()
	zero := ServerShare{generation: s[0].generation, point: s[0].point}
	late := s[1]
	late.generation.Counter++
	for name, c := range map[string]struct {
		threshold int
		shares    []ServerShare
		want      error
	}{
		"none": {2, nil, ErrThreshold}, "threshold 0": {0, s, ErrThreshold}, "one share twice": {2, []ServerShare{s[0], s[0]}, ErrThreshold},
		"index 0": {2, []ServerShare{zero, s[1]}, vss.ErrIndices}, "two generations": {2, []ServerShare{s[0], late}, ErrGeneration},
		"two generations, beyond the threshold": {2, []ServerShare{s[0], s[2], late}, ErrGeneration},
	} {
		if _, err := CombineServer(c.threshold, c.shares); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestServerKeysAreReadAsWritten(t *testing.T) {
	d := newDomain(t, 2, 2)
	s := d.serverShares()[1]
	back := must[ServerShare](t)(ParseServerShare(2, s.Generation(), s.Expose()))
	if back.Index() != 2 || back.Generation() != s.Generation() || !bytes.Equal(back.Expose(), s.Expose()) || back.Verify(d.pins[2]) != nil {
		t.Error("a share is not what was written")
	}
	key := must[ServerKey](t)(CombineServer(2, d.serverShares()))
	again := must[ServerKey](t)(ParseServerKey(key.Expose()))
	if err := again.Verify(d.pin); err != nil || len(key.Expose()) != ServerKeySize {
		t.Error(err)
	}
	for name, b := range map[string][]byte{"nothing": nil, "the identity": identityG2, "short": key.Expose()[1:], "long": append(key.Expose(), 0), "a point of G1": d.pin.Bytes()} {
		if _, err := ParseServerShare(1, Generation{}, b); !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("share, %s: %v", name, err)
		}
		if _, err := ParseServerKey(b); !errors.Is(err, ErrKey) || !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("key, %s: %v", name, err)
		}
	}
}

func TestServerKeyPairs(t *testing.T) {
	d, a := newDomain(t, 2, 2), somePoint(1)
	server := must[ServerKey](t)(CombineServer(2, d.serverShares()))
	key := must[Private](t)(Combine(2, d.issue(a)))
	if !pairing.ProductIsOne(server.With(a), key.Secret().Neg().With(pairing.G2Generator())) {
		t.Error("e(A, S) ≠ e(sA, P2)")
	}
	if pairing.ProductIsOne(server.With(somePoint(2)), key.Secret().Neg().With(pairing.G2Generator())) {
		t.Error("e(B, S) = e(sA, P2)")
	}
}

// TestCombineLessMakesTheKeyLessAPart is spec/mpin.md "Token" with any t shares.
func TestCombineLessMakesTheKeyLessAPart(t *testing.T) {
	d, a := newDomain(t, 3, 5), somePoint(1)
	shares, part := d.issue(a), a.MulSecret(pairing.RandomSecret())
	key := must[Private](t)(Combine(3, shares))
	for _, some := range [][]Share{shares, shares[2:], {shares[4], shares[0], shares[2]}} {
		less := must[Private](t)(CombineLess(3, some, part))
		if !less.Secret().Add(part).Equal(key.Secret()) {
			t.Error("key less part, and part, are not the key")
		}
		if err := less.Verify(a, d.master); !errors.Is(err, ErrKey) {
			t.Errorf("the key less a part verifies as the key: %v", err)
		}
	}
	if none := must[Private](t)(CombineLess(3, shares, pairing.SecretG1{})); !none.Secret().Equal(key.Secret()) {
		t.Error("the key less nothing is not the key")
	}
	if part.IsIdentity() || shares[0].Verify(a, d.publics[1]) != nil {
		t.Error("an operand changed")
	}
	for name, c := range map[string]struct {
		shares []Share
		want   error
	}{"too few": {shares[:2], ErrThreshold}, "one twice": {[]Share{shares[0], shares[1], shares[1]}, ErrThreshold}, "two generations": {append(shares[:2:2], Share{index: 3, point: shares[2].point}), ErrGeneration}} {
		if _, err := CombineLess(3, c.shares, part); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestServerSharesTellOneValueOfG2 looks for a way by which a server key or its
// shares become public points.
func TestServerSharesTellOneValueOfG2(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[ServerShare](), reflect.TypeFor[ServerKey](), reflect.TypeFor[pairing.SecretG2]()} {
		if typ.Comparable() {
			t.Errorf("%v compares with ==", typ)
		}
		for m := range typ.NumMethod() {
			f := typ.Method(m).Type
			for o := range f.NumOut() {
				if out := f.Out(o); out == reflect.TypeFor[pairing.G2]() || out == reflect.TypeFor[Master]() {
					t.Errorf("%v.%s returns a public value of G2", typ, typ.Method(m).Name)
				}
			}
		}
	}
}

func TestServerKeysDoNotPrint(t *testing.T) {
	d := newDomain(t, 2, 2)
	share := d.serverShares()[0]
	key := must[ServerKey](t)(CombineServer(2, d.serverShares()))
	for _, c := range []struct {
		value  any
		secret []byte
	}{{share, share.Expose()}, {&share, share.Expose()}, {key, key.Expose()}, {&key, key.Expose()}, {struct{ K ServerKey }{key}, key.Expose()}, {[]ServerShare{share}, share.Expose()}} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+" ", c.value)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "value", c.value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "value", c.value)
		if b, err := json.Marshal(c.value); err == nil {
			out.Write(b)
		}
		for _, form := range forms(c.secret) {
			if strings.Contains(strings.ToLower(out.String()), form) {
				t.Errorf("%T tells its secret: %s", c.value, out.String())
			}
		}
	}
	if share.String() != "server share 1 [redacted]" || key.GoString() != "server key [redacted]" {
		t.Errorf("printed as %s and %s", share, key)
	}
}

func TestEraseLeavesNoServerKey(t *testing.T) {
	d := newDomain(t, 2, 2)
	share := d.serverShares()[0]
	key := must[ServerKey](t)(CombineServer(2, d.serverShares()))
	keyCopy, shareCopy := key, share
	key.Erase()
	share.Erase()
	if !keyCopy.point.IsIdentity() || !shareCopy.point.IsIdentity() {
		t.Error("an erased key or share is still there in its copy")
	}
	if _, err := ParseServerKey(keyCopy.Expose()); !errors.Is(err, ErrKey) {
		t.Errorf("an erased key reads as one: %v", err)
	}
}

func FuzzParseServerKey(f *testing.F) {
	f.Add(pairing.G2Generator().Bytes())
	f.Add(identityG2)
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := ParseServerKey(b); err == nil && !bytes.Equal(k.Expose(), b) {
			t.Error("server key does not survive")
		}
		if s, err := ParseServerShare(1, Generation{}, b); err == nil && !bytes.Equal(s.Expose(), b) {
			t.Error("server share does not survive")
		}
	})
}
