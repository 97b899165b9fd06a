package authority

import (
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
	"strings"
	"testing"

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
