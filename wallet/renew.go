package wallet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

const (
	// lookEvery bounds how long Keep sleeps: a machine that was suspended, or
	// whose clock was set, is noticed so soon.
	lookEvery = 30 * time.Second
	// refreshTimeout bounds how long a renewal waits for a newer document.
	refreshTimeout = 5 * time.Second
	// attemptTimeout bounds one renewal, also when another process has the lock
	// and does not get on.
	attemptTimeout = 2 * time.Minute
	// renewPause lies between two renewals at least.
	renewPause = 50 * time.Millisecond
)

// Renew asks, by the device key alone, for the latest keys that the authorities
// issue now for every purpose that a name is enrolled for: those of the current
// epoch, and in its last quarter those of the next; permits of its logins always
// for both. It asks also for a key that
// the wallet has, so that the report shows who would still renew. Keys that are
// in the wallet stay there whatever the answer. The report comes with the error
// too. Errors wrap ErrNotEnrolled and dta.ErrThreshold.
func (w *Wallet) Renew(ctx context.Context, n identity.Name) (*Report, error) {
	r, err := w.renew(ctx, n, latest)
	if err != nil {
		err = fmt.Errorf("renew %v: %w", n, err)
	}
	return r, err
}

// want picks, of the epochs whose keys are issued now and of those in hand, the
// ones to ask for.
type want func(issued, held []identity.Epoch) []identity.Epoch

// due wants what is not in hand.
func due(issued, held []identity.Epoch) []identity.Epoch {
	return slices.DeleteFunc(slices.Clone(issued), func(e identity.Epoch) bool { return slices.Contains(held, e) })
}

// current wants the first if it is not in hand.
func current(issued, held []identity.Epoch) []identity.Epoch { return due(issued[:1], held) }

// latest wants what is due, or else the last that is issued.
func latest(issued, held []identity.Epoch) []identity.Epoch {
	if wanted := due(issued, held); len(wanted) > 0 {
		return wanted
	}
	return issued[len(issued)-1:]
}

// issued returns the epochs whose keys the authorities issue at a time
// (spec/issuance.md): keys of purpose decrypt never ahead.
func issued(p identity.Purpose, s identity.Schedule, now uint64) []identity.Epoch {
	current := s.Current(now)
	if p == identity.Decrypt || !current.LastQuarter(now) {
		return []identity.Epoch{current}
	}
	return []identity.Epoch{current, s.Following(now)}
}

func (w *Wallet) renew(ctx context.Context, n identity.Name, which want) (*Report, error) {
	report, err := w.renewKeys(ctx, n, which)
	logins := w.loginsOf(n)
	if errors.Is(err, ErrNotEnrolled) && len(logins) > 0 {
		report, err = &Report{Name: n}, nil // a person who only logs in
	}
	if report == nil {
		return nil, err
	}
	errs := []error{err}
	for _, a := range logins {
		permits, err := w.renewPermits(ctx, a, a.record.key(), which)
		if errors.Is(err, ErrService) {
			continue // the domain has ceased to issue such permits
		}
		if permits != nil {
			report.Device = cmp.Or(report.Device, permits.Device)
			report.Keys = append(report.Keys, permits.Keys...)
		}
		errs = append(errs, err)
	}
	return report, errors.Join(errs...)
}

func (w *Wallet) renewKeys(ctx context.Context, n identity.Name, which want) (*Report, error) {
	unlock, err := w.lockName(ctx, n)
	if err != nil {
		return nil, err
	}
	defer unlock()
	record, err := w.enrolment(n)
	if err != nil {
		return nil, err
	}
	d, err := w.domain(n.Domain())
	if err != nil {
		return nil, err
	}
	a := &ask{name: n}
	if err := w.identify(a, record); err != nil {
		return nil, err
	}
	report := &Report{Name: n, Device: a.device}
	var errs []error
	for _, purpose := range record.Purposes {
		held, err := w.held(n, purpose)
		if err != nil {
			return report, err
		}
		schedule, ok := d.Published.Document.Schedule(purpose)
		if !ok {
			continue
		}
		for _, epoch := range which(issued(purpose, schedule, w.now()), held) {
			d = w.refreshDaily(ctx, d)
			key := w.obtain(ctx, &ask{domain: d, name: n, device: a.device, signer: a.signer, purpose: purpose, epoch: epoch})
			report.Keys = append(report.Keys, key)
			errs = append(errs, key.Err)
		}
	}
	return report, errors.Join(errs...)
}

