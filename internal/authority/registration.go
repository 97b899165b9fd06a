package authority

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
)

const (
	registrationLabel = "milagro/v1 registration used"
	registrationSkew  = 30             // seconds after its end
	registrationLife  = 24 * time.Hour // the greatest
)

// registrations are the registration authorities whose word is evidence here.
type registrations struct {
	roots []RegistrationRoot
	keys  []ed25519.PublicKey // of roots, in their order
	post  *postman
	log   *slog.Logger
}

// registered is what a good registration entitles to.
type registered struct {
	root *RegistrationRoot
	// once is the hash under which the registration is remembered, until expires.
	once    [32]byte
	expires time.Time
	// code is the hash of the mailed code that came with it; zero where none is wanted.
	code [32]byte
}

// newRegistrations takes settings that CheckRegistrationRoots has passed.
func newRegistrations(cfg Config, p *postman) *registrations {
	all := &registrations{post: p, log: cfg.Logger}
	for _, r := range cfg.Registrations {
		all.roots = append(all.roots, r.withDefaults())
		all.keys = append(all.keys, r.Key)
	}
	return all
}

// warn says in the log what the operator has to know of the roots of a domain.
func (r *registrations) warn(document *dta.Document) {
	for _, root := range r.roots {
		if err := root.counts(document); err != nil {
			r.log.Warn("registrations are refused", "root", root.Name, "error", err)
		}
		if root.Code == NoCode {
			r.log.Warn("this registration authority enrols anybody that it may name: no code is wanted besides", "root", root.Name)
		}
	}
}

// counts refuses a root whose word alone may be taken by t authorities, in a domain
// that does not say so (R16): its key is at hand where it runs.
func (r RegistrationRoot) counts(document *dta.Document) error {
	if r.Code == MailedCode || r.Extent == OwnRoot || slices.Contains(document.Flags(), sharedRootFlag) {
		return nil
	}
	return errors.New("its registration authority counts with a code by mail, where the domain document has the flag shared-root, or where it is this authority's own")
}

// refuseVoucher is a refusal for who shows a registration.
func refuseVoucher(format string, args ...any) error {
	return problem.New(problem.VoucherRefused, format, args...).WithAdvice("open the invitation again, and ask for a new one if that does not help")
}

// registers looks at a registration, in the order of spec/enrolment.md "Evidence:
// voucher"; record consumes it.
func (i *issuer) registers(ctx context.Context, domain *served, c *claim) error {
	envelope, code, err := dta.ParseVoucherEvidence(c.Evidence)
	if err != nil {
		return problem.New(problem.Malformed, "%s", err)
	}
	said, at, err := dta.ParseRegistration(i.registrations.keys, envelope)
	if err != nil {
		return refuseVoucher("it is the word of no registration authority of this one's")
	}
	root := &i.registrations.roots[at]
	if err := root.counts(domain.Document); err != nil {
		return refuseVoucher("%s", err)
	}
	if err := (asked{c.Key, c.Device.Hash(), domain.self.Index, unixSeconds(c.now)}).refuse(said); err != nil {
		return err
	}
	if err := root.admits(c); err != nil {
		return err
	}
	c.basis, c.registered = basisVoucher, &registered{root: root, expires: time.Unix(int64(said.Expiry), 0),
		once: sha256.Sum256(encoding.LP(registrationLabel, root.Key, said.Nonce[:]))}
	if err := i.state.lookAtRegistration(ctx, c.registered.once); err != nil || root.Code == NoCode {
		return err
	}
	return i.registrations.post.confirm(ctx, domain, c, code)
}

// asked is what a registration must be for.
type asked struct {
	key    identity.Key // domain, service and name of it
	device identity.DeviceHash
	index  uint32 // of this authority
	now    uint64
}

// refuse refuses a registration that was given for something else, or at another
// time.
func (a asked) refuse(r dta.Registration) error {
	now := a.now
	switch {
	case r.Domain != a.key.Domain || r.Service != a.key.Service:
		return refuseVoucher("it is for another login service")
	case r.Index != a.index:
		return refuseVoucher("it is for authority %d, this is authority %d", r.Index, a.index)
	case r.Name != a.key.Name:
		return refuseVoucher("it is for another name")
	case r.Device != a.device:
		return refuseVoucher("it is for another device")
	case r.Time > now+identity.MaxSkew:
		return refuseVoucher("it is of %d, here it is %d", r.Time, now)
	case r.Expiry <= r.Time || r.Expiry-r.Time > uint64(registrationLife/time.Second):
		return refuseVoucher("it is good for no time, or for longer than a day")
	case now >= r.Expiry+registrationSkew: // no overflow: Expiry is hardly a day ahead
		return refuseVoucher("it expired %d s ago", now-r.Expiry)
	}
	return nil
}

// admits refuses names and services that the root is not configured for.
func (r *RegistrationRoot) admits(c *claim) error {
	switch {
	case len(r.Services) > 0 && !slices.Contains(r.Services, c.master.service.Name):
		return refuseVoucher("this registration authority registers for another login service")
	case !slices.ContainsFunc(r.Allow, func(p identity.Pattern) bool { return p.Match(c.Key.Name) }):
		return problem.New(problem.NameRefused, "this registration authority does not register %s", c.Key.Name)
	}
	return nil
}

// attributes are those of the log.
func (r *registered) attributes() []any {
	if r == nil {
		return nil
	}
	return []any{"root", r.root.Name}
}
