package authority_test

import (
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

// change is a PIN change of alice from a registered device to a new one.
type change struct {
	server   *loginServer
	old, new *applicant
	t        *testing.T
}

func newChange(t *testing.T, c *clock) *change {
	t.Helper()
	d, s := loginDomain(t, c)
	old := newApplicant(t, d, alice)
	old.register(t, "login")
	return &change{server: s, old: old, new: newApplicant(t, d, alice), t: t}
}

// voucher returns the login server's word for authority 1, after edit changed it.
func (c *change) voucher(edit func(*dta.Voucher)) []byte {
	v := c.server.voucher(c.t, c.old, c.new.device, 1)
	if edit != nil {
		edit(&v)
	}
	return v.Sign(c.server.key)
}

// ask shows authority 1 a voucher, which the old device signs.
func (c *change) ask(voucher []byte) error {
	return c.new.ask(c.t, 1, together(c.new.forLogin(c.t, "login"), withVoucher(c.t, voucher, c.old.device)))
}

// unchanged fails the test unless authority 1 has issued as much as before.
func (c *change) unchanged(before int64) {
	c.t.Helper()
	if after := issued(c.t, c.new.domain.Members[0]); after != before {
		c.t.Errorf("%d shares issued", after-before)
	}
}

func TestPINChangeEnrolsTheNewDevice(t *testing.T) {
	c := newChange(t, at(noon()))
	d := c.new.domain
	schedule, _ := d.Published.Document.Schedule(identity.Permit)
	application := dta.Application{Domain: d.Published, Signer: c.new.device, Now: d.Now, ChannelKind: 1,
		Key: identity.Key{Purpose: identity.MPin, Service: d.Published.Document.ServiceID(service(t, d, "login")), Name: c.new.name},
		Evidence: func(q *dta.Request) ([]byte, error) {
			return dta.SuccessionEvidence(c.server.voucher(t, c.old, c.new.device, q.Index).Sign(c.server.key), c.old.device, q)
		}}
	grant, err := new(dta.Client).Apply(t.Context(), application)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range grant.Outcomes {
		s, err := dta.ParseStatement(o.Authority, o.Statement)
		if err != nil || s.Device != deviceOf(t, c.new.device) || s.ChannelKind != 1 {
			t.Errorf("authority %d: %+v, %v, %v", o.Authority.Index, s, err, o.Err)
		}
	}
	application.Evidence, application.ChannelKind = nil, 0
	application.Key.Purpose, application.Key.Epoch = identity.Permit, schedule.Current(d.Now())
	if _, err := new(dta.Client).Apply(t.Context(), application); err != nil {
		t.Error("its permit:", err)
	}
	if err := c.old.ask(t, 1, c.old.forPermit(t, "login")); err != nil {
		t.Error("the old device, until the notice:", err)
	}
	refused(t, c.ask(c.voucher(nil)), problem.AlreadyEnrolled)
}

func TestVoucherNeedsTheOldDevice(t *testing.T) {
	c := newChange(t, at(noon()))
	before := issued(t, c.new.domain.Members[0])
	login, voucher := c.new.forLogin(t, "login"), c.voucher(nil)
	refused(t, c.new.ask(t, 1, together(login, withVoucher(t, voucher, c.new.device))), problem.VoucherRefused)
	refused(t, c.new.ask(t, 1, together(login, withVoucher(t, voucher, newDevice(t)))), problem.VoucherRefused)
	refused(t, c.new.ask(t, 1, login), problem.NotEnrolled)
	// What the old device signed for another request of the new one.
	var evidence []byte
	c.new.request(t, 1, together(login, withVoucher(t, voucher, c.old.device), func(q *dta.Request) { evidence = q.Evidence }))
	refused(t, c.new.ask(t, 1, together(login, func(q *dta.Request) { q.Evidence = evidence })), problem.VoucherRefused)
	// A device that is enrolled for another purpose, or not at all.
	for _, stranger := range []*applicant{newApplicant(t, c.new.domain, alice), newApplicant(t, c.new.domain, alice)} {
		forged := c.voucher(func(v *dta.Voucher) { v.Old = deviceOf(t, stranger.device) })
		refused(t, c.new.ask(t, 1, together(login, withVoucher(t, forged, stranger.device))), problem.VoucherRefused)
		stranger.enrol(t)
		before++
		refused(t, c.new.ask(t, 1, together(login, withVoucher(t, forged, stranger.device))), problem.VoucherRefused)
	}
	c.unchanged(before)
	if err := c.ask(voucher); err != nil {
		t.Error("the true one:", err)
	}
}

func TestVoucherServesWhatItNames(t *testing.T) {
	clock := at(noon())
	c := newChange(t, clock)
	d := c.new.domain
	withLogin(t, d, "door")
	before := issued(t, d.Members[0])
	day := uint64(24 * 60 * 60)
	for what, edit := range map[string]func(*dta.Voucher){
		"another domain":    func(v *dta.Voucher) { v.Domain[0]++ },
		"another service":   func(v *dta.Voucher) { v.Service = d.Published.Document.ServiceID(service(t, d, "door")) },
		"another authority": func(v *dta.Voucher) { v.Index = 2 },
		"no authority":      func(v *dta.Voucher) { v.Index = 0 },
		"another name":      func(v *dta.Voucher) { v.Name = mustName(t, "acct:bob@example.org") },
		"another old one":   func(v *dta.Voucher) { v.Old[0]++ },
		"another new one":   func(v *dta.Voucher) { v.New[0]++ },
		"the old as new":    func(v *dta.Voucher) { v.New = v.Old },
		"older than a day":  func(v *dta.Voucher) { v.Time -= day + 5 },
		"of no time":        func(v *dta.Voucher) { v.Time = 0 },
		"ahead":             func(v *dta.Voucher) { v.Time += 305 },
		"of the last time":  func(v *dta.Voucher) { v.Time = ^uint64(0) },
	} {
		if err := c.ask(c.voucher(edit)); err == nil {
			t.Errorf("%s: issued", what)
		} else {
			refused(t, err, problem.VoucherRefused)
		}
	}
	// True vouchers, shown for what they do not name.
	bob := c.new.forLogin(t, "login")
	refused(t, c.new.ask(t, 1, together(bob, func(q *dta.Request) { q.Key.Name = mustName(t, "acct:bob@example.org") },
		withVoucher(t, c.voucher(nil), c.old.device))), problem.VoucherRefused)
	refused(t, c.new.ask(t, 1, together(c.new.forLogin(t, "door"), withVoucher(t, c.voucher(nil), c.old.device))), problem.VoucherRefused)
	refused(t, c.new.ask(t, 1, withVoucher(t, c.voucher(nil), c.old.device)), problem.Malformed)
	other := newApplicant(t, d, alice)
	refused(t, other.ask(t, 1, together(other.forLogin(t, "login"), withVoucher(t, c.voucher(nil), c.old.device))), problem.VoucherRefused)
	// Signed by somebody else: another service's login server, an authority.
	v := c.server.voucher(t, c.old, c.new.device, 1)
	refused(t, c.ask(v.Sign(newLoginServer(t, "login").key)), problem.VoucherRefused)
	refused(t, c.ask(v.Sign(stolen(t, d.Members[0]))), problem.VoucherRefused)
	altered := c.voucher(nil)
	altered[len(altered)-1] ^= 1
	refused(t, c.ask(altered), problem.VoucherRefused)
	refused(t, c.ask([]byte("voucher")), problem.VoucherRefused)
	c.unchanged(before)
	for what, edit := range map[string]func(*dta.Voucher){
		"almost a day old": func(v *dta.Voucher) { v.Time -= day - 5 },
		"a little ahead":   func(v *dta.Voucher) { v.Time += 295 },
	} {
		c.new = newApplicant(t, d, alice)
		if err := c.ask(c.voucher(edit)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestRevokedDeviceHasNoSuccessor: revoked by the operator, or by the login server.
func TestRevokedDeviceHasNoSuccessor(t *testing.T) {
	c := newChange(t, at(noon()))
	m := c.new.domain.Members[0]
	if err := c.server.notify(t, m, c.old); err != nil {
		t.Fatal(err)
	}
	refused(t, c.ask(c.voucher(nil)), problem.VoucherRefused)
	c.old = newApplicant(t, c.new.domain, alice)
	c.old.register(t, "login")
	device := deviceOf(t, c.old.device)
	if _, err := m.Operator().Revoke(t.Context(), c.old.name, &device); err != nil {
		t.Fatal(err)
	}
	refused(t, c.ask(c.voucher(nil)), problem.VoucherRefused)
}

// TestTwoSuccessorsAreTheLoginServersToTellApart: an authority takes two vouchers
// for two new devices; which one counts, the login server decides and tells.
func TestTwoSuccessorsAreTheLoginServersToTellApart(t *testing.T) {
	c := newChange(t, at(noon()))
	first := c.new
	if err := c.ask(c.voucher(nil)); err != nil {
		t.Fatal(err)
	}
	c.new = newApplicant(t, first.domain, alice)
	if err := c.ask(c.voucher(nil)); err != nil {
		t.Fatal(err)
	}
	m := first.domain.Members[0]
	for _, gone := range []*applicant{first, c.old} {
		if err := c.server.notify(t, m, gone); err != nil {
			t.Fatal(err)
		}
		refused(t, gone.ask(t, 1, gone.forPermit(t, "login")), problem.Revoked)
	}
	if err := c.new.ask(t, 1, c.new.forPermit(t, "login")); err != nil {
		t.Error(err)
	}
	// And from the old one nobody follows any more.
	c.new = newApplicant(t, first.domain, alice)
	refused(t, c.ask(c.voucher(nil)), problem.VoucherRefused)
}

func TestPINChangeNeedsAFreshDocument(t *testing.T) {
	clock := at(noon())
	c := newChange(t, clock)
	if err := c.new.domain.Members[1].Stop(); err != nil {
		t.Fatal(err)
	}
	clock.forward(9 * 24 * time.Hour)
	refused(t, c.ask(c.voucher(nil)), problem.NoStamp)
}
