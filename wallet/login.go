package wallet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/mpin"
)

const (
	loginFile = "login"
	// loginID is the length of the name of a login key, in hexadecimal digits.
	loginID = 32
)

// Login is what the wallet holds of one person at one login service.
type Login struct {
	Name    identity.Name
	Service string
	Device  identity.DeviceHash
	Via     Via
	State   LoginState
	Permits []identity.Epoch // oldest first
}

// LoginState says how far a login is.
type LoginState string

const (
	// Ready is a login that was accepted at least once.
	Ready LoginState = "ready"
	// Begun is a registration without its first login: Login or Register
	// completes it with the PIN, without codes.
	Begun LoginState = "begun"
	// Changing is a login whose change of PIN was interrupted: the old PIN or the
	// new one logs in, and ChangePIN completes it or begins anew.
	Changing LoginState = "changing"
)

// Via says how a login reaches its server. The zero Via is channel kind 0: the
// service's origin, over HTTPS unless that is an http:// one. Any other is channel
// kind 1: each login is bound to a connection over identity TLS.
type Via struct {
	As      identity.Name // whose channel key in this wallet the connection shows
	To      identity.Name // who must be at the other end
	Address string        // HOST:PORT
}

// kind returns the channel kind that the authorities and the login server see.
func (v Via) kind() uint8 {
	if v == (Via{}) {
		return 0
	}
	return 1
}

func (v Via) check() error {
	if v != (Via{}) && (v.As.IsZero() || v.To.IsZero() || v.Address == "") {
		return errors.New("a login over identity TLS needs its own name, the login server's and an address")
	}
	return nil
}

// account is a login whose record was read.
type account struct {
	dir    string
	record loginRecord
}

// loginDir is a hash for the reasons of nameDir.
func (w *Wallet) loginDir(n identity.Name, service string) string {
	sum := sha256.Sum256(encoding.LP("milagro/v1 wallet login", []byte(n.String()), []byte(service)))
	return filepath.Join(w.loginsDir(), hex.EncodeToString(sum[:]))
}

// account reads the login of a name at a service; an error wraps
// ErrNotRegistered when there is none.
func (w *Wallet) account(n identity.Name, service string) (*account, error) {
	a, err := w.openAccount(w.loginDir(n, service))
	if missing(err) {
		return nil, notRegistered(n, service)
	}
	if err == nil && (a.record.Name != n || a.record.Service != service) {
		err = damaged(filepath.Join(a.dir, loginFile), fmt.Errorf("it is the login of %v at %s", a.record.Name, a.record.Service))
	}
	return a, err
}

// openAccount reads the login in dir; fs.ErrNotExist when there is none. A pending
// key whose token was never stored is nothing: no more is known of it.
func (w *Wallet) openAccount(dir string) (*account, error) {
	path := filepath.Join(dir, loginFile)
	r, err := readRecord[loginRecord](w.disk, path)
	if err == nil {
		err = r.check(path)
	}
	if err != nil || r.Pending == "" {
		return &account{dir, r}, err
	}
	token := filepath.Join(dir, r.Pending, tokenFile)
	switch _, err := os.Lstat(token); {
	case missing(err) && r.Active == "":
		return nil, err
	case missing(err):
		r.Pending = ""
	case err != nil:
		return nil, fileError(token, err)
	}
	return &account{dir, r}, nil
}

func notRegistered(n identity.Name, service string) error {
	return &advised{fmt.Errorf("%w: %v at %s", ErrNotRegistered, n, service),
		fmt.Sprintf("milagro mpin register %v --service %s --codes FILE", n, service)}
}

// writeLogin replaces the record of a, whose lock the caller holds.
func (w *Wallet) writeLogin(a *account) error {
	a.record.Format = a.record.format()
	return writeRecord(w.disk, filepath.Join(a.dir, loginFile), a.record)
}

