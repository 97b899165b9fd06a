package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"milagro.dev/internal/store"
)

// How long what is given is good for.
const (
	requestLife = 10 * time.Minute
	codeLife    = time.Minute
	// codeKept is how long a second use of a code is noticed.
	codeKept = 24 * time.Hour
	// AccessLife is that of access tokens and of ID tokens.
	AccessLife = 10 * time.Minute
	// SessionLife is how long a browser stays signed in.
	SessionLife = 12 * time.Hour
	// FamilyLife is how long tokens are refreshed after one sign-in.
	FamilyLife = 30 * 24 * time.Hour
	// leeway is by how much the clocks of servers of one database may differ.
	leeway = 5 * time.Second
)

// Subject is who has logged in, and where.
type Subject struct {
	// Sub names the person to applications, the same for all of them and whatever
	// the device.
	Sub string
	// Name is the person's: acct:alice@example.org.
	Name string
	// Service and Device are the row of the device, which may be revoked.
	Service, Device [32]byte
	// ID is the statement's own, the same however its signature is spelled.
	ID string
	// Time is when it was, and Expires when what says so ends.
	Time, Expires time.Time
}

// Authenticator says whose login a statement states. It refuses one that is not
// signed by this login server for its own origin, is past, or is of another domain
// or service; that it is shown once is seen to by the provider. A refusal is a
// *problem.Problem, any other error is one of storage.
type Authenticator interface {
	Authenticate(ctx context.Context, statement string) (Subject, error)
}

// Config says which provider to make. Clients and what stands below them may be left out.
type Config struct {
	// Issuer is the origin where the provider is reached, without a path.
	Issuer string
	// DB is the login server's state, of the schema store.Login.
	DB *store.DB
	// Keys signs ID tokens.
	Keys *Keyring
	// Authenticator verifies what our page shows.
	Authenticator Authenticator
	// Clients are those of the configuration, beside those in DB.
	Clients []Client
	// Requests bounds those that wait for somebody to sign in, which anybody can make;
	// 100,000.
	Requests int
	// Admit refuses who asks too often. It is asked from when half of Requests wait, so
	// that one address does not take the places of all. It may be nil.
	Admit func(*http.Request) error
	// Clock tells the time; time.Now.
	Clock func() time.Time
	// Logger takes what happens, never a secret; without one it is dropped.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Requests == 0 {
		c.Requests = 100_000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	issuer, err := url.Parse(c.Issuer)
	if err != nil || issuer.Host == "" || issuer.Path != "" || issuer.Scheme != "https" && issuer.Scheme != "http" {
		return errors.New("the issuer is an origin: scheme and host, no path")
	}
	if c.DB == nil || c.Keys == nil || c.Authenticator == nil {
		return errors.New("a database, keys and an authenticator are needed")
	}
	seen := map[string]bool{}
	for _, client := range c.Clients {
		if err := client.Check(); err != nil {
			return err
		}
		if seen[client.ID] {
			return fmt.Errorf("client %s stands twice", client.ID)
		}
		seen[client.ID] = true
	}
	return nil
}
