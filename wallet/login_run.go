package wallet

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"path/filepath"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

const (
	statementFile = "statement"
	// maxJWT bounds what a login server may state, in bytes.
	maxJWT = 8 << 10
)

// LoginRequest is one login. The PIN is the caller's, to be cleared by him; the
// wallet keeps nothing of it.
type LoginRequest struct {
	Name    identity.Name
	Service string
	PIN     []byte
}

// Statement is what a login server says of an accepted login: a JWT that
// VerifyStatement verifies.
type Statement struct {
	JWT     string
	Expires uint64 // unix seconds
}

// Login logs a person in, in two passes over one connection, and returns and
// stores what the login server states. It needs the permit of the present epoch:
// from the disk, or else from the authorities, for which the device key is enough.
// With the permit at hand it needs no authority; it fetches the next one if that takes no
// longer than the login. A registration or change of PIN that was interrupted is
// completed by its PIN.
//
// The server counts wrong PINs, and says problem.LoginRefused to all it refuses.
// Other errors wrap mpin.ErrPIN, ErrNotRegistered, ErrNotPinned, ErrService and
// dta.ErrThreshold. A *FileError may come with a statement: it could not be stored.
func (w *Wallet) Login(ctx context.Context, q LoginRequest) (*Statement, error) {
	s, err := w.login(ctx, q)
	if err != nil {
		err = fmt.Errorf("log in %v at %s: %w", q.Name, q.Service, err)
	}
	return s, err
}

func (w *Wallet) login(ctx context.Context, q LoginRequest) (*Statement, error) {
	if err := mpin.CheckPIN(q.PIN); err != nil {
		return nil, err
	}
	a, err := w.account(q.Name, q.Service)
	if err != nil {
		return nil, err
	}
	if a.record.Active == "" {
		return w.complete(ctx, a, q.PIN)
	}
	s, err := w.loginWith(ctx, a, q.PIN)
	if err == nil {
		w.tidy(a)
	}
	if s != nil {
		return s, err
	}
	// A change of PIN, here or in another process, may be why.
	if now, again := w.account(q.Name, q.Service); again == nil && now.record != a.record {
		a = now
	} else if !errors.Is(err, problem.LoginRefused) || a.record.Pending == "" {
		return s, err
	}
	s, completeErr := w.complete(ctx, a, q.PIN)
	if errors.Is(completeErr, problem.RowRefused) {
		return nil, err // a later change of PIN has replaced what was pending
	}
	return s, completeErr
}

// loginWith logs in with the active key of a.
func (w *Wallet) loginWith(ctx context.Context, a *account, pin []byte) (*Statement, error) {
	v, err := w.visit(a, a.record.Active)
	if err != nil {
		return nil, err
	}
	defer v.token.erase()
	answer, err := w.passes(ctx, v, pin, mpin.Intent{})
	if err != nil {
		return nil, err
	}
	return w.storeStatement(ctx, v.token.dir, answer)
}

// complete finishes what waits for its first login, or logs in if another process
// was faster.
func (w *Wallet) complete(ctx context.Context, a *account, pin []byte) (*Statement, error) {
	unlock, err := w.lockLogin(ctx, a.record.Name, a.record.Service)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if a, err = w.account(a.record.Name, a.record.Service); err != nil {
		return nil, err
	}
	if a.record.Pending == "" {
		return w.loginWith(ctx, a, pin)
	}
	return w.finish(ctx, a, pin)
}

// finish makes the pending key of a, whose lock the caller holds, its active one:
// a row, a first login, and the old key's end, in this order.
func (w *Wallet) finish(ctx context.Context, a *account, pin []byte) (*Statement, error) {
	v, err := w.visit(a, a.record.Pending)
	if err != nil {
		return nil, err
	}
	defer v.token.erase()
	if err := w.row(ctx, v); err != nil {
		return nil, err
	}
	answer, err := w.passes(ctx, v, pin, mpin.Intent{})
	if err != nil {
		return nil, err
	}
	old := a.record.Active
	a.record.Active, a.record.Pending = a.record.Pending, ""
	if err := w.writeLogin(a); err != nil {
		return nil, err
	}
	if old != "" {
		if err := w.eraseKey(ctx, filepath.Join(a.dir, old)); err != nil {
			return nil, err
		}
	}
	return w.storeStatement(ctx, v.token.dir, answer)
}

