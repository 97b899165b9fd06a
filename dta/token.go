package dta

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

const (
	// MaxToken is the greatest length of a JWT that is evidence, in bytes.
	MaxToken = 8 << 10

	kindToken = "jwt"
)

// ErrToken is wrapped by every refusal of a token's text.
var ErrToken = errors.New("not a JWT")

// TokenAudience returns the audience of a JWT that enrols this device at a and
// nowhere else (spec/issuance.md "Evidence: jwt").
func (a Authority) TokenAudience(device identity.DeviceHash) string {
	return a.URL + "#" + device.String()
}

// TokenEvidence returns the evidence of a request that shows a JWT, a compact JWS
// of at most MaxToken bytes. An error wraps ErrToken and does not repeat the token:
// whatever else was in its place is sent to nobody.
func TokenEvidence(token string) ([]byte, error) {
	if err := checkToken(token); err != nil {
		return nil, err
	}
	return encoding.LP(evidenceLabel, []byte(kindToken), []byte(token)), nil
}

// ParseTokenEvidence reads what TokenEvidence wrote; an error wraps
// encoding.ErrEncoding or ErrToken. Nothing in the token is verified.
func ParseTokenEvidence(b []byte) (string, error) {
	r := encoding.Open(b, evidenceLabel)
	kind, token := r.String(maxText), r.String(maxEvidence)
	if err := r.Close(); err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	if kind != kindToken { // not repeated: it may be a code in the wrong place
		return "", fmt.Errorf("evidence: %w: of an unknown kind", encoding.ErrEncoding)
	}
	return token, checkToken(token)
}

// checkToken refuses what has not the form header.payload.signature, each part in
// base64url without padding, and header and payload JSON objects.
func checkToken(token string) error {
	if len(token) > MaxToken {
		return fmt.Errorf("%w: longer than %d bytes", ErrToken, MaxToken)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("%w: %d parts where 3 belong", ErrToken, len(parts))
	}
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || strings.ContainsAny(part, "\r\n") { // which the decoder passes over
			return fmt.Errorf("%w: part %d is not in base64url", ErrToken, i+1)
		}
		if len(b) == 0 || i < 2 && b[0] != '{' {
			return fmt.Errorf("%w: part %d is not what belongs there", ErrToken, i+1)
		}
	}
	return nil
}
