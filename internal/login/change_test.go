package login_test

import (
	"strings"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

const newPIN = "805173"

// intends logs in with a device so that another one may follow, and returns the
// vouchers.
func (s *stage) intends(old, next *logintest.Person) ([][]byte, error) {
	s.t.Helper()
	answer, err := old.Login(s.t.Context(), right, mpin.NewDevice(next.Device.Hash()))
	return answer.Vouchers, err
}

// succeeds enrols the next device on vouchers.
func (s *stage) succeeds(old, next *logintest.Person, vouchers [][]byte) {
	s.t.Helper()
	s.done(next.Enrol(s.t.Context(), newPIN, dta.Application{Evidence: func(q *dta.Request) ([]byte, error) {
		return dta.SuccessionEvidence(vouchers[q.Index-1], old.Signer, q)
	}}))
}

func (s *stage) logsInWith(p *logintest.Person, pin string) {
	s.t.Helper()
	if _, err := p.Login(s.t.Context(), pin, none); err != nil {
		s.t.Fatalf("login of %v: %v", p.Name, err)
	}
}

// TestPINIsChanged: at each step that may be the last, the old PIN still logs in;
// with the first login of the new one it does no more, and every authority knows.
func TestPINIsChanged(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		old, next := s.Person(t, alice, right), s.newDevice(alice)
		vouchers, err := s.intends(old, next)
		s.done(err)
		published, site, err := s.Site()
		s.done(err)
		for i, authority := range published.Document.Authorities() {
			v, err := dta.ParseVoucher(s.Card.Ed25519, vouchers[i])
			if err != nil || v.Index != authority.Index || v.Old != old.Device.Hash() || v.New != next.Device.Hash() || v.Name != old.Name ||
				v.Service != site.ID || v.Domain != site.Domain || v.Time != s.Now() && v.Time+1 != s.Now() {
				t.Errorf("voucher %+v, %v", v, err)
			}
		}
		s.logsIn(old) // cut after the vouchers
		s.succeeds(old, next, vouchers)
		s.logsIn(old) // after the new key
		s.done(s.Restart(t.Context()))
		s.done(next.ShowRow(t.Context()))
		s.logsIn(old) // after the row
		s.permitted(old)
		s.logsInWith(next, newPIN)
		s.fails(old, right)
		s.counts(old, 0, 0, "revoked")
		s.logsInWith(next, newPIN)
		s.fails(next, right)
		s.counts(next, 1, 1, "active")
		s.done(old.ShowRow(t.Context()))
		s.fails(old, right)
		s.known(old, 1, 2, 3)
		s.audited(old, "refused", "refused", "accepted", "refused", "pin-changed", "revoked", "accepted", "accepted", "row-made", "accepted", "accepted",
			"change-begun", "accepted", "row-made")
	})
}

// known waits until authorities have the notice of a device's revocation.
func (s *stage) known(p *logintest.Person, indices ...int) {
	s.t.Helper()
	for _, index := range indices {
		s.eventually("the authority knows", func() bool { return s.knows(p, index) })
	}
}

// knows reports whether an authority holds a device for revoked.
func (s *stage) knows(p *logintest.Person, index int) bool {
	s.t.Helper()
	l, err := s.domain.Members[index-1].Operator().List(s.t.Context(), p.Name)
	s.done(err)
	for _, e := range l.Enrolments {
		if identity.DeviceHash(e.Device) == p.Device.Hash() && e.Revoked {
			return true
		}
	}
	return false
}

// TestSuccessorWhoseAnswerWasLostLogsIn: its first login has ended the old device,
// and it has not heard of that.
func TestSuccessorWhoseAnswerWasLostLogsIn(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	old, next := s.Person(t, alice, right), s.newDevice(alice)
	vouchers, err := s.intends(old, next)
	s.done(err)
	s.succeeds(old, next, vouchers)
	s.done(next.ShowRow(t.Context()))
	a, err := next.Begun(t.Context(), newPIN, none)
	s.done(err)
	q := proved(t, a)
	_, err = next.Client.FinishLogin(t.Context(), next.URL, q)
	s.done(err) // and suppose that it was not received
	_, err = next.Client.FinishLogin(t.Context(), next.URL, q)
	refused(t, err, problem.SessionUnknown)
	s.logsInWith(next, newPIN)
}

// TestOneSuccessorIsPending: another intent replaces one without a row, or of
// yesterday; else it is refused, and the login counts as what it is.
func TestOneSuccessorIsPending(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		old, b, c, d := s.Person(t, alice, right), s.newDevice(alice), s.newDevice(alice), s.newDevice(alice)
		_, err := s.intends(old, b)
		s.done(err)
		_, err = s.intends(old, c) // b has no row
		s.done(err)
		refused(t, s.show(b, s.states(b, nil, 1, 2), nil), problem.RowRefused)
		_, err = s.intends(old, b)
		refused(t, err, problem.SuccessionPending) // replaced is replaced
		vouchers, err := s.intends(old, c)
		if err != nil || len(vouchers) != 3 {
			t.Fatal("the same intent again:", err)
		}
		s.succeeds(old, c, vouchers)
		s.done(c.ShowRow(t.Context()))
		vouchers, err = s.intends(old, d)
		refused(t, err, problem.SuccessionPending)
		if vouchers != nil {
			t.Error("vouchers with a refusal")
		}
		s.counts(old, 0, 0, "active")
		s.clock.forward(24*time.Hour + time.Second)
		s.permitted(c)
		vouchers, err = s.intends(old, d) // c is of yesterday
		s.done(err)
		if _, err := c.Login(t.Context(), newPIN, none); err == nil {
			t.Error("a replaced successor logs in")
		} else {
			refused(t, err, problem.LoginRefused)
		}
		s.counts(c, 0, 0, "revoked")
		refused(t, c.ShowRow(t.Context()), problem.RowRefused)
		s.known(c, 1, 2, 3)
		s.logsIn(old)
		s.succeeds(old, d, vouchers)
		s.done(d.ShowRow(t.Context()))
		s.logsInWith(d, newPIN)
		s.counts(old, 0, 0, "revoked")
	})
}

