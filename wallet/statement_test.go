package wallet

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"milagro.dev/identity"
)

const statementOrigin = "https://login.example.org"

// stater signs statements as a login server does, and keeps its key set.
type stater struct {
	key  *ecdsa.PrivateKey
	kid  string
	keys []byte
}

func newStater(t *testing.T) *stater {
	t.Helper()
	key := must(newDeviceKey())(t)
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: "ES256", Use: "sig"}
	thumb := must(public.Thumbprint(crypto.SHA256))(t)
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	keys := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}))(t)
	return &stater{key, public.KeyID, keys}
}

func (s *stater) sign(t *testing.T, alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", s.kid)
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options))(t)
	return must(jwt.Signed(signer).Claims(claims).Serialize())(t)
}

// es384 signs a payload with the right key under an algorithm that is not its own.
func (s *stater) es384(t *testing.T, payload string) string {
	t.Helper()
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES384","kid":"`+s.kid+`"}`)) + "." + payload
	digest := sha512.Sum384([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	check(t, err)
	signature := append(r.FillBytes(make([]byte, 48)), v.FillBytes(make([]byte, 48))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func goodClaims(now int64) map[string]any {
	return map[string]any{
		"iss": statementOrigin, "aud": statementOrigin, "sub": "acct:alice@example.org", "iat": now, "exp": now + 300, "jti": "AAAAAAAAAAAAAAAAAAAAAA",
		"auth_time": now, "amr": []string{"pin", "pop"},
		"milagro": map[string]any{"domain": identity.DomainID{1}.String(), "service": "login", "device": identity.DeviceHash{2}.String(), "channel_kind": 1},
	}
}

func TestVerifyStatementReturnsWhomItIsAbout(t *testing.T) {
	s := newStater(t)
	now := time.Unix(1_800_000_000, 0)
	for _, at := range []time.Duration{-30 * time.Second, 0, 329 * time.Second} {
		got, err := VerifyStatement(s.keys, statementOrigin, s.sign(t, jose.ES256, s.key, goodClaims(now.Unix())), now.Add(at))
		if err != nil {
			t.Fatalf("after %v: %v", at, err)
		}
		want := Subject{Name: name(t, "acct:alice@example.org"), Domain: identity.DomainID{1}, Service: "login", Device: identity.DeviceHash{2},
			ChannelKind: 1, ID: "AAAAAAAAAAAAAAAAAAAAAA", Issued: 1_800_000_000, Expires: 1_800_000_300}
		if *got != want {
			t.Errorf("subject = %+v", got)
		}
	}
}

func TestVerifyStatementRefuses(t *testing.T) {
	s, other := newStater(t), newStater(t)
	now := time.Unix(1_800_000_000, 0)
	with := func(field string, value any) string {
		c := goodClaims(now.Unix())
		if c[field] = value; value == nil {
			delete(c, field)
		}
		return s.sign(t, jose.ES256, s.key, c)
	}
	milagro := func(field string, value any) string {
		m := maps.Clone(goodClaims(0)["milagro"].(map[string]any))
		m[field] = value
		return with("milagro", m)
	}
	good := s.sign(t, jose.ES256, s.key, goodClaims(now.Unix()))
	parts := strings.Split(good, ".")
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"` + s.kid + `"}`))
	for title, k := range map[string]struct {
		statement string
		origin    string
		now       time.Time
	}{
		"another issuer":            {statement: with("iss", "https://login.example.com")},
		"another audience":          {statement: with("aud", "https://app.example.org")},
		"two audiences":             {statement: with("aud", []string{statementOrigin, "https://app.example.org"})},
		"for another origin":        {statement: good, origin: "https://login.example.com"},
		"past":                      {statement: good, now: now.Add(330 * time.Second)},
		"from the future":           {statement: good, now: now.Add(-31 * time.Second)},
		"good for a day":            {statement: with("exp", now.Unix()+86_400)},
		"without an end":            {statement: with("exp", nil)},
		"of an older login":         {statement: with("auth_time", now.Unix()-3600)},
		"without the PIN":           {statement: with("amr", []string{"pop"})},
		"without the device":        {statement: with("amr", []string{"pin"})},
		"without an ID":             {statement: with("jti", "")},
		"about no name":             {statement: with("sub", "alice")},
		"about no device":           {statement: milagro("device", "ab")},
		"about no service":          {statement: milagro("service", "")},
		"about no domain":           {statement: milagro("domain", "")},
		"another key, the same kid": {statement: s.sign(t, jose.ES256, other.key, goodClaims(now.Unix()))},
		"a key of nobody's":         {statement: other.sign(t, jose.ES256, other.key, goodClaims(now.Unix()))},
		"ES384":                     {statement: s.sign(t, jose.ES384, p384, goodClaims(now.Unix()))},
		"ES384 by the right key":    {statement: s.es384(t, parts[1])},
		"HS256 with the public key": {statement: s.sign(t, jose.HS256, s.keys[:64], goodClaims(now.Unix()))},
		"alg none":                  {statement: none + "." + parts[1] + "."},
		"altered":                   {statement: parts[0] + "." + parts[1][:len(parts[1])-2] + "." + parts[2]},
		"two signatures":            {statement: good + "." + parts[2]},
		"JSON":                      {statement: `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`},
		"too long":                  {statement: strings.Repeat("a", maxJWT+1)},
		"empty":                     {},
	} {
		if k.origin == "" {
			k.origin = statementOrigin
		}
		if k.now.IsZero() {
			k.now = now
		}
		if got, err := VerifyStatement(s.keys, k.origin, k.statement, k.now); !errors.Is(err, ErrStatement) || got != nil {
			t.Errorf("%s: %v, %v", title, got, err)
		}
	}
	if _, err := VerifyStatement([]byte("<html>"), statementOrigin, good, now); !errors.Is(err, ErrStatement) {
		t.Errorf("no key set: %v", err)
	}
}