// tidy erases keys that a killed process left, unless somebody is at work.
func (w *Wallet) tidy(a *account) {
	ended, cancel := context.WithCancel(context.Background())
	cancel() // one try, no wait
	unlock, err := w.lockLogin(ended, a.record.Name, a.record.Service)
	if err == nil {
		unlock()
	} else if !errors.Is(err, ErrBusy) {
		w.log.Warn("old login keys not erased", "name", a.record.Name, "error", err)
	}
}

// visit is one login with one key of an account.
type visit struct {
	account *account
	site    site
	token   *token
	signer  crypto.Signer
	device  identity.Device
}

func (w *Wallet) visit(a *account, id string) (*visit, error) {
	at, err := w.site(a.record.Name, a.record.Service)
	if err != nil {
		return nil, err
	}
	t, err := w.readToken(a, id)
	if err != nil {
		return nil, err
	}
	if t.key.Service != at.id || t.key.Domain != at.domain.ID {
		return nil, &advised{fmt.Errorf("%w: %s has another master since this login was registered", ErrService, a.record.Service),
			"forget the login and register it with new codes"}
	}
	v := &visit{account: a, site: at, token: t}
	if v.signer, err = w.signer(t); err != nil {
		return nil, err
	}
	v.device, err = identity.DeviceOf(v.signer)
	return v, err
}

// row asks the login server for the row of v: shown again, statements change nothing.
func (w *Wallet) row(ctx context.Context, v *visit) error {
	q, err := v.site.mpin().SignRow(v.signer, w.now(), v.token.statements)
	if err != nil {
		return err
	}
	l, err := w.dial(ctx, v.site, v.account.record.via())
	if err != nil {
		return err
	}
	defer l.close()
	return w.clockAdvice(l.client.Row(ctx, l.url, q))
}

// passes is one login. When the server's refusal may come of an old document, it
// tries once more with a newer one: such refusals cost no attempt.
func (w *Wallet) passes(ctx context.Context, v *visit, pin []byte, intent mpin.Intent) (mpin.FinishAnswer, error) {
	answer, err := w.twoPasses(ctx, v, pin, intent)
	if errors.Is(err, problem.WrongEpoch) || errors.Is(err, problem.ServiceUnknown) || errors.Is(err, problem.Possession) {
		if at, changed := w.newerSite(ctx, v.site); changed && at.id == v.site.id {
			v.site = at
			answer, err = w.twoPasses(ctx, v, pin, intent)
		}
	}
	return answer, w.clockAdvice(err)
}

// newerSite refreshes the document and reports whether it is another one now.
func (w *Wallet) newerSite(ctx context.Context, was site) (site, bool) {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if err := w.refresh(ctx, was.domain); err != nil {
		return was, false
	}
	d, err := w.domain(was.domain.tls.Name)
	if err != nil || d.Published.Document.Hash() == was.domain.Published.Document.Hash() {
		return was, false
	}
	at, err := d.site(was.service.Name)
	return at, err == nil
}

