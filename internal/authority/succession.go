package authority

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
)

// voucherLife is how long a login server's voucher for a new device is good.
const voucherLife = uint64(24 * time.Hour / time.Second)

// What a login is bound to (spec/mpin.md "Login").
const (
	channelNone     = 0
	channelExporter = 1
)

// knownChannel refuses channel kinds that no login has: the statement of the
// enrolment would carry them.
func (c *claim) knownChannel() error {
	if c.ChannelKind != channelNone && c.ChannelKind != channelExporter {
		return problem.New(problem.Malformed, "channel kind %d", c.ChannelKind)
	}
	return nil
}

// succeeds looks at the evidence of a PIN change (spec/mpin.md "PIN change", 2).
func (i *issuer) succeeds(ctx context.Context, domain *served, c *claim) error {
	v, err := dta.ParseSuccession(c.master.service.LoginKey, c.Request)
	switch {
	case errors.Is(err, dta.ErrLoginServer):
		return problem.New(problem.VoucherRefused, "the voucher is not the login server's")
	case errors.Is(err, encoding.ErrEncoding):
		return problem.New(problem.Malformed, "%s", err)
	case err != nil:
		return problem.New(problem.VoucherRefused, "the old device did not sign")
	}
	if err := c.fits(v, domain.self.Index); err != nil {
		return err
	}
	c.basis, c.old = basisSuccession, v.Old
	return i.state.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error { return mayBeReplaced(ctx, tx, c.replaced()) })
}

// fits refuses a voucher that was given for something else than this request, or
// at another time.
func (c *claim) fits(v dta.Voucher, index uint32) error {
	now := unixSeconds(c.now)
	switch {
	case v.Domain != c.Key.Domain || v.Service != c.Key.Service:
		return problem.New(problem.VoucherRefused, "the voucher is for another login service")
	case v.Index != index:
		return problem.New(problem.VoucherRefused, "the voucher is for authority %d, this is authority %d", v.Index, index)
	case v.Name != c.Key.Name:
		return problem.New(problem.VoucherRefused, "the voucher is for another name")
	case v.New != c.Device.Hash():
		return problem.New(problem.VoucherRefused, "the voucher is for another new device")
	case v.Time > now+identity.MaxSkew:
		return problem.New(problem.VoucherRefused, "the voucher is of %d, here it is %d", v.Time, now)
	case now > v.Time+voucherLife: // no overflow: v.Time is hardly ahead
		return problem.New(problem.VoucherRefused, "the voucher is older than 24 hours")
	}
	return nil
}

// replaced returns the enrolment of the device that the claim's device is to take
// the place of.
func (c *claim) replaced() enrolment {
	e := enrolmentOf(c.Request)
	e.device = c.old
	return e
}

// mayBeReplaced refuses a PIN change of a device that is not, or no longer,
// enrolled here.
func mayBeReplaced(ctx context.Context, tx *sql.Tx, old enrolment) error {
	st, err := readStanding(ctx, tx, old)
	switch {
	case err != nil:
		return err
	case !st.enrolled:
		return problem.New(problem.VoucherRefused, "the old device is not enrolled here")
	case st.revoked:
		return problem.New(problem.VoucherRefused, "the old device is revoked here")
	}
	return nil
}
