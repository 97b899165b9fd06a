package authority

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"milagro.dev/internal/custody"
	"milagro.dev/internal/mail"
)

// Config says which authority to open and how it serves. Dir and Protector are
// needed; the others have defaults.
type Config struct {
	// Dir is the directory that Init made.
	Dir string
	// Protector unseals the authority's keys and shares.
	Protector custody.Protector
	// Clock tells the time; time.Now.
	Clock func() time.Time
	// Logger takes what happens, never a secret; without one it is dropped.
	Logger *slog.Logger
	// Peers makes requests to the other authorities; a client with a timeout of
	// ten seconds.
	Peers *http.Client
	// Limits bound how often anybody may try; a zero Rate is that of DefaultLimits.
	Limits Limits
	// TokenRoots are the issuers whose JWTs enrol; none unless given.
	TokenRoots []TokenRoot
	// Registrations are the registration authorities whose word enrols people; none
	// unless given.
	Registrations []RegistrationRoot
	// Mail says how the codes are sent that Registrations want; without a host none
	// may.
	Mail mail.Config
}

// Limits bound how often something may happen before the answer is 429. They
// are kept in the database and so outlast a restart.
type Limits struct {
	// Strangers bounds, by address, the requests that came with evidence or from
	// a device that is not enrolled, and that got no share.
	Strangers Rate
	// Enrolments bounds, by name, the enrolments on evidence that was true: a
	// stranger cannot use up another's.
	Enrolments Rate
	// Renewals bounds the renewals of one enrolment.
	Renewals Rate
	// Mails bounds, by name, the codes that are mailed.
	Mails Rate
}

// Rate is how often, in each window of time of at least a second.
type Rate struct {
	Count  int
	Window time.Duration
}

// DefaultLimits returns the limits of a Config that sets none.
func DefaultLimits() Limits {
	return Limits{
		Strangers:  Rate{Count: 120, Window: time.Minute},
		Enrolments: Rate{Count: 50, Window: 24 * time.Hour},
		Renewals:   Rate{Count: 120, Window: time.Minute},
		Mails:      Rate{Count: 10, Window: 24 * time.Hour},
	}
}

// check refuses rates that bound nothing: a window of no time never fills.
func (l Limits) check() error {
	for _, limit := range []struct {
		what string
		Rate
	}{{"strangers", l.Strangers}, {"enrolments", l.Enrolments}, {"renewals", l.Renewals}, {"mails", l.Mails}} {
		if limit.Count < 0 || limit.Window < time.Second {
			return fmt.Errorf("limit of %s: %d in %s is no rate: at least 0 in at least 1s", limit.what, limit.Count, limit.Window)
		}
	}
	return nil
}

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
	for rate, otherwise := range map[*Rate]Rate{
		&c.Limits.Strangers:  DefaultLimits().Strangers,
		&c.Limits.Enrolments: DefaultLimits().Enrolments,
		&c.Limits.Renewals:   DefaultLimits().Renewals,
		&c.Limits.Mails:      DefaultLimits().Mails,
	} {
		if *rate == (Rate{}) {
			*rate = otherwise
		}
	}
	return c
}
