package wallet

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/keys"
	"milagro.dev/mpin"
)

// Registration is what a person registers with at a login service.
type Registration struct {
	Name    identity.Name
	Service string
	// Codes are one-time codes for purpose mpin, by authority.
	Codes map[uint32]dta.Code
	// Invitation is used in place of codes unless it is the zero value; MailCode returns
	// what an authority has mailed besides, empty to have another mail. It is called by
	// several goroutines at once.
	Invitation dta.Invitation
	MailCode   func(context.Context, MailedCode) (string, error)
	// PIN is the caller's, to be cleared by him; the wallet keeps nothing of it.
	PIN []byte
	Via Via
}

// MailedCode is a code that an authority has mailed to a person.
type MailedCode struct {
	Authority dta.Authority
	Device    identity.DeviceHash // whose six words the mail shows
	Refused   error               // problem.EmailSent, or problem.EmailRefused for the last one
}

// Register makes a device key, obtains with one code of each authority, or with an
// invitation, the key of a login, split by the PIN from the start, and logs in for the first time.
//
// Before a code is shown it makes sure that threshold many authorities have a
// fresh document that lists the service, and that the login server answers. An issued
// key cannot be asked for again: when too few authorities gave their shares, or
// after a crash between, the next Register makes another device key and needs new
// codes where they were spent. With the same invitation it goes on with the device key
// that has taken it, at the authorities that have given no share yet. From then on no code is needed: Register, or Login,
// completes what was interrupted. The report comes with the error too. Errors
// wrap mpin.ErrPIN, ErrRegistered, ErrNotPinned, ErrService, dta.ErrCode,
// dta.ErrStale and dta.ErrThreshold, or are problems such as problem.LoginRefused.
func (w *Wallet) Register(ctx context.Context, q Registration) (*Report, error) {
	r, err := w.register(ctx, q)
	if err != nil {
		err = fmt.Errorf("register %v at %s: %w", q.Name, q.Service, err)
	}
	return r, err
}

