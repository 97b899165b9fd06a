package login

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/mail"
	"milagro.dev/internal/oidc"
)

// Config says which login server to open and how it serves. Dir and Protector are
// needed; the others have defaults.
type Config struct {
	// Dir is the directory that Init made.
	Dir string
	// Protector unseals the server's keys.
	Protector custody.Protector
	// Database is the URL of a PostgreSQL database (postgres://…), which several
	// servers may share; empty stands for the SQLite file that Init made. It may
	// hold a password and is shown nowhere.
	Database string
	// Domain is the pinned domain in DIR/wallet, by name or fingerprint; it may be
	// empty if only one is pinned.
	Domain string
	// Name is who the server is over identity TLS (channel kind 1): a name enrolled
	// in DIR/wallet. The zero Name serves no such channel.
	Name identity.Name
	// Clock tells the time; time.Now.
	Clock func() time.Time
	// Logger takes what happens, never a secret; without one it is dropped.
	Logger *slog.Logger
	// Peers makes requests to the authorities; a client with a timeout of ten
	// seconds.
	Peers *http.Client
	// Mail says how owners of locked devices are told; without a host they are not.
	Mail mail.Config
	// Batching says whether logins that wait are verified together.
	Batching Batching
	// Start says where the database comes from.
	Start Start
	// Refresh is how often the server looks for a newer domain document; a minute.
	Refresh time.Duration
	// Sessions bounds the logins between their two passes; 100,000.
	Sessions int
	// Requests bounds what applications ask for and nobody has answered; 100,000. From
	// half of it on, an address may ask for 300 in a minute.
	Requests int
	// OpenID says whether the server is an OpenID provider too, for Clients and those
	// that its operator adds.
	OpenID  OpenID
	Clients []oidc.Client
	// ByMail are the names whose owners may ask for an invitation by mail; nobody
	// unless given.
	ByMail []identity.Pattern
	// Proxies are believed when they say for whom they ask (X-Forwarded-For), besides
	// those on this machine.
	Proxies []netip.Prefix
	// Pages are those of package web, for browsers; nil for none.
	Pages http.Handler
	// Operators decide critical acts, two together (spec/operators.md); without any,
	// whoever is at the admin socket does.
	Operators []OperatorKey
	// AuditLife is how long the audit of who has a row is kept; 400 days.
	AuditLife time.Duration
}

// Batching is how logins that arrive together are verified.
type Batching uint8

const (
	// Batched verifies together what waits, up to mpin.MaxBatch.
	Batched Batching = iota
	// Singly verifies every login by itself.
	Singly
)

// Start says what state a server finds when it is opened.
type Start uint8

const (
	// Continued is the state that was served last.
	Continued Start = iota
	// Restored is a state from a backup, which has forgotten wrong PINs: every
	// device starts one wrong PIN before its lock.
	Restored
)

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Peers == nil {
		c.Peers = &http.Client{Timeout: 10 * time.Second}
	}
	if c.Refresh == 0 {
		c.Refresh = time.Minute
	}
	if c.Sessions == 0 {
		c.Sessions = 100_000
	}
	if c.AuditLife == 0 {
		c.AuditLife = 400 * 24 * time.Hour
	}
	return c
}

// check refuses what cannot be meant.
func (c Config) check() error {
	switch {
	case c.Refresh < time.Millisecond:
		return fmt.Errorf("a document refreshed every %s", c.Refresh)
	case c.Requests < 0:
		return fmt.Errorf("at most %d requests", c.Requests)
	case c.Sessions < 1:
		return fmt.Errorf("at most %d sessions", c.Sessions)
	case c.AuditLife < strangersLife:
		return fmt.Errorf("an audit kept for %s: at least %s", c.AuditLife, strangersLife)
	case c.Batching > Singly || c.Start > Restored || c.OpenID > WithOpenID:
		return errors.New("batching, start or OpenID is none of this package's")
	case len(c.ByMail) > 0 && c.Mail.Host == "":
		return errors.New("invitations by mail need a mail server")
	case c.Database != "" && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://"):
		return errors.New("the database is no postgres:// URL") // not shown: it may hold a password
	}
	return CheckOperators(c.Operators)
}