// TestIntentsAtOnceMakeOneSuccessor: of many parallel logins that intend another
// device each, one is pending in the end, and none of the others makes a row.
func TestIntentsAtOnceMakeOneSuccessor(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		old := s.Person(t, alice, right)
		s.permitted(old)
		var next []*logintest.Person
		for range 4 {
			next = append(next, s.newDevice(alice))
		}
		errs := all(len(next), func(i int) error {
			_, err := old.At(s.URL()).Login(t.Context(), right, mpin.NewDevice(next[i].Device.Hash()))
			return err
		})
		if n := count(errs, nil) + count(errs, problem.SuccessionPending); n != len(next) {
			t.Fatal(errs)
		}
		made := 0
		for _, p := range next {
			switch err := s.show(p, s.states(p, nil, 1, 2), nil); {
			case err == nil:
				made++
			default:
				refused(t, err, problem.RowRefused)
			}
		}
		if made != 1 {
			t.Errorf("%d successors have a row", made)
		}
	})
}

// TestDeviceInUseIsNobodysSuccessor: nor is a revoked one, nor the one that logs in.
func TestDeviceInUseIsNobodysSuccessor(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	old, used, gone := s.Person(t, alice, right), s.Person(t, alice, right), s.Person(t, alice, right)
	s.logsIn(used)
	hash := gone.Device.Hash()
	if _, err := s.Operator().Revoke(t.Context(), gone.Name, &hash); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*logintest.Person{used, gone} {
		_, err := s.intends(old, p)
		refused(t, err, problem.SuccessionPending)
	}
	_, err := s.intends(old, old)
	refused(t, err, problem.Malformed)
	s.logsIn(old)
	s.logsIn(used)
	s.counts(gone, 0, 0, "revoked")
	s.counts(old, 0, 0, "active")
}

// TestRevokedNameHasNoSuccessor: a PIN change that is under way ends with the
// device that began it.
func TestRevokedNameHasNoSuccessor(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"device", "name"} {
		t.Run(which, func(t *testing.T) {
			s := newStage(t, nil)
			old, next := s.Person(t, alice, right), s.newDevice(alice)
			_, err := s.intends(old, next)
			s.done(err)
			device := new(identity.DeviceHash)
			if *device = old.Device.Hash(); which == "name" {
				device = nil
			}
			r, err := s.Operator().Revoke(t.Context(), old.Name, device)
			if err != nil || r.Devices != 2 {
				t.Errorf("revoked %+v, %v", r, err)
			}
			s.done(s.show(next, s.states(next, nil, 1, 2), nil))
			s.counts(next, 0, 0, "revoked")
			again, err := s.Operator().Revoke(t.Context(), old.Name, device)
			if err != nil || again.Devices != 0 {
				t.Errorf("revoked again %+v, %v", again, err)
			}
		})
	}
}

// TestNoticesWaitForAuthorities: one that is down when a device is revoked is told
// later, also by a server that was restarted, and also of a revocation by the
// operator.
func TestNoticesWaitForAuthorities(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		p := s.Person(t, alice, right)
		s.logsIn(p)
		away := s.domain.Members[2]
		s.done(away.Stop())
		if _, err := s.Operator().Revoke(t.Context(), p.Name, nil); err != nil {
			t.Fatal(err)
		}
		s.known(p, 1, 2)
		s.eventually("one notice waits", func() bool {
			status, err := s.Operator().Status(t.Context())
			s.done(err)
			return status.Notices == 1
		})
		if n := s.metric("milagro_notices_waiting"); n != 1 {
			t.Errorf("%v notices wait, say the metrics", n)
		}
		s.done(s.Restart(t.Context()))
		s.done(away.Start(t.Context()))
		if s.knows(p, 3) {
			t.Fatal("it knew before it was told")
		}
		s.clock.forward(time.Minute)
		s.known(p, 3)
		s.eventually("no notice waits", func() bool {
			status, err := s.Operator().Status(t.Context())
			s.done(err)
			return status.Notices == 0
		})
		_, err := p.Client.Apply(t.Context(), s.permit(p))
		if err == nil || !strings.Contains(err.Error(), problem.Revoked.Error()) {
			t.Errorf("a permit after the notice: %v", err)
		}
	})
}

// permit asks for the next epoch's permit.
func (s *stage) permit(p *logintest.Person) dta.Application {
	s.t.Helper()
	published, site, err := s.Site()
	s.done(err)
	epoch, err := p.Epoch()
	s.done(err)
	return dta.Application{Domain: published, Signer: p.Signer, Now: s.Now,
		Key: identity.Key{Purpose: identity.Permit, Service: site.ID, Name: p.Name, Epoch: epoch.Next()}}
}
