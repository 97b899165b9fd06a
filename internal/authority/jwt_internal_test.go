package authority

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"milagro.dev/internal/problem"
)

func TestTemplatesRefuse(t *testing.T) {
	for _, text := range []string{
		"", "web", "spiffe://example.org/web", "spiffe://{/d}/web", "spiffe://example.org{/a}", "spiffe://example.org/a{/b}", "spiffe://example.org/{/a}b",
		"spiffe://example.org/{/a}{/b}", "spiffe://example.org/{a}", "spiffe://example.org/{}", "spiffe://example.org/{/a", "spiffe://example.org/a}",
		"spiffe://example.org/{/a~2}", "spiffe://example.org/{/a~}", "spiffe://Example.org/{/a}", "spiffe://example.org/{/a}/", "acct:x{/a}@example.org",
		"acct:{/a}", "acct:{/a}@{/b}", "acct:{/a}x@example.org", "https://example.org/{/a}", "spiffe://example.org/*/{/a}", "spiffe://x.{/a}/{/b}",
	} {
		if _, err := parseTemplate(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestTemplatesMakeNamesOfClaims(t *testing.T) {
	said, err := parseClaims([]byte(`{"sub":"web","a/b":{"~":"deep"},"n":7,"o":{"sub":"inner"},"":{"":"nothing"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"spiffe://example.org/{/sub}":             "spiffe://example.org/web",
		"spiffe://example.org/{/a~1b/~0}/{/sub}":  "spiffe://example.org/deep/web",
		"spiffe://example.org/x/{/o/sub}/y":       "spiffe://example.org/x/inner/y",
		"acct:{/sub}@example.org":                 "acct:web@example.org",
		"spiffe://example.org/{//}":               "spiffe://example.org/nothing",
		"spiffe://example.org/{/n}":               "",
		"spiffe://example.org/{/o}":               "",
		"spiffe://example.org/{/missing}":         "",
		"spiffe://example.org/{/sub/deeper}":      "",
		"spiffe://example.org/{/a~1b/~0/x}/{/n}":  "",
		"spiffe://example.org/{/SUB}":             "",
		"spiffe://example.org/{/a/b}":             "",
		"spiffe://example.org/ns/{/sub}/sa/{/no}": "",
	} {
		parsed, err := parseTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		name, err := parsed.name(said)
		if name.String() != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v, want %q", text, name, err, want)
		}
	}
}

// FuzzClaimIsOneSegment has any text as a claim: what comes of it is a name with the
// segments of the template, or none.
func FuzzClaimIsOneSegment(f *testing.F) {
	for _, s := range []string{"web", "a/b", "..", "*", "%2f", "a@b", "", "ü", "a\x00b", "a\\b"} {
		f.Add(s)
	}
	parsed, err := parseTemplate("spiffe://example.org/ns/{/a}/sa/{/b}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := parsed.name(claims{"a": s, "b": "x"})
		if err == nil && (name.String() != "spiffe://example.org/ns/"+s+"/sa/x" || strings.Count(name.String(), "/") != 6) {
			t.Errorf("%q makes %s", s, name)
		}
	})
}

func TestPayloadsWithAKeyTwiceAreRefused(t *testing.T) {
	for _, text := range []string{`{"aud":"a","aud":"b"}`, `{"k":{"a":1,"a":2}}`, `[]`, `null`, `{}{}`, `"x"`, ``} {
		if c, err := parseClaims([]byte(text)); err == nil {
			t.Errorf("%s is taken as %v", text, c)
		}
	}
	if _, err := parseHeader([]byte(`{"alg":"ES256","kid":"a","kid":"b"}`)); err == nil {
		t.Error("a header with two kid is taken")
	}
}

func TestHeadersThatAreNotTaken(t *testing.T) {
	if _, err := parseHeader([]byte(`{"alg":"ES256","kid":"a","typ":"jwt","jku":"https://evil.example","x5c":["x"]}`)); err != nil {
		t.Errorf("what is not looked at does harm: %v", err)
	}
	for _, alg := range []string{"none", "None", "", "HS256", "HS512", "RS384", "RS512", "PS512", "ES512", "ES256K", "es256", "EdDSA "} {
		if _, err := parseHeader(fmt.Appendf(nil, `{"alg":%q,"kid":"a"}`, alg)); err == nil {
			t.Errorf("algorithm %q is taken", alg)
		}
	}
	for _, text := range []string{`{"alg":"ES256"}`, `{"alg":"ES256","kid":""}`, `{"alg":"ES256","kid":7}`, `{"alg":"ES256","kid":"a","typ":"at+jwt"}`,
		`{"alg":"ES256","kid":"a","crit":["exp"]}`, `{"alg":"ES256","kid":"a","b64":false}`, `{"alg":["ES256"],"kid":"a"}`,
		`{"alg":"ES256","kid":"` + strings.Repeat("a", 257) + `"}`} {
		if _, err := parseHeader([]byte(text)); err == nil {
			t.Errorf("%.60s is taken", text)
		}
	}
}

// forger makes tokens with any header.
func forger(t *testing.T, header string, sign func(input []byte) []byte) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	input := b64([]byte(header)) + "." + b64([]byte(`{"iss":"https://issuer.example"}`))
	return input + "." + b64(sign([]byte(input)))
}

// TestAlgorithmsAreNotConfused has an enemy who signs with what he knows: the
// public key as a secret, a key of his own in the header, or nothing.
func TestAlgorithmsAreNotConfused(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := mustSet(t, jose.JSONWebKey{Key: &private.PublicKey, KeyID: "a", Algorithm: "RS256", Use: "sig"})
	r := &root{TokenRoot: TokenRoot{Issuer: "https://issuer.example"}, keys: ringOf(func(context.Context) ([]byte, error) { return set, nil })}
	embedded, err := json.Marshal(jose.JSONWebKey{Key: own.Public(), KeyID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"public key as a secret": forger(t, `{"alg":"HS256","kid":"a"}`, func(in []byte) []byte { return hmacSHA256(public, in) }),
		"no signature":           forger(t, `{"alg":"none","kid":"a"}`, func([]byte) []byte { return []byte{0} }),
		"key in the header":      forger(t, `{"alg":"ES256","kid":"a","jwk":`+string(embedded)+`}`, signES256(t, own)),
		"ES256 with the RSA key": forger(t, `{"alg":"ES256","kid":"a"}`, signES256(t, own)),
		"PS256 for RS256":        forger(t, `{"alg":"PS256","kid":"a"}`, func([]byte) []byte { return make([]byte, 256) }),
		"kid of nobody":          forger(t, `{"alg":"RS256","kid":"../../a"}`, func([]byte) []byte { return make([]byte, 256) }),
		"bare signature":         forger(t, `{"alg":"RS256","kid":"a"}`, func([]byte) []byte { return make([]byte, 256) }),
	} {
		h, _, err := openToken(token)
		if err == nil {
			_, err = r.signed(t.Context(), h, token)
			if !errors.Is(err, problem.TokenRefused) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	good := signWith(t, jose.RS256, jose.JSONWebKey{Key: private, KeyID: "a"})
	h, _, err := openToken(good)
	if err == nil {
		_, err = r.signed(t.Context(), h, good)
	}
	if err != nil {
		t.Errorf("the issuer's own: %v", err)
	}
}

func TestEveryAlgorithmOfTheListVerifies(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	edwards, edPrivate, _ := ed25519.GenerateKey(nil)
	set := mustSet(t, jose.JSONWebKey{Key: &private.PublicKey, KeyID: "a"}, jose.JSONWebKey{Key: p256.Public(), KeyID: "a"},
		jose.JSONWebKey{Key: p384.Public(), KeyID: "a"}, jose.JSONWebKey{Key: edwards, KeyID: "a"})
	r := &root{TokenRoot: TokenRoot{Issuer: "https://issuer.example"}, keys: ringOf(func(context.Context) ([]byte, error) { return set, nil })}
	for alg, key := range map[jose.SignatureAlgorithm]any{jose.RS256: private, jose.PS256: private, jose.ES256: p256, jose.ES384: p384, jose.EdDSA: edPrivate} {
		token := signWith(t, alg, jose.JSONWebKey{Key: key, KeyID: "a"})
		h, _, err := openToken(token)
		if err == nil {
			_, err = r.signed(t.Context(), h, token)
		}
		if err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestKeySetsPassOverWhatIsOfNoUse(t *testing.T) {
	weak := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 9000, 1), E: 65537}
	one := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 1}
	good, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	var raw []string
	for _, k := range []jose.JSONWebKey{
		{Key: weak, KeyID: "weak"}, {Key: huge, KeyID: "huge"}, {Key: one, KeyID: "one"}, {Key: p521.Public(), KeyID: "p521"}, {Key: good, KeyID: "private"},
		{Key: []byte("secret"), KeyID: "oct"}, {Key: good.Public(), KeyID: "enc", Use: "enc"}, {Key: good.Public()},
		{Key: good.Public(), KeyID: "other", Algorithm: "ES384"}, {Key: good.Public(), KeyID: "good", Use: "sig"},
	} {
		b, err := k.MarshalJSON()
		if err != nil {
			t.Logf("%s cannot be written: %v", k.KeyID, err)
			continue
		}
		raw = append(raw, string(b))
	}
	raw = append(raw, `{"kty":"XYZ","kid":"strange"}`, `7`, `null`)
	set, err := parseKeySet([]byte(`{"keys":[` + strings.Join(raw, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, kid := range []string{"weak", "huge", "one", "p521", "private", "oct", "enc", "", "other", "strange"} {
		for alg := range tokenAlgorithms {
			if len(set.find(kid, alg)) > 0 && (kid != "other" || alg != "ES384") {
				t.Errorf("key %q serves for %s", kid, alg)
			}
		}
	}
	if len(set.find("good", "ES256")) != 1 || len(set.find("good", "RS256")) != 0 {
		t.Error("the good key serves otherwise")
	}
}

func TestKeySetsRefuse(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "no keys": `{"keys":[]}`, "a list": `[]`, "HTML": "<html>", "keys twice": `{"keys":[],"keys":[]}`,
		"too many": `{"keys":[` + strings.Repeat(`{},`, maxKeys) + `{}]}`} {
		if _, err := parseKeySet([]byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestHostileKeyServersAreEndured has servers that send too much, nothing, or send
// elsewhere.
func TestHostileKeyServersAreEndured(t *testing.T) {
	good := mustSet(t, aKey(t))
	var elsewhere atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { elsewhere.Add(1); w.Write(good) }))
	defer target.Close()
	for name, handler := range map[string]http.HandlerFunc{
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 12 {
				if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<10)); err != nil {
					return
				}
			}
			w.Write(good)
		},
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, http.StatusFound) },
		"not found": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound); w.Write(good) },
		"cut short": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9999"); w.Write(good) },
	} {
		server := httptest.NewServer(handler)
		ring := ringOf(loader(server.URL, new(http.Client)))
		if keys, err := ring.find(t.Context(), "a", "ES256"); !errors.Is(err, problem.Unavailable) {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
		server.Close()
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestSlowKeyServerHoldsUpOneRequestForFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, slow := mustSet(t, aKey(t)), false
		ring := ringOf(func(ctx context.Context) ([]byte, error) {
			if slow {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return set, nil
		})
		if _, err := ring.find(t.Context(), "a", "ES256"); err != nil {
			t.Fatal(err)
		}
		slow = true
		time.Sleep(keysFresh)
		begun := time.Now()
		go ring.find(t.Context(), "a", "ES256")
		synctest.Wait()
		// Others have the key at once; a stranger's unknown one waits no longer.
		if _, err := ring.find(t.Context(), "a", "ES256"); err != nil || time.Since(begun) != 0 {
			t.Errorf("a known key after %v: %v", time.Since(begun), err)
		}
		if _, err := ring.find(t.Context(), "b", "ES256"); !errors.Is(err, problem.TokenRefused) || time.Since(begun) != keysTimeout {
			t.Errorf("an unknown key after %v: %v", time.Since(begun), err)
		}
	})
}

func TestWhoGoesAwayDoesNotEndTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := mustSet(t, aKey(t))
		ring := ringOf(func(ctx context.Context) ([]byte, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Second):
				return set, nil
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go ring.find(ctx, "a", "ES256")
		synctest.Wait()
		cancel()
		if _, err := ring.find(t.Context(), "a", "ES256"); err != nil {
			t.Error(err)
		}
	})
}

func TestKeysAreGoodForADayWithoutTheirIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, down, asked := mustSet(t, aKey(t)), false, 0
		ring := ringOf(func(context.Context) ([]byte, error) {
			asked++
			if down {
				return nil, errors.New("down")
			}
			return set, nil
		})
		want := func(kind error) {
			t.Helper()
			if _, err := ring.find(t.Context(), "a", "ES256"); !errors.Is(err, kind) {
				t.Errorf("after %v: %v", time.Since(ring.fetched), err)
			}
		}
		want(nil)
		down = true
		time.Sleep(keysStale - time.Second)
		want(nil)
		time.Sleep(time.Second)
		want(problem.Unavailable)
		before := asked
		for range 60 {
			want(problem.Unavailable)
			time.Sleep(time.Second)
		}
		if n := asked - before; n > 3 {
			t.Errorf("asked %d times in a minute", n)
		}
		down = false
		time.Sleep(keysPause)
		want(nil)
		// A key that the issuer has withdrawn ends with the next fetch.
		set = mustSet(t, jose.JSONWebKey{Key: aKey(t).Key, KeyID: "b"})
		time.Sleep(keysFresh - time.Second)
		want(nil)
		time.Sleep(time.Second)
		want(problem.TokenRefused)
	})
}

func TestKeysComeFromAFileAsWell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	r := TokenRoot{Keys: path}
	for text, good := range map[string]bool{string(mustSet(t, aKey(t))): true, "{}": false, strings.Repeat(" ", maxKeySet) + "{}": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ringOf(loader(path, nil)).find(t.Context(), "a", "ES256")
		if checked := r.CheckKeys(); (err == nil) != good || (checked == nil) != good {
			t.Errorf("%.20s: %v, checked: %v", text, err, checked)
		}
	}
	if err := (TokenRoot{Keys: filepath.Join(t.TempDir(), "none")}).CheckKeys(); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func ringOf(load func(context.Context) ([]byte, error)) *keyring {
	return &keyring{load: load, clock: time.Now, log: slog.New(slog.DiscardHandler)}
}

func aKey(t *testing.T) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key.Public(), KeyID: "a"}
}

func mustSet(t *testing.T, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
