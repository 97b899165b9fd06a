package wallet

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

const enrolmentFile = "enrolment"

// ask is one key that is asked for.
type ask struct {
	domain *domain
	name   identity.Name
	device identity.DeviceHash
	signer crypto.Signer
	// purpose and epoch of the key, and the codes or tokens by authority: none to
	// renew.
	purpose identity.Purpose
	epoch   identity.Epoch
	codes   map[uint32]dta.Code
	tokens  map[uint32]jwtOrError
	// service of a permit, its name in the document, and keep, which stores what is
	// granted instead of store.
	service identity.ServiceID
	at      string
	keep    func(*dta.Grant) error
}

// Enrol obtains the first key of a name for a purpose, with one one-time code
// of each authority, by index. The device key and the enrolment are on the disk
// before a code is shown: an enrolment that was interrupted, by a crash too,
// completes when Enrol is called again with the same codes. The report comes
// with the error too. Errors wrap ErrNotPinned, dta.ErrCode, dta.ErrStale and
// dta.ErrThreshold.
func (w *Wallet) Enrol(ctx context.Context, n identity.Name, purpose identity.Purpose, codes map[uint32]dta.Code) (*Report, error) {
	r, err := w.enrol(ctx, n, purpose, byCodes(codes))
	if err != nil {
		err = fmt.Errorf("enrol %v: %w", n, err)
	}
	return r, err
}

// means is what entitles to a first key.
type means interface {
	// check refuses what no authority of d would take, before anything is sent.
	check(d *domain) error
	// fill adds to a, whose device is known and on the disk, what is to be shown.
	fill(ctx context.Context, a *ask) error
}

// byCodes are one-time codes by authority.
type byCodes map[uint32]dta.Code

