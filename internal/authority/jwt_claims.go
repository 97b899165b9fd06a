package authority

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-jose/go-jose/v4/json" // refuses a key that stands twice
)

// claims are the payload of a token.
type claims map[string]any

// parseClaims reads a payload; at any depth a key that stands twice is an error.
func parseClaims(payload []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil || c == nil {
		return nil, errors.New("its payload is no JSON object in which each key stands once")
	}
	return c, nil
}

// text returns the text at a pointer through objects.
func (c claims) text(pointer []string) (string, bool) {
	at := map[string]any(c)
	for _, token := range pointer[:len(pointer)-1] {
		inner, ok := at[token].(map[string]any)
		if !ok {
			return "", false
		}
		at = inner
	}
	text, ok := at[pointer[len(pointer)-1]].(string)
	return text, ok
}

// claim returns the text of a claim at the top, or nothing.
func (c claims) claim(name string) string {
	text, _ := c[name].(string)
	return text
}

// time returns a claim of unix seconds, without a fraction.
func (c claims) time(name string) (uint64, error) {
	value, ok := c[name].(float64)
	if !ok || value < 0 || value > 1<<53 || value != math.Trunc(value) {
		return 0, fmt.Errorf("it has no whole seconds in %s", name)
	}
	return uint64(value), nil
}

// audience returns the one audience of a token: it is for nobody else.
func (c claims) audience() (string, error) {
	switch aud := c["aud"].(type) {
	case string:
		return aud, nil
	case []any:
		if len(aud) == 1 {
			if text, ok := aud[0].(string); ok {
				return text, nil
			}
		}
	}
	return "", errors.New("it is not for one audience alone")
}

// lifetime is when a token was made and when it ends, in unix seconds.
type lifetime struct{ issued, expires uint64 }

// lives returns the lifetime of a token that is good now, of at most maxAge
// seconds; clocks may be skew seconds apart.
func (c claims) lives(now, maxAge uint64) (l lifetime, err error) {
	const skew = tokenSkew
	if l.expires, err = c.time("exp"); err != nil {
		return l, err
	}
	if l.issued, err = c.time("iat"); err != nil {
		return l, err
	}
	begins := l.issued
	if _, there := c["nbf"]; there {
		if begins, err = c.time("nbf"); err != nil {
			return l, err
		}
	}
	switch {
	case l.expires <= l.issued:
		return l, errors.New("it ends before it begins")
	case l.expires+skew <= now:
		return l, fmt.Errorf("it expired %d s ago", now-l.expires)
	case max(l.issued, begins) > now+skew:
		return l, fmt.Errorf("it is good in %d s only", max(l.issued, begins)-now)
	case l.issued+maxAge+skew < now:
		return l, fmt.Errorf("it is %d s old, at most %d are taken", now-l.issued, maxAge)
	}
	return l, nil
}

// header is what counts of a token's header. Keys in it do not.
type header struct {
	Algorithm string          `json:"alg"`
	KeyID     string          `json:"kid"`
	Type      string          `json:"typ"`
	Critical  json.RawMessage `json:"crit"`
	Base64    json.RawMessage `json:"b64"`
}

func parseHeader(b []byte) (h header, err error) {
	if json.Unmarshal(b, &h) != nil {
		return h, errors.New("its header is no JSON object in which each key stands once")
	}
	switch _, allowed := tokenAlgorithms[h.Algorithm]; {
	case !allowed:
		return h, errors.New("its algorithm is not taken here: use ES256, ES384, RS256, PS256 or EdDSA")
	case h.Critical != nil || h.Base64 != nil:
		return h, errors.New("its header has crit or b64")
	case h.Type != "" && !strings.EqualFold(h.Type, "JWT"):
		return h, errors.New("its typ is not JWT")
	case h.KeyID == "" || len(h.KeyID) > maxKeyID:
		return h, errors.New("it names no key")
	}
	return h, nil
}
