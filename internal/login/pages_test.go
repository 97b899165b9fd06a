package login_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

// browsing has a person speak as the pages do: to the login server's origin alone.
func (s *stage) browsing(p *logintest.Person) *logintest.Person {
	p.Client = &dta.Client{HTTP: &http.Client{Transport: relays{s}}}
	return p
}

// TestWhatAProxyAltersIsRefused: of a login through the pages' calls each field counts,
// altered on its way in the first message or in the second; none costs a guess.
func TestWhatAProxyAltersIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, withOpenID)
	p, other := s.browsing(s.Person(t, alice, right)), s.Person(t, bob, right)
	ctx := t.Context()
	foreign := begun(t, other, right)
	for what, alter := range map[string]func(*mpin.BeginRequest){
		"name":   func(q *mpin.BeginRequest) { q.Name = other.Name },
		"device": func(q *mpin.BeginRequest) { q.Device = other.Device.Bytes() },
		"u":      func(q *mpin.BeginRequest) { q.U = foreign.Attempt.Commitment().Bytes() },
		"intent": func(q *mpin.BeginRequest) { q.Intent = mpin.NewDevice(other.Device.Hash()).Bytes() },
	} {
		a, err := p.Prepare(ctx, right, none)
		s.done(err)
		q := a.Request()
		alter(&q)
		a.Answer, err = p.Client.BeginLogin(ctx, p.URL, q)
		s.done(err)
		_, err = a.Finish(ctx)
		refused(t, err, problem.Possession)
		if err == nil {
			t.Errorf("another %s is taken", what)
		}
	}
	for what, alter := range map[string]func(*mpin.FinishRequest){
		"v of another":         func(q *mpin.FinishRequest) { q.V = proved(t, foreign).V },
		"signature":            func(q *mpin.FinishRequest) { q.Signature[7] ^= 1 },
		"session of another":   func(q *mpin.FinishRequest) { q.Session = begun(t, other, right).Answer.Session },
		"session that is none": func(q *mpin.FinishRequest) { q.Session[0] ^= 1 },
	} {
		q := proved(t, begun(t, p, right))
		alter(&q)
		if _, err := p.Client.FinishLogin(ctx, p.URL, q); what == "session that is none" {
			refused(t, err, problem.SessionUnknown)
		} else {
			refused(t, err, problem.Possession)
		}
	}
	s.counts(p, 0, 0, "active")
	s.counts(other, 0, 0, "active")
	s.logsIn(p)
}

// TestStolenBrowserLogsInNowhere: whoever has all that a browser keeps, and can use its
// device key, but not the PIN, gets permits by the pages' calls and nothing that logs
// in: no second token, no new device, no look at the others.
func TestStolenBrowserLogsInNowhere(t *testing.T) {
	t.Parallel()
	s := newHouse(t, withOpenID, nil)
	p, i := s.invited(alice)
	s.browsing(p)
	s.done(p.EnrolInvited(t.Context(), right, i))
	s.done(p.ShowRow(t.Context()))
	shown := s.logsIn(p).Statement
	r := s.relyingParty()
	if status, _ := r.shows(r.begins().Query().Get("request"), shown); status != http.StatusOK {
		t.Fatal(status)
	}
	s.clock.forward(6 * time.Minute) // statements are good for five
	ctx := t.Context()
	epoch, err := p.Epoch()
	s.done(err)
	permit, err := p.Permit(ctx, epoch)
	s.done(err)
	token, now := parseG1(t, p.Token.Expose()), parseG1(t, permit.Expose())
	for what, key := range map[string]g1{"token and permit": token.Add(now), "token": token, "permit": now} {
		if err := s.answerWith(t, p, key); err == nil {
			t.Errorf("%s log in", what)
		} else {
			refused(t, err, problem.LoginRefused)
		}
	}
	_, site, err := s.Site()
	s.done(err)
	_, err = p.Client.Vouchers(ctx, i, site.ID, p.Signer)
	refused(t, err, problem.InvitationRefused)
	published, _, err := s.Site()
	s.done(err)
	_, err = p.Client.Apply(ctx, dta.Application{Domain: published, Signer: p.Signer, Now: s.Now, Key: identity.Key{Purpose: identity.MPin, Service: site.ID, Name: p.Name}})
	refused(t, err, problem.AlreadyEnrolled)
	s.done(p.ShowRow(ctx)) // shown again it changes nothing
	for _, statement := range []string{shown, ""} {
		for path, body := range map[string]string{"/v1/me/devices/remove": `{"device":"` + p.Device.Hash().String() + `"}`, "/v1/me/devices/label": `{"label":"mine"}`} {
			q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+path, strings.NewReader(body))
			s.done(err)
			q.Header.Set("Content-Type", "application/json")
			q.Header.Set("Authorization", "Bearer "+statement)
			response, err := http.DefaultClient.Do(q)
			s.done(err)
			response.Body.Close()
			if response.StatusCode != http.StatusForbidden {
				t.Errorf("%s with the statement %.10q: %s", path, statement, response.Status)
			}
		}
	}
	if status, _ := s.relyingParty().shows("x", shown); status != http.StatusForbidden {
		t.Errorf("the statement of before signs in: %d", status)
	}
	s.counts(p, 3, 3, "active")
}

// TestPINChangeThroughThePagesCallsTellsNoPIN: the browser's calls at a PIN change make
// another device of another point; who has copied both, and the permits of both, has no
// key in whatever way they are put together.
func TestPINChangeThroughThePagesCallsTellsNoPIN(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	old, next := s.browsing(s.Person(t, alice, right)), s.browsing(s.newDevice(alice))
	vouchers, err := s.intends(old, next)
	s.done(err)
	s.succeeds(old, next, vouchers)
	s.done(next.ShowRow(t.Context()))
	s.logsInWith(next, newPIN)
	s.fails(old, right)
	epoch, err := next.Epoch()
	s.done(err)
	permit, err := next.Permit(t.Context(), epoch)
	s.done(err)
	before, err := old.Permit(t.Context(), epoch) // of the copy from before the change
	s.done(err)
	first, second := parseG1(t, old.Token.Expose()), parseG1(t, next.Token.Expose())
	a, b := parseG1(t, before.Expose()), parseG1(t, permit.Expose())
	for what, key := range map[string]g1{
		"the new token and permit":      second.Add(b),
		"the old token, the new permit": first.Add(b),
		"the old token and permit":      first.Add(a),
		"twice the new less the old":    second.Add(second).Add(first.Neg()).Add(b),
		"the old, moved by the permits": first.Add(a.Neg()).Add(b).Add(b),
	} {
		if err := s.answerWith(t, next, key); err == nil {
			t.Errorf("%s log in", what)
		} else {
			refused(t, err, problem.LoginRefused)
		}
		_, err := s.Operator().Unlock(t.Context(), next.Name, nil)
		s.done(err)
	}
	if first.Equal(second) {
		t.Error("both tokens are of one point and one PIN")
	}
	s.logsInWith(next, newPIN)
}
