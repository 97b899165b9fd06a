package authoritytest

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/mail"
)

// Config of a domain; the zero value is a domain of three authorities, of which
// all are needed, with epochs of a day.
type Config struct {
	Domain      string                      // example.org
	Threshold   int                         // Authorities
	Authorities int                         // 3
	Epochs      map[identity.Purpose]uint32 // in seconds; a day for channel and decrypt
	Permits     uint32                      // length of the epochs of purpose permit, in seconds; 30 days
	Clock       func() time.Time            // time.Now
	Limits      authority.Limits            // authority.DefaultLimits
	Logger      *slog.Logger                // none
	Flags       []string                    // of the domain document
	// TokenRoots returns the issuers whose tokens the authority with this index takes;
	// nil for none.
	TokenRoots func(index uint32) []authority.TokenRoot
	// Registrations returns the registration authorities whose word the authority with
	// this index takes; nil for none.
	Registrations func(index uint32) []authority.RegistrationRoot
	Mail          mail.Config // of every authority: how it mails codes
}

// Domain is a running trust domain.
type Domain struct {
	// Plan and Certificate are those of the ceremony.
	Plan        *dkg.Plan
	Certificate *dkg.Certificate
	// Published is the newest document, signed and stamped.
	Published *dta.Published
	// Members are the authorities; index i is Members[i−1].
	Members []*Member

	config Config
}

// New makes a running domain, which ends with the test.
func New(t testing.TB, cfg Config) *Domain {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d, err := Make(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Make makes a running domain; Close ends it.
func Make(ctx context.Context, cfg Config) (*Domain, error) {
	d, err := Prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := d.activate(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Prepare starts the authorities and has all operators agree to the plan; the
// ceremony has not begun.
func Prepare(ctx context.Context, cfg Config) (*Domain, error) {
	d := &Domain{config: cfg.withDefaults()}
	var cards []*dkg.Card
	for i := range d.config.Authorities {
		m, err := newMember(ctx, uint32(i+1), d.config)
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.Members = append(d.Members, m)
		cards = append(cards, m.Card)
	}
	terms := dkg.Terms{Kind: dkg.Public, Domain: d.config.Domain, Threshold: uint32(d.config.Threshold), Cards: cards,
		Flags: d.config.Flags}
	for _, p := range slices.Sorted(maps.Keys(d.config.Epochs)) {
		terms.Schedules = append(terms.Schedules, dkg.Schedule{Purpose: p, Length: d.config.Epochs[p]})
	}
	var err error
	if d.Plan, err = dkg.NewPlan(terms); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := d.SignPlan(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (c Config) withDefaults() Config {
	if c.Domain == "" {
		c.Domain = "example.org"
	}
	if c.Authorities == 0 {
		c.Authorities = 3
	}
	if c.Threshold == 0 {
		c.Threshold = c.Authorities
	}
	if c.Epochs == nil {
		c.Epochs = map[identity.Purpose]uint32{identity.Channel: 86_400, identity.Decrypt: 86_400}
	}
	if c.Permits == 0 {
		c.Permits = 30 * 86_400
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

// SignPlan has every operator agree to the plan.
func (d *Domain) SignPlan(ctx context.Context) error {
	for _, m := range d.Members {
		if _, err := m.Operator().SignPlan(ctx, d.Plan.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// Close stops every authority and removes its directory.
func (d *Domain) Close() error {
	var errs []error
	for _, m := range d.Members {
		errs = append(errs, m.remove())
	}
	return errors.Join(errs...)
}

// Codes registers a name for a purpose at every authority, as Register does.
func (d *Domain) Codes(t testing.TB, name identity.Name, purpose identity.Purpose) map[uint32]dta.Code {
	t.Helper()
	codes, err := d.Register(t.Context(), name, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

// Register returns a code of every authority for a name and purpose; for purpose
// mpin they are for the domain's first login service.
func (d *Domain) Register(ctx context.Context, name identity.Name, purpose identity.Purpose) (map[uint32]dta.Code, error) {
	if purpose == identity.MPin {
		return d.RegisterLogin(ctx, name, d.Published.Document.Services()[0].Name)
	}
	return d.codes(func(o *authority.Operator) ([]authority.Registration, error) {
		return o.Register(ctx, []identity.Name{name}, purpose, d.config.Clock().Add(time.Hour))
	})
}

// RegisterLogin returns a code of every authority for a name at a login service.
func (d *Domain) RegisterLogin(ctx context.Context, name identity.Name, service string) (map[uint32]dta.Code, error) {
	return d.codes(func(o *authority.Operator) ([]authority.Registration, error) {
		return o.RegisterLogin(ctx, []identity.Name{name}, service, d.config.Clock().Add(time.Hour))
	})
}

func (d *Domain) codes(register func(*authority.Operator) ([]authority.Registration, error)) (map[uint32]dta.Code, error) {
	codes := map[uint32]dta.Code{}
	for i, m := range d.Members {
		made, err := register(m.Operator())
		if err != nil {
			return nil, err
		}
		code, err := dta.ParseCode(made[0].Code)
		if err != nil {
			return nil, err
		}
		codes[uint32(i+1)] = code
	}
	return codes, nil
}

// Now returns the domain's time in unix seconds.
func (d *Domain) Now() uint64 { return uint64(d.config.Clock().Unix()) }
