package login_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"milagro.dev/dta"
	"milagro.dev/mpin"
)

// TestStatementIsWhatThePageSays: its header, its claims, and a key set that has
// nothing private.
func TestStatementIsWhatThePageSays(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	before := s.Now()
	first, second := s.logsIn(p), s.logsIn(p)
	if first.Vouchers != nil {
		t.Error("vouchers without an intent")
	}
	raw, err := (&dta.Client{}).StatementKeys(t.Context(), s.URL())
	s.done(err)
	if strings.Contains(string(raw), `"d"`) {
		t.Fatalf("the key set has a private key: %s", raw)
	}
	var set jose.JSONWebKeySet
	s.done(json.Unmarshal(raw, &set))
	if len(set.Keys) != 1 || set.Keys[0].Algorithm != "ES256" || set.Keys[0].Use != "sig" {
		t.Fatalf("%s", raw)
	}
	thumbprint, err := set.Keys[0].Thumbprint(crypto.SHA256)
	s.done(err)
	ids := map[string]bool{}
	for _, answer := range []mpin.FinishAnswer{first, second} {
		signed, err := jose.ParseSignedCompact(answer.Statement, []jose.SignatureAlgorithm{jose.ES256})
		s.done(err)
		header := signed.Signatures[0].Header
		if header.KeyID != base64.RawURLEncoding.EncodeToString(thumbprint) || header.ExtraHeaders["typ"] != "JWT" {
			t.Errorf("header %+v", header)
		}
		payload, err := signed.Verify(set.Keys[0])
		s.done(err)
		id := s.readClaims(t, p.Device.Hash().String(), before, answer.Expires, payload)
		ids[id] = true
	}
	if len(ids) != 2 {
		t.Errorf("identifiers %v of two statements", ids)
	}
	s.done(s.Restart(t.Context()))
	again, err := (&dta.Client{}).StatementKeys(t.Context(), s.URL())
	if err != nil || string(again) != string(raw) {
		t.Errorf("another key after a restart: %s, %v", again, err)
	}
}

// readClaims checks a payload and returns its identifier.
func (s *stage) readClaims(t *testing.T, device string, before, expires uint64, payload []byte) string {
	t.Helper()
	var c struct {
		Iss, Sub, Aud, Jti string
		Iat, Exp           uint64
		AuthTime           uint64 `json:"auth_time"`
		Amr                []string
		Milagro            struct {
			Domain, Service, Device string
			ChannelKind             *uint8 `json:"channel_kind"`
		}
	}
	s.done(json.Unmarshal(payload, &c))
	m := c.Milagro
	if c.Iss != s.URL() || c.Aud != s.URL() || c.Sub != alice || c.Iat < before || c.Iat > s.Now() || c.Exp != c.Iat+300 || c.Exp != expires ||
		c.AuthTime != c.Iat || !slices.Equal(c.Amr, []string{"pin", "pop"}) || m.Domain != s.domain.Published.Document.ID().String() ||
		m.Service != "login" || m.Device != device || m.ChannelKind == nil || *m.ChannelKind != 0 {
		t.Errorf("%s", payload)
	}
	if id, err := base64.RawURLEncoding.DecodeString(c.Jti); err != nil || len(id) != 16 {
		t.Errorf("jti %q", c.Jti)
	}
	return c.Jti
}
