package pairing

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"testing/cryptotest"
)

// canary is a secret whose bytes, and whose Montgomery limbs, are recognisable.
func canary(t *testing.T) Secret {
	s, err := ParseSecret(bytes.Repeat([]byte{0x5a}, ScalarSize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// leaks lists the ways in which a secret's content could show in a text.
func leaks(s Secret, p SecretG1) []string {
	forms := []string{fmt.Sprintf("%v", *s.v), fmt.Sprintf("%x", *s.v), fmt.Sprintf("%#v", *s.v)}
	for _, b := range [][]byte{s.Expose(), p.Expose()} {
		forms = append(forms, string(b), hex.EncodeToString(b[4:20]), fmt.Sprint(b)[4:40])
	}
	return forms
}

func TestSecretsPrintRedacted(t *testing.T) {
	s := canary(t)
	p := G1Generator().MulSecret(s)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%T%v"} {
		for _, value := range []any{s, &s, p, &p, p.With(G2Generator())} {
			args := []any{value}
			if verb == "%T%v" {
				args = []any{value, value}
			}
			if got := fmt.Sprintf(verb, args...); !strings.HasSuffix(got, "[redacted]") {
				t.Errorf("Sprintf(%q, %T) = %s", verb, value, got)
			}
		}
	}
	if s.String() != redacted || p.String() != redacted {
		t.Error("String shows something")
	}
}

func TestSecretsInsideOtherStructsDoNotPrint(t *testing.T) {
	s := canary(t)
	p := G1Generator().MulSecret(s)
	type holder struct {
		hidden Secret
		point  SecretG1
		pair   Pair
		Shown  Secret
	}
	h := holder{s, p, p.With(G2Generator()), s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
		for _, value := range []any{h, &h, []holder{h}, map[string]holder{"k": h}, struct{ in any }{h}} {
			got := fmt.Sprintf(verb, value)
			for _, leak := range leaks(s, p) {
				if strings.Contains(got, leak) {
					t.Errorf("Sprintf(%q) shows %q: %s", verb, leak, got)
				}
			}
		}
	}
}

func TestSecretsDoNotMarshal(t *testing.T) {
	s := canary(t)
	p := G1Generator().MulSecret(s)
	for _, v := range []any{s, &s, p, &p, struct{ S Secret }{s}, map[string]any{"p": p}} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("json of %T: %s", v, b)
		}
	}
	for _, v := range []any{s, p} {
		if err := gob.NewEncoder(new(bytes.Buffer)).Encode(v); err == nil {
			t.Errorf("gob took a %T", v)
		}
	}
}

func TestSecretsDoNotReachLogs(t *testing.T) {
	s := canary(t)
	p := G1Generator().MulSecret(s)
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "s", s, "p", p, "pointer", &s, "held", struct{ s Secret }{s})
	}
	if n := strings.Count(out.String(), redacted); n < 6 {
		t.Errorf("%d redactions: %s", n, out.String())
	}
	for _, leak := range leaks(s, p) {
		if strings.Contains(out.String(), leak) {
			t.Errorf("log shows %q: %s", leak, out.String())
		}
	}
}

func TestNonceIsHedged(t *testing.T) {
	key, statement := []byte("key"), []byte("statement")
	cryptotest.SetGlobalRandom(t, 1)
	first := Nonce(key, statement)
	if second := Nonce(key, statement); first.Equal(second) {
		t.Error("fresh randomness, same nonce")
	}

	cryptotest.SetGlobalRandom(t, 1)
	noise := make([]byte, 64)
	_, _ = rand.Read(noise)
	mac := hmac.New(sha512.New, key)
	mac.Write(append(noise, statement...))
	if want := mod(new(big.Int).SetBytes(mac.Sum(nil))); !bytes.Equal(first.Expose(), want) {
		t.Errorf("nonce %x, want %x", first.Expose(), want)
	}

	for name, other := range map[string]func() Secret{
		"statement": func() Secret { return Nonce(key, []byte("another")) },
		"key":       func() Secret { return Nonce([]byte("other"), statement) },
	} {
		cryptotest.SetGlobalRandom(t, 1)
		if other().Equal(first) {
			t.Errorf("a source that repeats itself repeats the nonce for another %s", name)
		}
	}
}

func TestRandomSecretComesFromCryptoRand(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 2)
	a, b := RandomSecret(), RandomSecret()
	cryptotest.SetGlobalRandom(t, 2)
	wide := make([]byte, 64)
	_, _ = rand.Read(wide)
	if want := mod(new(big.Int).SetBytes(wide)); !bytes.Equal(a.Expose(), want) {
		t.Errorf("%x, want %x", a.Expose(), want)
	}
	if a.Equal(b) || a.IsZero() {
		t.Error("not random")
	}
}

func TestEraseReachesEveryCopy(t *testing.T) {
	s := canary(t)
	p := G1Generator().MulSecret(s)
	sCopy, pCopy := s, p
	s.Erase()
	p.Erase()
	if !sCopy.IsZero() || !pCopy.IsIdentity() {
		t.Error("a copy survived Erase")
	}
	var none Secret
	var nowhere SecretG1
	none.Erase()
	nowhere.Erase()
	if !none.IsZero() || !nowhere.IsIdentity() {
		t.Error("zero values changed")
	}
}

func TestOperationsLeaveTheirOperandsAlone(t *testing.T) {
	s, u := canary(t), canary(t).Add(canary(t))
	k := NewScalar(3)
	before, other := s.Expose(), u.Expose()
	for _, result := range []Secret{s.Add(u), s.Sub(u), s.Mul(u), s.AddPublic(k), s.MulPublic(k)} {
		result.Erase()
	}
	if !bytes.Equal(s.Expose(), before) || !bytes.Equal(u.Expose(), other) || !k.Equal(NewScalar(3)) {
		t.Error("an operand changed")
	}
}
