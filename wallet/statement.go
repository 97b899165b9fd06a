package wallet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"milagro.dev/identity"
)

// statementSeconds is how long a statement holds (spec/mpin.md "Statement").
const statementSeconds = 300

// Subject is whom a login server's statement is about.
type Subject struct {
	Name        identity.Name
	Domain      identity.DomainID
	Service     string
	Device      identity.DeviceHash
	ChannelKind uint8
	ID          string // another one for each login
	Issued      uint64 // unix seconds, as Expires
	Expires     uint64
}

// claims are those of a statement.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Issued   uint64   `json:"iat"`
	Expires  uint64   `json:"exp"`
	ID       string   `json:"jti"`
	AuthTime uint64   `json:"auth_time"`
	Methods  []string `json:"amr"`
	Milagro  struct {
		Domain      identity.DomainID `json:"domain"`
		Service     string            `json:"service"`
		Device      string            `json:"device"`
		ChannelKind uint8             `json:"channel_kind"`
	} `json:"milagro"`
}

// VerifyStatement is for applications: it returns whom a statement is about if it
// is signed with ES256 by a key of keys, the login server's JSON Web Key Set, is from
// and for origin, and holds at the time now, clocks being up to 30 seconds apart.
// An error wraps ErrStatement. Whether the domain is the one that the application
// means is for the caller, who also remembers ID where a statement may serve once.
func VerifyStatement(keys []byte, origin, statement string, now time.Time) (*Subject, error) {
	s, err := verifyStatement(keys, origin, statement, now)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStatement, err)
	}
	return s, nil
}

func verifyStatement(keys []byte, origin, statement string, now time.Time) (*Subject, error) {
	if len(statement) > maxJWT {
		return nil, fmt.Errorf("longer than %d bytes", maxJWT)
	}
	token, err := jwt.ParseSigned(statement, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	key, err := keyOfSet(keys, token.Headers)
	if err != nil {
		return nil, err
	}
	var c claims
	if err := token.Claims(key, &c); err != nil {
		return nil, err
	}
	if err := c.check(origin, now); err != nil {
		return nil, err
	}
	s := &Subject{Domain: c.Milagro.Domain, Service: c.Milagro.Service, ChannelKind: c.Milagro.ChannelKind,
		ID: c.ID, Issued: c.Issued, Expires: c.Expires}
	if s.Name, err = identity.ParseName(c.Subject); err != nil {
		return nil, err
	}
	if s.Device, err = identity.ParseDeviceHash(c.Milagro.Device); err != nil {
		return nil, err
	}
	return s, identity.CheckService(s.Service)
}

// keyOfSet returns the P-256 key of a set that headers name.
func keyOfSet(keys []byte, headers []jose.Header) (*ecdsa.PublicKey, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keys, &set); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if len(headers) != 1 || headers[0].KeyID == "" {
		return nil, errors.New("it names no key")
	}
	for _, k := range set.Key(headers[0].KeyID) {
		public, ok := k.Key.(*ecdsa.PublicKey)
		if ok && public.Curve == elliptic.P256() && (k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == string(jose.ES256)) {
			return public, nil
		}
	}
	return nil, errors.New("its key is not one of the login server's")
}

func (c claims) check(origin string, now time.Time) error {
	at, skew := uint64(max(0, now.Unix())), uint64(30)
	switch {
	case c.Issuer != origin || c.Audience != origin:
		return fmt.Errorf("it is from %q for %q, not %q", c.Issuer, c.Audience, origin)
	case c.Expires != c.Issued+statementSeconds || c.AuthTime != c.Issued:
		return errors.New("its times do not fit each other")
	case at+skew < c.Issued:
		return fmt.Errorf("it is from the future: %d s", c.Issued-at)
	case at >= c.Expires+skew:
		return fmt.Errorf("it ended %d s ago", at-c.Expires)
	case c.ID == "" || !slices.Contains(c.Methods, "pin") || !slices.Contains(c.Methods, "pop"):
		return errors.New("it is not that of a login with PIN and device")
	}
	return nil
}

// WhoAmI fetches the login server's keys and verifies the statement of the last
// login. An error wraps ErrNotRegistered, ErrStatement or ErrNotPinned.
func (w *Wallet) WhoAmI(ctx context.Context, n identity.Name, service string) (*Subject, error) {
	s, err := w.whoAmI(ctx, n, service)
	if err != nil {
		return nil, fmt.Errorf("who am I at %s: %w", service, err)
	}
	return s, nil
}

func (w *Wallet) whoAmI(ctx context.Context, n identity.Name, service string) (*Subject, error) {
	last, err := w.LastStatement(n, service)
	if err != nil {
		return nil, err
	}
	again := fmt.Sprintf("milagro mpin login %v --service %s", n, service)
	if last == nil {
		return nil, &advised{fmt.Errorf("%w: there is none yet", ErrStatement), again}
	}
	a, err := w.account(n, service)
	if err != nil {
		return nil, err
	}
	at, err := w.site(n, service)
	if err != nil {
		return nil, err
	}
	l, err := w.dial(ctx, at, a.record.via())
	if err != nil {
		return nil, err
	}
	defer l.close()
	keys, err := l.client.StatementKeys(ctx, l.url)
	if err != nil {
		return nil, err
	}
	s, err := VerifyStatement(keys, at.service.Origin, last.JWT, w.clock())
	if err != nil {
		return nil, &advised{err, again}
	}
	if s.Name != n || s.Domain != at.domain.ID || s.Service != service {
		return nil, fmt.Errorf("%w: it is about %v at %s", ErrStatement, s.Name, s.Service)
	}
	return s, nil
}
