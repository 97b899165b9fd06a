package oidc

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	// MinSecret is the least length of a client's secret, in characters: 128 bits
	// in base64url.
	MinSecret = 22
	maxSecret = 256
	maxURL    = 1024
	maxURLs   = 16
)

// Client is an application that lets people sign in.
type Client struct {
	// ID names it: 1 to 64 of a–z, 0–9, '-', '.' and '_'.
	ID string
	// Redirects are the URLs to which codes are sent, compared byte for byte;
	// PostLogouts those to which somebody returns who has signed out.
	Redirects, PostLogouts []string
	// Secret is the SHA-256 of its secret. Without one it is public: PKCE alone
	// tells it from others.
	Secret *[sha256.Size]byte
}

var clientID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// NewSecret returns a client's new secret, 256 random bits in base64url.
func NewSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// HashSecret returns what is kept of a client's secret. It refuses one that can be
// guessed for its length alone.
func HashSecret(secret string) (*[sha256.Size]byte, error) {
	if len(secret) < MinSecret || len(secret) > maxSecret {
		return nil, fmt.Errorf("a client's secret has %d to %d characters", MinSecret, maxSecret)
	}
	hash := sha256.Sum256([]byte(secret))
	return &hash, nil
}

// Check refuses what cannot be meant: an ID of other characters, no or too many
// URLs, URLs in plain HTTP beyond this machine, with a fragment or with a user.
func (c Client) Check() error {
	if !clientID.MatchString(c.ID) {
		return fmt.Errorf("client %.80q: an ID is 1 to 64 of a-z, 0-9, '-', '.' and '_'", c.ID)
	}
	if len(c.Redirects) == 0 || len(c.Redirects) > maxURLs || len(c.PostLogouts) > maxURLs {
		return fmt.Errorf("client %s: 1 to %d redirect URLs, at most as many for after a logout", c.ID, maxURLs)
	}
	for _, text := range slices.Concat(c.Redirects, c.PostLogouts) {
		if err := checkURL(text); err != nil {
			return fmt.Errorf("client %s: %.80q: %w", c.ID, text, err)
		}
	}
	return nil
}

func checkURL(text string) error {
	if len(text) > maxURL || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return errors.New("a URL is of visible ASCII, and not longer than 1,024 characters")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return errors.New("not a URL with a host")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return errors.New("a fragment never reaches an application")
	case u.User != nil:
		return errors.New("no user in a URL")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("https, or http on this machine")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// opened reports whether a secret is the client's.
func (c Client) opened(secret string) bool {
	if c.Secret == nil {
		return secret == ""
	}
	hash := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(hash[:], c.Secret[:]) == 1
}

// registered is a Client as the library asks about it: code flow and refreshing,
// exact URLs, ID tokens without the claims of userinfo.
type registered struct {
	Client
	issuer string
}

var _ op.Client = registered{}

// GetID returns the client's ID.
func (r registered) GetID() string { return r.ID }

// RedirectURIs returns the URLs to which codes are sent.
func (r registered) RedirectURIs() []string { return r.Redirects }

// PostLogoutRedirectURIs returns the URLs for after a logout.
func (r registered) PostLogoutRedirectURIs() []string { return r.PostLogouts }

// ApplicationType is web for all: that of native ones would compare loopback URLs
// without their ports.
func (r registered) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }

// AuthMethod returns none for a public client; the others may send their secret
// either way.
func (r registered) AuthMethod() oidc.AuthMethod {
	if r.Secret == nil {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}

// ResponseTypes returns code.
func (r registered) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}

// GrantTypes returns code and refresh token.
func (r registered) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}

// LoginURL returns our page.
func (r registered) LoginURL(id string) string { return signinURL(r.issuer, id) }

// AccessTokenType is opaque.
func (r registered) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }

// IDTokenLifetime returns AccessLife.
func (r registered) IDTokenLifetime() time.Duration { return AccessLife }

// DevMode is off: it would loosen the checks of URLs.
func (r registered) DevMode() bool { return false }

// RestrictAdditionalIdTokenScopes adds nothing.
func (r registered) RestrictAdditionalIdTokenScopes() func([]string) []string { return noScopes }

// RestrictAdditionalAccessTokenScopes adds nothing.
func (r registered) RestrictAdditionalAccessTokenScopes() func([]string) []string { return noScopes }

func noScopes([]string) []string { return nil }

// IsScopeAllowed allows no scope beside the standard's.
func (r registered) IsScopeAllowed(string) bool { return false }

// IDTokenUserinfoClaimsAssertion leaves claims to userinfo.
func (r registered) IDTokenUserinfoClaimsAssertion() bool { return false }

// ClockSkew is none.
func (r registered) ClockSkew() time.Duration { return 0 }
