package login

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"milagro.dev/identity"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/oidc"
	"milagro.dev/internal/problem"
)

// OpenID says whether a server is an OpenID provider as well (spec/openid.md).
type OpenID uint8

const (
	// NoOpenID is none.
	NoOpenID OpenID = iota
	// WithOpenID serves /oauth/… beside logins, for the service's origin.
	WithOpenID
)

// subLabel is in what names a person to applications.
const subLabel = "milagro/v1 sub"

// sub returns how applications know a person: the same whatever the device, and
// whatever master the service has.
func sub(domain identity.DomainID, service, name string) string {
	hash := sha256.Sum256(encoding.LP(subLabel, domain[:], []byte(service), []byte(name)))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// newProvider makes the OpenID provider, with its keys.
func (s *Server) newProvider(ctx context.Context, cfg Config) (*oidc.Provider, error) {
	ring, err := oidc.OpenKeyring(&openidKeys{keyring{dir: cfg.Dir, protector: cfg.Protector}})
	if err != nil {
		return nil, err
	}
	return oidc.New(ctx, oidc.Config{Issuer: s.self.card.Origin, DB: s.state.db, Keys: ring, Clients: cfg.Clients, Clock: cfg.Clock, Logger: cfg.Logger,
		Authenticator: s.reader(cfg), Requests: cfg.Requests, Admit: func(r *http.Request) error { return s.desk.requests.admit(r, s.clock()) }})
}

func (s *Server) reader(cfg Config) *reader {
	return &reader{realm: s.realm, public: s.self.statements.Public().(*ecdsa.PublicKey), clock: cfg.Clock}
}

// reader reads statements that this server, or another of its keys, has given.
type reader struct {
	realm  *realm
	public *ecdsa.PublicKey
	clock  func() time.Time
}

// Authenticate returns whose login a statement states.
func (r *reader) Authenticate(_ context.Context, statement string) (oidc.Subject, error) {
	s := r.realm.now.Load()
	if err := s.refused(); err != nil {
		return oidc.Subject{}, err
	}
	c, err := r.read(statement)
	if err != nil || !r.fits(s, c) {
		return oidc.Subject{}, problem.New(problem.LoginRefused, "the statement is none of this login server's, or is past")
	}
	device, err := identity.ParseDeviceHash(c.Milagro.Device)
	if err != nil {
		return oidc.Subject{}, fmt.Errorf("statement: %w", err)
	}
	return oidc.Subject{Sub: sub(s.document.ID(), s.service.Name, c.Subject), Name: c.Subject, Service: s.id, Device: device, ID: c.ID,
		Time: time.Unix(int64(c.AuthTime), 0), Expires: time.Unix(int64(c.Expires), 0)}, nil
}

func (r *reader) read(statement string) (c claims, err error) {
	signed, err := jose.ParseSignedCompact(statement, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return c, err
	}
	payload, err := signed.Verify(r.public)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(payload, &c)
}

// fits reports whether a statement is for here and now.
func (r *reader) fits(s *served, c claims) bool {
	now := unixSeconds(r.clock())
	return c.Issuer == s.service.Origin && c.Audience == s.service.Origin && c.Milagro.Domain == s.document.ID() && c.Milagro.Service == s.service.Name &&
		c.ID != "" && c.IssuedAt <= now+statementLife && now < c.Expires
}

// openidKeys keeps the signing keys of the OpenID provider: sealed files, each of one
// key, named by when it begins to sign.
type openidKeys struct{ keyring }

const openidKeyPrefix = "openid-key-"

func (k *openidKeys) path(from time.Time) string {
	return filepath.Join(k.dir, openidKeyPrefix+strconv.FormatInt(from.Unix(), 10))
}

func openidKeyPurpose(from time.Time) string { return fmt.Sprintf("openid key %d", from.Unix()) }

// Keys returns every key of the directory.
func (k *openidKeys) Keys() (list []oidc.StoredKey, err error) {
	paths, err := filepath.Glob(filepath.Join(k.dir, openidKeyPrefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		seconds, err := strconv.ParseInt(strings.TrimPrefix(filepath.Base(path), openidKeyPrefix), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: its name says no time", path, custody.ErrDamaged)
		}
		from := time.Unix(seconds, 0)
		secret, err := k.open(path, openidKeyPurpose(from))
		if err != nil {
			return nil, err
		}
		list = append(list, oidc.StoredKey{From: from, Secret: secret})
	}
	return list, nil
}

// Add returns when a key is durable.
func (k *openidKeys) Add(key oidc.StoredKey) error {
	return k.seal(k.path(key.From), openidKeyPurpose(key.From), key.Secret)
}

// Remove erases a key; one that is not there is gone.
func (k *openidKeys) Remove(key oidc.StoredKey) error {
	if err := custody.RemoveSecretFile(k.path(key.From)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
