package wallet

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

// PINChange is a change of PIN. Both are the caller's, to be cleared by him; the
// wallet keeps nothing of them.
type PINChange struct {
	Name     identity.Name
	Service  string
	Old, New []byte
}

// ChangePIN logs in with the old PIN, and so gets leave for a new device key,
// registers that with the new PIN and logs in with it (spec/mpin.md "PIN change").
// Only then the old key, its token and its permits are erased: two copies of the
// wallet, from before and after, tell neither PIN. A wrong old PIN changes nothing.
// When it is interrupted, at whatever point, the old PIN or the new one logs in, and
// ChangePIN called again completes it or begins anew. The report comes with the
// error too; errors are those of Login and Register.
func (w *Wallet) ChangePIN(ctx context.Context, q PINChange) (*Report, error) {
	r, err := w.changePIN(ctx, q)
	if err != nil {
		err = fmt.Errorf("change the PIN of %v at %s: %w", q.Name, q.Service, err)
	}
	return r, err
}

func (w *Wallet) changePIN(ctx context.Context, q PINChange) (*Report, error) {
	if err := errors.Join(mpin.CheckPIN(q.Old), mpin.CheckPIN(q.New)); err != nil {
		return nil, err
	}
	if bytes.Equal(q.Old, q.New) {
		return nil, errors.New("the new PIN is the old one")
	}
	if _, err := w.account(q.Name, q.Service); err != nil {
		return nil, err
	}
	unlock, err := w.lockLogin(ctx, q.Name, q.Service)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, err := w.account(q.Name, q.Service)
	if err != nil {
		return nil, err
	}
	if a.record.Active == "" {
		return nil, &advised{errors.New("its registration is not complete"), "log in once with the PIN that was registered"}
	}
	at, err := w.prepare(ctx, q.Name, q.Service)
	if err != nil {
		return nil, err
	}
	report, err := w.succeed(ctx, a, at, q)
	// An earlier change that came as far as its row bars another one, or has ended the
	// old key already: it wants its own new PIN.
	if a.record.Pending != "" && (errors.Is(err, problem.SuccessionPending) || errors.Is(err, problem.LoginRefused)) {
		report, completeErr := w.conclusion(ctx, a, report, q.New)
		if errors.Is(completeErr, problem.RowRefused) {
			return report, err // and that one was replaced by another
		}
		return report, completeErr
	}
	if err != nil {
		return report, err
	}
	return w.conclusion(ctx, a, report, q.New)
}

// succeed gets the successor of a's active key as far as its token, which becomes
// the pending one of the record.
func (w *Wallet) succeed(ctx context.Context, a *account, at site, q PINChange) (*Report, error) {
	v, err := w.visit(a, a.record.Active)
	if err != nil {
		return nil, err
	}
	defer v.token.erase()
	id, signer, err := w.makeKey(a.dir)
	if err != nil {
		return nil, err
	}
	p := &application{account: a, site: at, id: id, signer: signer, pin: q.New}
	report, err := w.inherit(ctx, v, p, q.Old)
	return report, errors.Join(err, w.eraseOrphans(ctx, q.Name, q.Service))
}

// inherit logs in with the old key v and obtains the key of p by vouchers.
func (w *Wallet) inherit(ctx context.Context, v *visit, p *application, old []byte) (*Report, error) {
	device, err := identity.DeviceOf(p.signer)
	if err != nil {
		return nil, err
	}
	answer, err := w.passes(ctx, v, old, mpin.NewDevice(device.Hash()))
	if err != nil {
		return nil, err
	}
	p.site = v.site
	vouchers := map[uint32][]byte{}
	for _, b := range answer.Vouchers {
		voucher, err := dta.ParseVoucher(p.site.service.LoginKey, b)
		if err != nil {
			return nil, err
		}
		vouchers[voucher.Index] = b
	}
	p.evidence = func(q *dta.Request) ([]byte, error) {
		b, ok := vouchers[q.Index]
		if !ok {
			return nil, fmt.Errorf("%w: the login server gave no voucher for authority %d", dta.ErrLoginServer, q.Index)
		}
		return dta.SuccessionEvidence(b, v.signer, q)
	}
	return w.split(ctx, p)
}
