package mpin

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

// least are the cheapest parameters that a reader accepts.
var least = Params{Memory: 19 << 10, Time: 2, Threads: 1}

func TestCheckPIN(t *testing.T) {
	for _, pin := range []string{"0000", "472916", "    ", "~~~~", strings.Repeat("9", MaxPIN), "correct horse battery staple"} {
		if err := CheckPIN([]byte(pin)); err != nil {
			t.Errorf("%q: %v", pin, err)
		}
	}
	for _, pin := range []string{"", "123", strings.Repeat("9", MaxPIN+1), "12\t34", "1234\n", "1234\x00", "1234\x7f", "1234\x1f", "é234", "１２３４"} {
		err := CheckPIN([]byte(pin))
		if err != ErrPIN {
			t.Errorf("%q: %v", pin, err)
		}
		if _, err := Stretch([]byte(pin), [SaltSize]byte{}, least); err != ErrPIN {
			t.Errorf("%q is stretched: %v", pin, err)
		}
	}
	if strings.Contains(ErrPIN.Error(), "%!") {
		t.Errorf("text %q", ErrPIN)
	}
}

func TestParamsHaveAFloorAndACeiling(t *testing.T) {
	for _, p := range []Params{DefaultParams(), least, {Memory: 1 << 20, Time: 16, Threads: 4}} {
		if err := p.Check(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if (DefaultParams() != Params{Memory: 65_536, Time: 3, Threads: 1}) {
		t.Errorf("default is %+v", DefaultParams())
	}
	for _, p := range []Params{{}, {Memory: 19<<10 - 1, Time: 2, Threads: 1}, {Memory: 1<<20 + 1, Time: 2, Threads: 1}, {Memory: 19 << 10, Time: 1, Threads: 1},
		{Memory: 19 << 10, Time: 17, Threads: 1}, {Memory: 19 << 10, Time: 2}, {Memory: 19 << 10, Time: 2, Threads: 5}} {
		if err := p.Check(); !errors.Is(err, ErrParams) {
			t.Errorf("%+v: %v", p, err)
		}
		if _, err := Stretch([]byte("472916"), [SaltSize]byte{}, p); !errors.Is(err, ErrParams) {
			t.Errorf("stretched at %+v: %v", p, err)
		}
	}
}

// TestStretchKnownAnswer has what @noble/hashes 2 makes of the same, which on the
// input of RFC 9106 section 5.3 gives the tag that stands there.
func TestStretchKnownAnswer(t *testing.T) {
	salt := [SaltSize]byte(must[[]byte](t)(hex.DecodeString("63479ad69a090b258277ec8fba6f99419a2ffb248981510657c944ccd1148e97")))
	for params, stretched := range map[Params]string{
		least:                                   "20b5feade90196de93e3f4c1c64752f92a4100d255dc36635fffe085efa85d84",
		DefaultParams():                         "92bc9ba4b351c5b7dfb0749dc8eb0e15c4c69155ad7d256dd23712b0d2ce5fb4",
		{Memory: 19 << 10, Time: 2, Threads: 4}: "2f29b946588f17b3701072b657cf23e2c31513b29fd01dcd8f37f0336f32b8c3",
	} {
		want := must[Factor](t)(newFactor(must[[]byte](t)(hex.DecodeString(stretched))))
		if got := must[Factor](t)(Stretch([]byte("472916"), salt, params)); !got.alpha.Equal(want.alpha) {
			t.Errorf("%+v: another factor", params)
		}
	}
}

func TestEverythingChangesTheFactor(t *testing.T) {
	type input struct {
		pin    string
		salt   byte
		params Params
	}
	seen := map[string]input{}
	for _, in := range []input{{"472916", 1, least}, {"472917", 1, least}, {"4729160", 1, least}, {"472916", 2, least}, {"472916", 1, Params{19<<10 + 8, 2, 1}},
		{"472916", 1, Params{19 << 10, 3, 1}}, {"472916", 1, Params{19 << 10, 2, 2}}} {
		alpha := string(must[Factor](t)(Stretch([]byte(in.pin), [SaltSize]byte{31: in.salt}, in.params)).alpha.Expose())
		if other, ok := seen[alpha]; ok {
			t.Errorf("%+v and %+v make one factor", in, other)
		}
		seen[alpha] = in
	}
}

func TestStretchLeavesThePINAlone(t *testing.T) {
	pin := []byte("472916")
	must[Factor](t)(Stretch(pin, [SaltSize]byte{}, least))
	if string(pin) != "472916" {
		t.Error("the caller's PIN has changed")
	}
}

func TestTokenIsTheKeyLessItsPIN(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	k := alice.login.key(identity.MPin)
	a := must[pairing.G1](t)(k.Point())
	shares := s.issue(t, k)
	for name, some := range map[string][]keys.Share{"1, 2": shares[:2], "3, 2": {shares[2], shares[1]}, "1, 3": {shares[0], shares[2]}} {
		token := must[keys.Private](t)(alice.secrets.Factor.Split(k, 2, some))
		if !token.Secret().Add(a.MulSecret(alice.secrets.Factor.alpha)).Equal(a.MulSecret(s.master)) {
			t.Errorf("shares %s: T + αA is not sA", name)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	k, f := alice.login.key(identity.MPin), alice.secrets.Factor
	nameless := k
	nameless.Name = identity.Name{}
	shares := s.issue(t, k)
	erased := cheap(t, "472916")
	erased.Erase()
	for name, c := range map[string]struct {
		factor Factor
		key    identity.Key
		shares []keys.Share
		want   error
	}{
		"a permit":                    {f, alice.login.key(identity.Permit), shares, identity.ErrPurpose},
		"no name":                     {f, nameless, shares, identity.ErrPurpose},
		"too few shares":              {f, k, shares[:1], keys.ErrThreshold},
		"shares of two generations":   {f, k, []keys.Share{shares[0], keys.NewMasterShare(2, keys.Generation{Counter: 2}, pairing.RandomSecret()).Issue(pairing.G1Generator())}, keys.ErrGeneration},
		"an erased factor":            {erased, k, shares, ErrFactor},
		"no factor, so T would be sA": {Factor{}, k, shares, ErrFactor},
	} {
		if _, err := c.factor.Split(c.key, 2, c.shares); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	attempt := must[*Attempt](t)(Begin(alice.login, alice.secrets))
	f := alice.secrets.Factor
	var leaks []string
	for _, b := range [][]byte{f.alpha.Expose(), attempt.x.Expose(), attempt.key.Expose(), alice.secrets.Token.Expose(), alice.secrets.Permit.Expose()} {
		leaks = append(leaks, string(b), hex.EncodeToString(b[4:20]), fmt.Sprint(b)[4:40])
	}
	for _, v := range []any{f, &f, alice.secrets, attempt, []any{f}, struct{ f Factor }{f}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			for _, leak := range leaks {
				if strings.Contains(text, leak) {
					t.Errorf("%s of a %T shows a secret: %s", verb, v, text)
				}
			}
		}
		if b, err := json.Marshal(v); err == nil {
			for _, leak := range leaks {
				if strings.Contains(string(b), leak) {
					t.Errorf("JSON of a %T shows a secret: %s", v, b)
				}
			}
		}
	}
	for _, text := range []string{f.String(), f.GoString(), fmt.Sprint(f), fmt.Sprintf("%#v", f)} {
		if text != "PIN factor [redacted]" {
			t.Errorf("a factor prints as %q", text)
		}
	}
}

func TestEraseReachesEveryCopy(t *testing.T) {
	f := cheap(t, "472916")
	copied := f
	f.Erase()
	if !copied.alpha.IsZero() {
		t.Error("a copy of the factor survived Erase")
	}
	s := newService(t)
	alice := s.enrol(t, "alice", "472916")
	attempt := must[*Attempt](t)(Begin(alice.login, alice.secrets))
	key, x := attempt.key, attempt.x
	attempt.Erase()
	if !key.IsIdentity() || !x.IsZero() {
		t.Error("the attempt survived Erase")
	}
	if alice.secrets.Factor.alpha.IsZero() || alice.secrets.Token.Secret().IsIdentity() || alice.secrets.Permit.Secret().IsIdentity() {
		t.Error("an attempt erased what its caller holds")
	}
}
