package login_test

import (
	"crypto/ed25519"
	"net/http"
	"os"
	"strings"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
	"milagro.dev/mpin"
)

// revise publishes the next document, in which edit has changed the service, or has
// taken it out by returning false. The authorities would agree to none of these:
// two of them were broken into.
func (s *stage) revise(edit func(*dta.Service) bool) {
	s.t.Helper()
	d := s.domain.Published.Document
	hash := d.Hash()
	f := dta.Fields{Domain: d.Domain(), Master: d.Master(), Revision: d.Revision() + 1, Predecessor: hash[:], Threshold: uint32(d.Threshold()),
		Generation: d.Generation(), Authorities: d.Authorities(), Schedules: map[identity.Purpose]identity.Schedule{}, Suites: d.Suites(), Flags: d.Flags()}
	for _, purpose := range []identity.Purpose{identity.Channel, identity.Decrypt, identity.Permit} {
		f.Schedules[purpose], _ = d.Schedule(purpose)
	}
	service := s.service
	if edit(&service) {
		f.Services = []dta.Service{service}
	}
	document, err := dta.NewDocument(f)
	s.done(err)
	shares := map[uint32][]byte{}
	for i, m := range s.domain.Members[:2] {
		shares[uint32(i+1)] = stolenShare(s.t, m, d.Generation()).Issue(document.Point()).Expose()
	}
	signature, _, err := document.CombineSignature(document.Point(), shares)
	s.done(err)
	for _, m := range s.domain.Members {
		s.done((&dta.Client{}).DeliverDocument(s.t.Context(), m.URL(), document, signature))
	}
	s.domain.Published = &dta.Published{Document: document, Signature: signature}
	s.done(s.domain.AwaitStamp(s.t.Context()))
}

// unfit waits until nobody can log in because of why, and checks what is answered
// meanwhile.
func (s *stage) unfit(p *logintest.Person, why string, begin problem.Kind) {
	s.t.Helper()
	s.done(s.AwaitFault(s.t.Context(), func(body string) bool { return strings.Contains(body, why) }))
	q := s.request
	_, err := p.Client.BeginLogin(s.t.Context(), p.URL, q)
	refused(s.t, err, begin)
	_, err = p.Client.FinishLogin(s.t.Context(), p.URL, s.open)
	refused(s.t, err, problem.Unavailable)
	if status, err := s.Operator().Status(s.t.Context()); err != nil || status.Ready || !strings.Contains(status.Why, why) {
		s.t.Errorf("status %+v, %v", status, err)
	}
	if s.metric("milagro_server_key") != 0 {
		s.t.Error("the metrics say that logins are served")
	}
}

// TestDocumentDecidesWhoServes: a document that does not list the service, or lists
// it with another key, origin, master or generation, stops its logins; the server
// says why, and serves again as soon as the document is right.
func TestDocumentDecidesWhoServes(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.service = s.domain.Published.Document.Services()[0]
	p := s.Person(t, alice, right)
	s.permitted(p)
	again := func(e *dta.Service) bool { return true }
	public, _, err := ed25519.GenerateKey(nil)
	s.done(err)
	for _, c := range []struct {
		why   string
		begin problem.Kind
		edit  func(*dta.Service) bool
	}{
		{"lists no service", problem.Unavailable, func(*dta.Service) bool { return false }},
		{"another login server's key", problem.Unavailable, func(e *dta.Service) bool { e.LoginKey = public; return true }},
		{"this login server is for", problem.Unavailable, func(e *dta.Service) bool { e.Origin = "https://elsewhere.example.org"; return true }},
		{"not of generation 2", problem.Unavailable, func(e *dta.Service) bool { e.Generation.Counter = 2; return true }},
		{"of another service or generation", problem.ServiceUnknown, anotherMaster(t)},
		{"lists no service", problem.Unavailable, func(e *dta.Service) bool { e.Name = "another"; return true }},
	} {
		s.open, s.request = proved(t, begun(t, p, right)), begun(t, p, right).Request()
		s.revise(c.edit)
		s.unfit(p, c.why, c.begin)
		if c.why == "not of generation 2" {
			s.done(s.AwaitFault(t.Context(), func(body string) bool {
				return strings.Contains(body, "0 of 2 shares") && strings.Contains(body, "authority 1: ")
			}))
		}
		s.done(s.Stop())
		s.done(s.Start(t.Context()))
		s.unfit(p, c.why, c.begin)
		s.revise(again)
		s.done(s.AwaitReady(t.Context()))
		if _, err := p.Client.FinishLogin(t.Context(), p.URL, s.open); err != nil {
			t.Errorf("the session from before: %v", err)
		}
		s.logsIn(p)
	}
	s.counts(p, 0, 0, "active")
}

// anotherMaster gives a service the public values of a master that nobody made here.
func anotherMaster(t *testing.T) func(*dta.Service) bool {
	poly := vss.NewPolynomial(2)
	master, err := keys.ParsePinMaster(poly.At(0).G1().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return func(e *dta.Service) bool {
		e.Master, e.Public = master, []pairing.G1{poly.At(1).G1(), poly.At(2).G1(), poly.At(3).G1()}
		return true
	}
}

// TestAnotherServiceIsUnknown: who logs in elsewhere is told, whatever else is
// wrong with the request.
func TestAnotherServiceIsUnknown(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	a := begun(t, p, right)
	q := a.Request()
	q.Service[0] ^= 1
	q.Epoch = identity.EpochAt(1, 60).Bytes()
	_, err := p.Client.BeginLogin(t.Context(), p.URL, q)
	refused(t, err, problem.ServiceUnknown)
}

// TestNamesOfOtherDomainsAreRefused before anything is looked up.
func TestNamesOfOtherDomainsAreRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	q := begun(t, p, right).Request()
	q.Name = mustName(t, "acct:alice@example.net")
	_, err := p.Client.BeginLogin(t.Context(), p.URL, q)
	refused(t, err, problem.NameRefused)
}

// TestLoginsGoOnWithoutAuthorities: they are needed for permits alone.
func TestLoginsGoOnWithoutAuthorities(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.permitted(p)
	for _, m := range s.domain.Members {
		s.done(m.Stop())
	}
	s.logsIn(p)
	s.done(s.Restart(t.Context()))
	s.logsIn(p)
	s.fails(p, wrong)
}

// TestServerWithoutADomainWaits: it comes up, says what is missing, and serves once
// the domain is pinned, by any process.
func TestServerWithoutADomainWaits(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.permitted(p)
	s.done(s.Stop())
	w, err := s.Wallet()
	s.done(err)
	s.done(os.RemoveAll(w.Dir() + "/domains"))
	s.done(s.Start(t.Context()))
	s.done(s.AwaitFault(t.Context(), func(body string) bool { return strings.Contains(body, "no domain is pinned yet") }))
	_, err = p.Login(t.Context(), right, mpin.Intent{})
	if err == nil {
		t.Error("a login without a domain")
	}
	if response, err := http.Get(s.URL() + "/healthz"); err != nil || response.StatusCode != http.StatusOK {
		t.Error("not alive:", err)
	}
	if w, err = s.Wallet(); err != nil {
		t.Fatal(err)
	}
	d := s.domain.Published.Document
	if _, err := w.Pin(t.Context(), d.Authorities()[1].URL, d.ID()); err != nil {
		t.Fatal(err)
	}
	s.done(s.AwaitReady(t.Context()))
	s.logsIn(p)
}