// refreshDaily returns the domain, with the document and stamp of today if they
// can be had: a renewal goes on without.
func (w *Wallet) refreshDaily(ctx context.Context, d *domain) *domain {
	if s := d.Published.Stamp; s != nil && s.Day >= dta.Day(w.now()) {
		return d
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	err := w.refresh(ctx, d)
	if err == nil {
		var now *domain
		if now, err = w.domain(d.tls.Name); err == nil {
			return now
		}
	}
	w.log.Warn("domain document not refreshed", "domain", d.tls.Name, "error", err)
	return d
}

// Keep renews the keys of a name for as long as ctx lives: in the last quarter
// of each epoch it fetches the keys of the next, and tries again, more and more
// patiently, until it has them. It returns the cause of ctx's end, or at once an
// error that wraps ErrNotEnrolled or ErrNotPinned. What happens between is told to
// Config.Renewed, or logged. Meanwhile it refreshes the authorities' lists of
// revocations every ten seconds.
func (w *Wallet) Keep(ctx context.Context, n identity.Name) error {
	defer w.followRevocations(ctx, n.Domain())()
	failures := 0
	for {
		next, err := w.plan(n)
		if errors.Is(err, ErrNotEnrolled) || errors.Is(err, ErrNotPinned) {
			return fmt.Errorf("keep %v: %w", n, err)
		}
		pause := lookEvery
		switch {
		case err != nil:
			w.renewed(Renewal{Name: n, Err: err, Again: pause})
		case next.wait > 0:
			pause = min(pause, next.wait)
		default:
			pause, failures = w.attempt(ctx, n, next, failures)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// attempt renews what is due and returns how long to wait before the next, and
// how many attempts have failed in a row.
func (w *Wallet) attempt(ctx context.Context, n identity.Name, p plan, failures int) (time.Duration, int) {
	limited, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	report, err := w.renew(limited, n, due)
	if err == nil {
		w.renewed(Renewal{Name: n, Report: report, Again: renewPause})
		return renewPause, 0
	}
	pause := backoff(p.length, failures)
	if ctx.Err() == nil {
		w.renewed(Renewal{Name: n, Report: report, Err: err, Again: pause})
	}
	return pause, failures + 1
}

// Renewal is what came of one try of Keep to renew what is due of a name.
type Renewal struct {
	Name identity.Name
	// Report is nil if nobody could be asked.
	Report *Report
	// Err is nil if all that was due is in the wallet.
	Err error
	// Again is how long Keep waits before it looks again.
	Again time.Duration
}

func (w *Wallet) logRenewal(r Renewal) {
	if r.Err != nil {
		w.log.Error("keys not renewed", "name", r.Name, "error", r.Err, "again in", r.Again.String())
		return
	}
	for _, k := range r.Report.Keys {
		w.log.Info("key renewed", "name", r.Name, "purpose", k.Purpose, "epoch", k.Epoch.String())
	}
}

// plan is what Keep has to do next.
type plan struct {
	wait   time.Duration // 0: renew now
	length time.Duration // of the shortest epoch
}

// plan looks at all purposes and all logins of a name.
func (w *Wallet) plan(n identity.Name) (plan, error) {
	d, err := w.domain(n.Domain())
	if err != nil {
		return plan{}, err
	}
	logins := w.loginsOf(n)
	p := plan{wait: lookEvery, length: math.MaxInt64}
	record, err := w.enrolment(n)
	if err != nil && (len(logins) == 0 || !errors.Is(err, ErrNotEnrolled)) {
		return plan{}, err
	}
	for _, purpose := range record.Purposes {
		schedule, ok := d.Published.Document.Schedule(purpose)
		if !ok {
			continue // the domain has ceased to issue such keys
		}
		held, err := w.held(n, purpose)
		if err != nil {
			return plan{}, err
		}
		length := schedule.Current(w.now()).Length
		lead := seconds(length/4) - spread(record.Device, seconds(length))
		if purpose == identity.Decrypt {
			lead = 0
		}
		p.wait = min(p.wait, w.untilDue(schedule, held, lead))
		p.length = min(p.length, seconds(length))
	}
	for _, a := range logins {
		if err := w.planPermits(&p, d, a); err != nil {
			return plan{}, err
		}
	}
	return p, nil
}

// planPermits adds the permits of a login: those of the next epoch are issued at any
// time.
func (w *Wallet) planPermits(p *plan, d *domain, a *account) error {
	schedule, ok := d.Published.Document.Schedule(identity.Permit)
	if _, listed := d.Published.Document.Service(a.record.Service); !ok || !listed {
		return nil
	}
	held, err := w.heldPermits(filepath.Join(a.dir, a.record.key()))
	if err != nil {
		return err
	}
	length := schedule.Current(w.now()).Length
	p.wait = min(p.wait, w.untilDue(schedule, held, seconds(length)))
	p.length = min(p.length, seconds(length))
	return nil
}

// untilDue returns how long until a key is due, if the next epoch's is issued for
// as long as lead before that epoch.
func (w *Wallet) untilDue(s identity.Schedule, held []identity.Epoch, lead time.Duration) time.Duration {
	now := w.now()
	if !slices.Contains(held, s.Current(now)) {
		return 0
	}
	left := time.Unix(int64(s.Current(now).End()), 0).Sub(w.clock())
	if slices.Contains(held, s.Following(now)) {
		return max(left, time.Millisecond)
	}
	return max(left-lead, 0)
}

// spread returns a delay of up to a 16th of an epoch, always the same for one
// device, so that those who enrolled together do not all come at once.
func spread(device string, length time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(device))
	return length / (16 * 256) * time.Duration(sum[0])
}

// backoff returns the pause after that many failures in a row: doubled each
// time, from a 64th of an epoch to a 16th, within what suits a server, and up to a
// half of it left out by chance.
func backoff(length time.Duration, failures int) time.Duration {
	low := min(max(length/64, 100*time.Millisecond), 5*time.Second)
	high := min(max(length/16, time.Second), 10*time.Minute)
	pause := min(low<<min(failures, 16), high)
	return pause/2 + rand.N(pause/2)
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