func (w *Wallet) twoPasses(ctx context.Context, v *visit, pin []byte, intent mpin.Intent) (answer mpin.FinishAnswer, err error) {
	permit, err := w.permit(ctx, v)
	if err != nil {
		return answer, err
	}
	defer permit.private.Erase()
	stop := w.ahead(ctx, v)
	defer stop()
	factor, err := mpin.Stretch(pin, v.token.salt, v.token.params)
	if err != nil {
		return answer, err
	}
	defer factor.Erase()
	l, err := w.dial(ctx, v.site, v.account.record.via())
	if err != nil {
		return answer, err
	}
	defer l.close()
	login := mpin.Login{Domain: v.site.domain.ID, Service: v.site.id, Origin: v.site.service.Origin, Name: v.token.key.Name,
		Device: v.device, Epoch: permit.key.Epoch, Channel: l.channel, Intent: intent}
	attempt, err := mpin.Begin(login, mpin.Secrets{Token: v.token.private, Permit: permit.private, Factor: factor, Signer: v.signer})
	if err != nil {
		return answer, err
	}
	defer attempt.Erase()
	return exchange(ctx, l, login, attempt)
}

// exchange carries the two passes of an attempt.
func exchange(ctx context.Context, l *line, login mpin.Login, attempt *mpin.Attempt) (answer mpin.FinishAnswer, err error) {
	begun, err := l.client.BeginLogin(ctx, l.url, mpin.BeginRequest{Service: login.Service[:], Name: login.Name, Device: login.Device.Bytes(),
		Epoch: login.Epoch.Bytes(), U: attempt.Commitment().Bytes(), ChannelKind: login.Channel.Kind(), Intent: login.Intent.Bytes()})
	if err != nil {
		return answer, err
	}
	var c mpin.Challenge
	if len(begun.Session) != len(c.Session) || len(begun.Nonce) != len(c.Nonce) {
		return answer, errors.New("the login server's challenge is not 32 and 32 bytes")
	}
	c.Session, c.Nonce = [mpin.SessionSize]byte(begun.Session), [mpin.NonceSize]byte(begun.Nonce)
	proof, err := attempt.Finish(c)
	if err != nil {
		return answer, err
	}
	answer, err = l.client.FinishLogin(ctx, l.url, mpin.FinishRequest{Session: begun.Session, V: proof.V[:], Signature: proof.Signature[:]})
	if err == nil && (answer.Statement == "" || len(answer.Statement) > maxJWT) {
		err = errors.New("the login server accepted, but its answer has no statement")
	}
	return answer, err
}

// storeStatement returns what the server stated also if it cannot be stored.
func (w *Wallet) storeStatement(ctx context.Context, dir string, answer mpin.FinishAnswer) (*Statement, error) {
	s := &Statement{JWT: answer.Statement, Expires: answer.Expires}
	unlock, err := w.lock(ctx, dir)
	if err != nil {
		return s, err
	}
	defer unlock()
	r := statementRecord{Statement: s.JWT, Expires: s.Expires}
	r.Format = r.format()
	return s, writeRecord(w.disk, filepath.Join(dir, statementFile), r)
}

// LastStatement returns what the login server stated at the last login, however
// long ago; nil if there was none. An error wraps ErrNotRegistered or is a
// *FileError.
func (w *Wallet) LastStatement(n identity.Name, service string) (*Statement, error) {
	a, err := w.account(n, service)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(a.dir, a.record.key(), statementFile)
	r, err := readRecord[statementRecord](w.disk, path)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Statement{JWT: r.Statement, Expires: r.Expires}, nil
}

// clockAdvice says by how much this clock is off, if a login server shows its own
// time with its refusal. Unsigned as that is, it changes nothing but the advice.
func (w *Wallet) clockAdvice(err error) error {
	refused, ok := errors.AsType[*problem.Problem](err)
	if !ok || refused.Time == 0 || errors.As(err, new(*dta.ClockError)) {
		return err
	}
	switch ahead := int64(w.now()) - int64(refused.Time); {
	case ahead > identity.MaxSkew/5:
		return &advised{err, fmt.Sprintf("this clock is %d s ahead of the login server's: set it", ahead)}
	case ahead < -identity.MaxSkew/5:
		return &advised{err, fmt.Sprintf("this clock is %d s behind the login server's: set it", -ahead)}
	}
	return err
}