func (w *Wallet) register(ctx context.Context, q Registration) (*Report, error) {
	if err := errors.Join(mpin.CheckPIN(q.PIN), q.Via.check(), identity.CheckService(q.Service)); err != nil {
		return nil, err
	}
	if _, err := w.domain(q.Name.Domain()); err != nil {
		return nil, err
	}
	unlock, err := w.lockLogin(ctx, q.Name, q.Service)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, err := w.account(q.Name, q.Service)
	if errors.Is(err, ErrNotRegistered) {
		return w.registerAnew(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	if a.record.Active != "" {
		return nil, &advised{ErrRegistered, "change the PIN, or forget the login and register it with new codes"}
	}
	if a.record.via() != q.Via {
		return nil, &advised{errors.New("it was begun another way: over identity TLS, or not, or to another server"),
			"go on as it was begun, or forget the login and register it with new codes"}
	}
	return w.conclusion(ctx, a, nil, q.PIN)
}

// registerAnew registers q, whose lock the caller holds.
func (w *Wallet) registerAnew(ctx context.Context, q Registration) (*Report, error) {
	at, err := w.prepare(ctx, q.Name, q.Service)
	if err != nil {
		return nil, err
	}
	if err := q.entitled(at); err != nil {
		return nil, err
	}
	if err := w.answers(ctx, at, q.Via); err != nil {
		return nil, err
	}
	a := &account{dir: w.loginDir(q.Name, q.Service), record: loginRecord{Name: q.Name, Service: q.Service,
		As: q.Via.As.String(), To: q.Via.To.String(), Address: q.Via.Address}}
	id, signer, err := w.keyFor(a.dir, q.Invitation)
	if err != nil {
		return nil, err
	}
	p := &application{account: a, site: at, id: id, signer: signer, pin: q.PIN, codes: q.Codes}
	if q.Invitation != (dta.Invitation{}) {
		if err := w.invited(ctx, p, q); err != nil {
			return nil, err
		}
	}
	report, err := w.split(ctx, p)
	if err != nil && len(p.vouchers) > 0 { // the invitation is for this key: it stays
		return report, err
	}
	if err != nil {
		return report, errors.Join(spent(report, err), w.eraseOrphans(ctx, q.Name, q.Service))
	}
	return w.conclusion(ctx, a, report, q.PIN)
}

// invited claims the invitation of q for the device of p.
func (w *Wallet) invited(ctx context.Context, p *application, q Registration) error {
	device, err := identity.DeviceOf(p.signer)
	if err != nil {
		return err
	}
	if p.vouchers, err = w.client.Vouchers(ctx, q.Invitation, p.site.id, p.signer); err != nil || q.MailCode == nil {
		return err
	}
	p.mailCode = func(ctx context.Context, a dta.Authority, refused error) (string, error) {
		return q.MailCode(ctx, MailedCode{Authority: a, Device: device.Hash(), Refused: refused})
	}
	return nil
}

// conclusion makes the pending key of a the active one and adds to the report what
// became of its permit.
func (w *Wallet) conclusion(ctx context.Context, a *account, report *Report, pin []byte) (*Report, error) {
	if report == nil {
		report = &Report{Name: a.record.Name}
	}
	permits, err := w.renewPermits(ctx, a, a.record.Pending, current)
	if permits != nil {
		report.Device = permits.Device
		report.Keys = append(report.Keys, permits.Keys...)
	}
	if err == nil {
		_, err = w.finish(ctx, a, pin)
	}
	return report, err
}

// prepare refreshes the document and returns the service in it, if so many
// authorities as a key takes have a fresh document that lists it.
func (w *Wallet) prepare(ctx context.Context, n identity.Name, service string) (site, error) {
	d, err := w.domain(n.Domain())
	if err != nil {
		return site{}, err
	}
	views := w.collect(ctx, d)
	acceptErr := w.acceptAny(ctx, d, views)
	if errors.Is(acceptErr, ErrConflict) {
		return site{}, acceptErr
	} // else the count below tells
	if d, err = w.domain(d.tls.Name); err != nil {
		return site{}, err
	}
	at, err := d.site(service)
	if err != nil {
		return site{}, err
	}
	ready, need := 0, d.Published.Document.Threshold()
	short := fmt.Errorf("%w: not so many authorities as are needed, %d, have a fresh document", dta.ErrThreshold, need)
	for _, v := range views {
		err := w.lists(v, at)
		if err != nil {
			short = fmt.Errorf("%w; %s: %w", short, v.authority.URL, err)
		} else if v.authority.Index > 0 {
			ready++
		}
	}
	if ready < need {
		return site{}, &advised{short, "no code was shown; 'milagro domain status' says how they are"}
	}
	return at, nil
}

// lists returns nil iff what an authority showed is fresh and lists the service.
func (w *Wallet) lists(v view, at site) error {
	if v.err != nil {
		return v.err
	}
	if err := v.published.Fresh(w.now()); err != nil {
		return err
	}
	if _, ok := v.published.Document.ServiceByID(at.id); !ok {
		return fmt.Errorf("%w: its document lists no %s", ErrService, at.service.Name)
	}
	return nil
}

// answers returns nil iff the login server answers.
func (w *Wallet) answers(ctx context.Context, at site, via Via) error {
	l, err := w.dial(ctx, at, via)
	if err != nil {
		return err
	}
	defer l.close()
	if _, err := l.client.StatementKeys(ctx, l.url); err != nil {
		return &advised{fmt.Errorf("the login server does not answer: %w", err), "no code was shown; try again when it does"}
	}
	return nil
}

// entitled refuses codes or an invitation that cannot be meant.
func (q Registration) entitled(at site) error {
	if q.Invitation == (dta.Invitation{}) {
		return checkCodes(at.domain, q.Codes)
	}
	if q.Invitation.Origin != at.service.Origin {
		return fmt.Errorf("%w: it is of %s, the service is at %s", dta.ErrInvitation, q.Invitation.Origin, at.service.Origin)
	}
	return nil
}

func checkCodes(d *domain, codes map[uint32]dta.Code) error {
	for index, code := range codes {
		if code.Index() != index {
			return fmt.Errorf("%w: code %v is not for authority %d", dta.ErrCode, code, index)
		}
	}
	if need := d.Published.Document.Threshold(); len(codes) < need {
		return fmt.Errorf("%w: codes of %d authorities, %d are needed", dta.ErrCode, len(codes), need)
	}
	return nil
}

// spent adds to the failure of an issuance which codes it took.
func spent(r *Report, err error) error {
	if r == nil {
		return err
	}
	var names []string
	for _, a := range r.Keys[0].Authorities {
		if a.Outcome != Refused && a.Outcome != Skipped {
			names = append(names, fmt.Sprintf("%d (%s)", a.Index, a.Name))
		}
	}
	if len(names) == 0 {
		return err
	}
	return &advised{err, "the codes of authorities " + strings.Join(names, ", ") +
		" are spent, or may be: ask for new ones there and register again"}
}

// application is one M-Pin key that is asked for: with codes or with vouchers.
type application struct {
	account  *account // whose lock is held
	site     site
	id       string // of the key
	signer   crypto.Signer
	pin      []byte
	codes    map[uint32]dta.Code
	evidence func(*dta.Request) ([]byte, error)
	vouchers map[uint32][]byte
	mailCode func(ctx context.Context, a dta.Authority, refused error) (string, error)
}

// split obtains the key of p, split by the PIN as it is combined: it is never
// whole. The record names it before anybody is asked; once its token is stored, it is
// the pending one, and no code is needed any more.
func (w *Wallet) split(ctx context.Context, p *application) (*Report, error) {
	device, err := identity.DeviceOf(p.signer)
	if err != nil {
		return nil, err
	}
	t := &token{params: w.params, dir: filepath.Join(p.account.dir, p.id)}
	t.key = identity.Key{Domain: p.site.domain.ID, Purpose: identity.MPin, Service: p.site.id, Name: p.account.record.Name, Device: device.Hash()}
	rand.Read(t.salt[:])
	factor, err := mpin.Stretch(p.pin, t.salt, t.params)
	if err != nil {
		return nil, err
	}
	defer factor.Erase()
	p.account.record.Pending = p.id
	if err := w.writeLogin(p.account); err != nil {
		return nil, err
	}
	kind := p.account.record.via().kind()
	a := &ask{domain: p.site.domain, name: t.key.Name, purpose: identity.MPin, at: p.site.service.Name, keep: func(g *dta.Grant) error {
		return w.storeToken(p, t, g, kind)
	}}
	grant, err := w.client.Apply(ctx, dta.Application{Domain: p.site.domain.Published, Signer: p.signer, Codes: p.codes, Evidence: p.evidence,
		Vouchers: p.vouchers, MailCode: p.mailCode,
		Key: identity.Key{Purpose: identity.MPin, Service: p.site.id, Name: t.key.Name}, ChannelKind: kind, Now: w.now,
		Combine: func(threshold int, shares []keys.Share) (keys.Private, error) {
			defer eraseShares(shares)
			return factor.Split(t.key, threshold, shares)
		}})
	report := w.conclude(a, grant, err)
	return &Report{Name: t.key.Name, Device: t.key.Device, Keys: []KeyReport{report}}, report.Err
}

func eraseShares(shares []keys.Share) {
	for i := range shares {
		shares[i].Erase()
	}
}

// storeToken stores the token with its statements, whole.
func (w *Wallet) storeToken(p *application, t *token, g *dta.Grant, kind uint8) error {
	t.private = g.Private
	for _, o := range g.Outcomes {
		if o.Err == nil && len(o.Statement) > 0 && states(t.key, kind, p.site, o) {
			t.statements = append(t.statements, o.Statement)
		}
	}
	if need := p.site.domain.Published.Document.Threshold(); len(t.statements) < need {
		return fmt.Errorf("%w: %d authorities stated the enrolment, %d must", dta.ErrThreshold, len(t.statements), need)
	}
	b := t.bytes()
	defer clear(b)
	return w.disk.create(filepath.Join(t.dir, tokenFile), b)
}

// states reports whether an authority's statement is about k.
func states(k identity.Key, kind uint8, at site, o dta.Outcome) bool {
	s, err := dta.ParseStatement(o.Authority, o.Statement)
	return err == nil && s.Domain == k.Domain && s.Generation == at.service.Generation && s.Purpose == identity.MPin && s.Service == k.Service &&
		s.Name == k.Name && s.Device == k.Device && s.ChannelKind == kind
}