// lockLogin locks the login of a name at a service, makes its directory if it is
// not there, and erases the keys of what was begun and is named by no record, nor waits
// with an invitation.
// Nothing but the record and the choice of keys needs this lock: it may be held for
// as long as a registration takes.
func (w *Wallet) lockLogin(ctx context.Context, n identity.Name, service string) (unlock func(), err error) {
	dir := w.loginDir(n, service)
	if err := w.disk.makeDir(dir); err != nil {
		return nil, err
	}
	unlock, err = w.lock(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := w.eraseOrphans(ctx, n, service); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

func (w *Wallet) eraseOrphans(ctx context.Context, n identity.Name, service string) error {
	a, err := w.account(n, service)
	if errors.Is(err, ErrNotRegistered) {
		a, err = &account{dir: w.loginDir(n, service)}, nil
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return fileError(a.dir, err)
	}
	for _, e := range entries {
		if !isLoginID(e.Name()) || e.Name() == a.record.Active || e.Name() == a.record.Pending {
			continue
		}
		if a.record.Active == "" && invited(filepath.Join(a.dir, e.Name())) {
			continue
		}
		if err := w.eraseKey(ctx, filepath.Join(a.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func isLoginID(s string) bool {
	return len(s) == loginID && strings.Trim(s, "0123456789abcdef") == ""
}

// Logins returns what the wallet holds of every person at every service, in order
// of names and services. What does not read is left out and named in the error.
func (w *Wallet) Logins() ([]*Login, error) {
	accounts, err := w.accounts()
	errs := []error{err}
	var all []*Login
	for _, a := range accounts {
		l, err := w.describe(a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, l)
	}
	return all, errors.Join(errs...)
}

func (w *Wallet) accounts() ([]*account, error) {
	entries, err := os.ReadDir(w.loginsDir())
	if err != nil {
		return nil, fileError(w.loginsDir(), err)
	}
	var all []*account
	var errs []error
	for _, e := range entries {
		a, err := w.openAccount(filepath.Join(w.loginsDir(), e.Name()))
		if missing(err) {
			continue // interrupted before it began, or forgotten
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *account) int {
		return cmp.Or(cmp.Compare(a.record.Name.String(), b.record.Name.String()), cmp.Compare(a.record.Service, b.record.Service))
	})
	return all, errors.Join(errs...)
}

// loginsOf returns the logins of a name, as far as they read.
func (w *Wallet) loginsOf(n identity.Name) []*account {
	all, err := w.accounts()
	if err != nil {
		w.log.Warn("some logins do not read", "error", err)
	}
	return slices.DeleteFunc(all, func(a *account) bool { return a.record.Name != n })
}

func (w *Wallet) describe(a *account) (*Login, error) {
	r := a.record
	t, err := w.readToken(a, r.key())
	if err != nil {
		return nil, err
	}
	defer t.erase()
	l := &Login{Name: r.Name, Service: r.Service, Device: t.key.Device, Via: r.via(), State: Ready}
	switch {
	case r.Active == "":
		l.State = Begun
	case r.Pending != "":
		l.State = Changing
	}
	l.Permits, err = w.heldPermits(t.dir)
	return l, err
}

// site is a login service as the pinned document has it.
type site struct {
	domain  *domain
	service dta.Service
	id      identity.ServiceID
}

// site returns the service of that name in d; an error wraps ErrService.
func (d *domain) site(name string) (site, error) {
	doc := d.Published.Document
	s, ok := doc.Service(name)
	if !ok {
		return site{}, &advised{fmt.Errorf("%w: domain %s lists no service %q", ErrService, d.tls.Name, name),
			"'milagro domain show' lists the services of a domain; refresh the domain document"}
	}
	return site{domain: d, service: s, id: doc.ServiceID(s)}, nil
}

func (s site) mpin() mpin.Service {
	return mpin.Service{Domain: s.domain.ID, ID: s.id, Origin: s.service.Origin}
}

func (w *Wallet) site(n identity.Name, service string) (site, error) {
	d, err := w.domain(n.Domain())
	if err != nil {
		return site{}, err
	}
	return d.site(service)
}

// ForgetLogin erases everything the wallet has of a name at a service: keys,
// tokens, permits and the last statement. What is damaged is erased as well. The
// login server keeps its row: an operator revokes it there.
func (w *Wallet) ForgetLogin(ctx context.Context, n identity.Name, service string) error {
	dir := w.loginDir(n, service)
	path := filepath.Join(dir, loginFile)
	unlock, err := w.lock(ctx, dir)
	if missing(err) {
		return notRegistered(n, service)
	}
	if err != nil {
		return err
	}
	defer unlock()
	_, recordErr := os.Lstat(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fileError(dir, err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := w.eraseKey(ctx, filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	if missing(recordErr) {
		return notRegistered(n, service)
	}
	return w.disk.erase(path)
}