func (codes byCodes) check(d *domain) error {
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

func (codes byCodes) fill(_ context.Context, a *ask) error {
	a.codes = codes
	return nil
}

func (w *Wallet) enrol(ctx context.Context, n identity.Name, purpose identity.Purpose, m means) (*Report, error) {
	d, err := w.domain(n.Domain())
	if err != nil {
		return nil, err
	}
	if err := checkPurpose(d, purpose); err != nil {
		return nil, err
	}
	if err := m.check(d); err != nil {
		return nil, err
	}
	if err := w.disk.makeDir(w.nameDir(n)); err != nil {
		return nil, err
	}
	unlock, err := w.lock(ctx, w.nameDir(n))
	if err != nil {
		return nil, err
	}
	defer unlock()
	// An enrolment needs a fresh document: what the wallet has may be old.
	err = w.refresh(ctx, d)
	if errors.Is(err, ErrConflict) || err != nil && d.Published.Fresh(w.now()) != nil {
		return nil, err
	}
	if d, err = w.domain(d.tls.Name); err != nil {
		return nil, err
	}
	a := &ask{domain: d, name: n, purpose: purpose}
	if err := w.admit(a); err != nil {
		return nil, err
	}
	if err := m.fill(ctx, a); err != nil {
		return nil, err
	}
	report := &Report{Name: n, Device: a.device, Keys: []KeyReport{w.obtain(ctx, a)}}
	return report, report.Keys[0].Err
}

// checkPurpose refuses what no authority would grant, before anything is sent.
func checkPurpose(d *domain, purpose identity.Purpose) error {
	if purpose != identity.Channel && purpose != identity.Decrypt {
		return fmt.Errorf("%w: %q is not enrolled with a wallet", identity.ErrPurpose, purpose)
	}
	if _, ok := d.Published.Document.Schedule(purpose); !ok {
		return fmt.Errorf("%w: domain %s issues no keys of purpose %s", identity.ErrPurpose, d.tls.Name, purpose)
	}
	return nil
}

// admit fills in a's device and records the enrolment, in this order.
func (w *Wallet) admit(a *ask) error {
	path := filepath.Join(w.nameDir(a.name), enrolmentFile)
	r, err := readRecord[enrolmentRecord](w.disk, path)
	fresh := missing(err)
	if err != nil && !fresh {
		return err
	}
	if err := w.identify(a, r); err != nil {
		return err
	}
	if !fresh && slices.Contains(r.Purposes, a.purpose) {
		return nil
	}
	r = enrolmentRecord{Name: a.name, Device: a.device.String(), Purposes: append(r.Purposes, a.purpose)}
	r.Format = r.format()
	return writeRecord(w.disk, path, r)
}

// identify fills in a's device, which must be that of r unless r is empty.
func (w *Wallet) identify(a *ask, r enrolmentRecord) (err error) {
	a.signer, err = w.device(a.name, r)
	if err != nil {
		return err
	}
	device, err := identity.DeviceOf(a.signer)
	if err != nil {
		return err
	}
	a.device = device.Hash()
	if r.Device == "" || r.Device == a.device.String() {
		return nil
	}
	err = fmt.Errorf("%w: %v is enrolled as device %s, this is %v", ErrDevice, a.name, r.Device, a.device)
	if w.deviceKey == nil {
		return damaged(w.deviceFile(a.name), err)
	}
	return &advised{err, "bring the old device key back, or forget the name and enrol it with new codes"}
}

// enrolment reads the enrolment of a name; an error wraps ErrNotEnrolled when
// there is none.
func (w *Wallet) enrolment(n identity.Name) (enrolmentRecord, error) {
	path := filepath.Join(w.nameDir(n), enrolmentFile)
	r, err := readRecord[enrolmentRecord](w.disk, path)
	if missing(err) {
		return r, notEnrolled(n)
	}
	if err == nil && r.Name != n {
		return r, damaged(path, fmt.Errorf("it is the enrolment of %v", r.Name))
	}
	return r, err
}

func notEnrolled(n identity.Name) error {
	return &advised{fmt.Errorf("%w: %v", ErrNotEnrolled, n), fmt.Sprintf("milagro enrol %v --codes FILE", n)}
}

// obtain asks for one key and stores it.
func (w *Wallet) obtain(ctx context.Context, a *ask) KeyReport {
	schedule, _ := a.domain.Published.Document.Schedule(a.purpose)
	if a.epoch.IsZero() {
		a.epoch = schedule.Current(w.now())
	}
	grant, err := w.apply(ctx, a)
	for range 2 {
		if err == nil || !w.adapt(ctx, a, err) {
			break
		}
		before := err
		if grant, err = w.apply(ctx, a); err != nil {
			err = explain(err, before)
		}
	}
	return w.conclude(a, grant, err)
}

// conclude stores what was granted and reports what each authority did.
func (w *Wallet) conclude(a *ask, grant *dta.Grant, err error) KeyReport {
	report := KeyReport{Purpose: a.purpose, Service: a.at, Epoch: a.epoch, Err: err}
	var evidenceErr error
	if refused, ok := errors.AsType[*dta.ApplyError](err); ok {
		report.Authorities, evidenceErr = w.report(a.domain, refused.Outcomes)
	}
	if err == nil {
		defer grant.Private.Erase()
		report.Err = w.store(a, grant)
		report.Authorities, evidenceErr = w.report(a.domain, grant.Outcomes)
	}
	if evidenceErr != nil {
		w.log.Warn("evidence not kept", "name", a.name, "error", evidenceErr)
	}
	return report
}

func (w *Wallet) apply(ctx context.Context, a *ask) (*dta.Grant, error) {
	application := dta.Application{
		Domain: a.domain.Published,
		Key:    identity.Key{Purpose: a.purpose, Service: a.service, Name: a.name, Epoch: a.epoch},
		Signer: a.signer, Codes: a.codes, Now: w.now,
	}
	if len(a.tokens) > 0 {
		application.Evidence = a.showToken
	}
	return w.client.Apply(ctx, application)
}

// adapt reports whether a was changed so that asking again may help.
func (w *Wallet) adapt(ctx context.Context, a *ask, err error) bool {
	if errors.Is(err, problem.WrongGeneration) || errors.Is(err, problem.CannotOpen) {
		was := a.domain
		if err := w.refresh(ctx, was); err != nil {
			return false
		}
		now, err := w.domain(was.tls.Name)
		if err != nil {
			return false
		}
		a.domain = now
		return now.Published.Document.Hash() != was.Published.Document.Hash()
	}
	schedule, _ := a.domain.Published.Document.Schedule(a.purpose)
	if current := schedule.Current(w.now()); errors.Is(err, problem.WrongEpoch) && a.epoch.Start < current.Start {
		a.epoch = current
		return true
	}
	// Whoever took a code or token in a run that was interrupted has enrolled this
	// device: its key alone gets the share.
	used := errors.Is(err, problem.CodeUsed) && len(a.codes) > 0 || errors.Is(err, problem.TokenUsed) && len(a.tokens) > 0
	if used {
		a.codes, a.tokens = nil, nil
	}
	return used
}

// explain puts what an authority said of a code or token in place of the "not enrolled"
// that follows from it when the device key alone is tried.
func explain(err, before error) error {
	now, ok := errors.AsType[*dta.ApplyError](err)
	then, known := errors.AsType[*dta.ApplyError](before)
	if !ok || !known || len(now.Outcomes) != len(then.Outcomes) {
		return err
	}
	merged := &dta.ApplyError{Need: now.Need, Outcomes: slices.Clone(now.Outcomes)}
	for i, o := range merged.Outcomes {
		if errors.Is(o.Err, problem.NotEnrolled) && then.Outcomes[i].Err != nil {
			merged.Outcomes[i] = then.Outcomes[i]
		}
	}
	return merged
}

// store writes a granted key, then the statements of a first issuance.
func (w *Wallet) store(a *ask, g *dta.Grant) error {
	if a.keep != nil {
		return a.keep(g)
	}
	if err := w.save(a.domain, storedKey{key: g.Key, private: g.Private}); err != nil {
		return err
	}
	counter := a.domain.Published.Document.Generation().Counter
	for _, o := range g.Outcomes {
		if len(o.Statement) == 0 {
			continue
		}
		name := fmt.Sprintf("statement_%s_%d_%d", a.purpose, counter, o.Authority.Index)
		if err := w.disk.replace(filepath.Join(w.nameDir(a.name), name), o.Statement); err != nil {
			return err
		}
	}
	return nil
}
