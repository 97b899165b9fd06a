package wallet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

// RenewPermits asks, by the device key alone, for the permits of the current and of
// the next epoch, as far as the wallet has them not; if it has both, for the later one
// all the same, so that the report shows who would still renew. No permit logs in
// without the PIN. The report comes with the error too; errors wrap ErrNotRegistered and
// dta.ErrThreshold.
func (w *Wallet) RenewPermits(ctx context.Context, n identity.Name, service string) (*Report, error) {
	a, err := w.account(n, service)
	if err != nil {
		return nil, err
	}
	r, err := w.renewPermits(ctx, a, a.record.key(), latest)
	if err != nil {
		err = fmt.Errorf("renew permits of %v at %s: %w", n, service, err)
	}
	return r, err
}

// renewPermits renews those of the key id of a.
func (w *Wallet) renewPermits(ctx context.Context, a *account, id string, which want) (*Report, error) {
	v, err := w.visit(a, id)
	if err != nil {
		return nil, err
	}
	defer v.token.erase()
	report := &Report{Name: a.record.Name, Device: v.token.key.Device}
	held, err := w.heldPermits(v.token.dir)
	if err != nil {
		return report, err
	}
	var errs []error
	schedule := v.site.permits()
	for _, epoch := range which([]identity.Epoch{schedule.Current(w.now()), schedule.Following(w.now())}, held) {
		key := w.fetchPermit(ctx, v, epoch)
		report.Keys = append(report.Keys, key)
		errs = append(errs, key.Err)
	}
	return report, errors.Join(errs...)
}

// permits returns the epochs of permits, which every document with a service has.
func (s site) permits() identity.Schedule {
	schedule, _ := s.domain.Published.Document.Schedule(identity.Permit)
	return schedule
}

// fetchPermit asks the authorities for one permit of v and stores it.
func (w *Wallet) fetchPermit(ctx context.Context, v *visit, epoch identity.Epoch) KeyReport {
	d := w.refreshDaily(ctx, v.site.domain)
	return w.obtainPermit(ctx, d, v, epoch)
}

func (w *Wallet) obtainPermit(ctx context.Context, d *domain, v *visit, epoch identity.Epoch) KeyReport {
	return w.obtain(ctx, &ask{domain: d, name: v.token.key.Name, device: v.token.key.Device, signer: v.signer,
		purpose: identity.Permit, epoch: epoch, service: v.site.id, at: v.site.service.Name,
		keep: func(g *dta.Grant) error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), localWait)
			defer cancel()
			return w.storePermit(ctx, v.token, storedKey{key: g.Key, private: g.Private})
		}})
}

// permit returns the permit to log in with: that of the current epoch; if it
// cannot be had, the newest that a login server still accepts.
func (w *Wallet) permit(ctx context.Context, v *visit) (storedKey, error) {
	now, schedule := w.now(), v.site.permits()
	held, err := w.heldPermits(v.token.dir)
	if err != nil {
		return storedKey{}, err
	}
	var fetched error
	if current := schedule.Current(now); !slices.Contains(held, current) {
		fetched = w.fetchPermit(ctx, v, current).Err
		if held, err = w.heldPermits(v.token.dir); err != nil {
			return storedKey{}, err
		}
	}
	epoch, ok := best(schedule, now, held)
	if !ok {
		return storedKey{}, fmt.Errorf("permit: %w", errors.Join(fetched, ErrNoKey))
	}
	private, err := w.readPermit(v.token, epoch)
	return storedKey{key: v.token.permitKey(epoch), private: private}, err
}

// ahead begins to fetch the next epoch's permit, if the wallet has it not. The
// login that it accompanies stops it: next time is soon enough.
func (w *Wallet) ahead(ctx context.Context, v *visit) (stop func()) {
	next := v.site.permits().Following(w.now())
	held, err := w.heldPermits(v.token.dir)
	if err != nil || slices.Contains(held, next) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if r := w.obtainPermit(ctx, v.site.domain, v, next); r.Err != nil && ctx.Err() == nil {
			w.log.Info("next permit not fetched yet", "name", v.token.key.Name, "error", r.Err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
