package login_test

import (
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

// states returns what authorities would state of a device's enrolment, each after
// edit, which may be nil, has changed it.
func (s *stage) states(p *logintest.Person, edit func(*dta.Statement), indices ...uint32) (signed [][]byte) {
	s.t.Helper()
	published, site, err := s.Site()
	s.done(err)
	service, _ := published.Document.ServiceByID(site.ID)
	for _, index := range indices {
		e := dta.Statement{Domain: site.Domain, Generation: service.Generation, Index: index, Purpose: identity.MPin, Service: site.ID,
			Name: p.Name, Device: p.Device.Hash(), Time: s.Now()}
		if edit != nil {
			edit(&e)
		}
		signed = append(signed, e.Sign(stolenSigner(s.t, s.domain.Members[index-1])))
	}
	return signed
}

// show sends a request for a row, after edit has changed it.
func (s *stage) show(p *logintest.Person, statements [][]byte, edit func(*mpin.RowRequest)) error {
	s.t.Helper()
	_, site, err := s.Site()
	s.done(err)
	q, err := site.SignRow(p.Signer, s.Now(), statements)
	s.done(err)
	if edit != nil {
		edit(&q)
	}
	return p.Client.Row(s.t.Context(), p.URL, q)
}

func (s *stage) newDevice(name string) *logintest.Person {
	s.t.Helper()
	p, err := s.NewDevice(name)
	s.done(err)
	return p
}

// TestRowNeedsTStatements: whoever has the keys of t−1 authorities makes what he
// likes of them, and gets no row.
func TestRowNeedsTStatements(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p, q := s.newDevice(alice), s.newDevice(bob)
	_, stranger, err := ed25519.GenerateKey(nil)
	s.done(err)
	join := func(parts ...[][]byte) [][]byte { return slices.Concat(parts...) }
	one := s.states(p, nil, 1)
	forged := func(edit func(*dta.Statement)) [][]byte { return join(one, s.states(p, edit, 2)) }
	alone := func(edit func(*dta.Statement)) [][]byte { return s.states(p, edit, 1, 2) }
	published, site, err := s.Site()
	s.done(err)
	elsewhere := dta.Statement{Domain: site.Domain, Generation: published.Document.Services()[0].Generation, Index: 2, Purpose: identity.MPin,
		Service: site.ID, Name: p.Name, Device: p.Device.Hash(), Time: s.Now()}.Sign(stranger)
	for what, statements := range map[string][][]byte{
		"none":                            nil,
		"t−1":                             one,
		"one twice":                       join(one, one),
		"the same, signed again":          join(one, s.states(p, func(e *dta.Statement) { e.Time++ }, 1)),
		"one of a stranger":               join(one, [][]byte{elsewhere}),
		"one of an authority for another": {one[0], s.states(p, func(e *dta.Statement) { e.Index = 3 }, 2)[0]},
		"in another order":                s.states(p, nil, 2, 1),
		"garbage":                         {[]byte("statement"), []byte("statement")},
		"empty ones":                      {nil, nil},
		"another's name in one":           forged(func(e *dta.Statement) { e.Name = q.Name }),
		"another device in one":           forged(func(e *dta.Statement) { e.Device = q.Device.Hash() }),
		"another kind in one":             forged(func(e *dta.Statement) { e.ChannelKind = 1 }),
		"another generation in one":       forged(func(e *dta.Statement) { e.Generation.Counter++ }),
		"another device":                  alone(func(e *dta.Statement) { e.Device = q.Device.Hash() }),
		"another generation":              alone(func(e *dta.Statement) { e.Generation.Hash[0] ^= 1 }),
		"the public generation":           alone(func(e *dta.Statement) { e.Generation = published.Document.Generation() }),
		"another service":                 alone(func(e *dta.Statement) { e.Service[0] ^= 1 }),
		"another domain":                  alone(func(e *dta.Statement) { e.Domain[0] ^= 1 }),
		"another purpose":                 alone(func(e *dta.Statement) { e.Purpose = identity.Permit }),
		"a channel's purpose":             alone(func(e *dta.Statement) { e.Purpose, e.Service = identity.Channel, identity.ServiceID{} }),
		"a kind there is not":             alone(func(e *dta.Statement) { e.ChannelKind = 2 }),
		"a name of another domain":        alone(func(e *dta.Statement) { e.Name = mustName(t, "acct:alice@example.net") }),
	} {
		refusedAs(t, what, s.show(p, statements, nil), problem.RowRefused)
	}
	good := s.states(p, nil, 1, 3)
	for what, c := range map[string]struct {
		kind problem.Kind
		edit func(*mpin.RowRequest)
	}{
		"signed by another device": {problem.Possession, func(r *mpin.RowRequest) { r.Device = q.Device.Bytes() }},
		"no signature":             {problem.Possession, func(r *mpin.RowRequest) { r.Signature = nil }},
		"another time":             {problem.Possession, func(r *mpin.RowRequest) { r.Time++ }},
		"another list":             {problem.Possession, func(r *mpin.RowRequest) { r.Statements = s.states(p, nil, 1, 2) }},
		"no device":                {problem.Malformed, func(r *mpin.RowRequest) { r.Device = nil }},
		"too many":                 {problem.Malformed, func(r *mpin.RowRequest) { r.Statements = make([][]byte, 17) }},
	} {
		refusedAs(t, what, s.show(p, good, c.edit), c.kind)
	}
	for _, away := range []time.Duration{-302 * time.Second, 302 * time.Second} {
		err := s.show(p, good, func(r *mpin.RowRequest) {
			*r, _ = site.SignRow(p.Signer, uint64(s.clock.Now().Add(away).Unix()), good)
		})
		refusedAs(t, "made "+away.String()+" from now", err, problem.StaleTime)
	}
	if s.device(p).Name != "" || s.device(q).Name != "" {
		t.Error("a row was made")
	}
	s.done(s.show(p, good, nil))
	s.counts(p, 0, 0, "active")
}

func refusedAs(t *testing.T, what string, err error, kind problem.Kind) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), kind.Error()) {
		t.Errorf("%s: %v, want %q", what, err, string(kind))
	}
}

func mustName(t testing.TB, s string) identity.Name {
	t.Helper()
	name, err := identity.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestStatementsShownAgainChangeNothing: they lower no count, open no lock and
// revive nobody.
func TestStatementsShownAgainChangeNothing(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		p := s.Person(t, alice, right)
		s.fails(p, wrong)
		before := s.device(p)
		for range 2 {
			s.clock.forward(time.Minute)
			s.done(p.ShowRow(t.Context()))
			s.done(s.show(p, s.states(p, func(e *dta.Statement) { e.ChannelKind = 1 }, 2, 3), nil))
			if after := s.device(p); after != before {
				t.Errorf("was %+v, is %+v", before, after)
			}
		}
		for range 4 {
			s.fails(p, wrong)
		}
		s.done(p.ShowRow(t.Context()))
		s.counts(p, 5, 5, "locked")
		s.fails(p, right)
		revoked, err := s.Operator().Revoke(t.Context(), p.Name, nil)
		if err != nil || revoked.Devices != 1 {
			t.Fatal(revoked, err)
		}
		s.done(p.ShowRow(t.Context()))
		s.counts(p, 5, 5, "revoked")
		s.fails(p, right)
	})
}

// TestRowsAreMadeByManyAtOnce: one request makes the row.
func TestRowsAreMadeByManyAtOnce(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newStage(t, engine)
		p := s.newDevice(alice)
		s.done(p.Register(t.Context(), right))
		if errs := all(32, func(int) error { return p.ShowRow(t.Context()) }); count(errs, nil) != 32 {
			t.Error(other(errs, nil))
		}
		s.logsIn(p)
		s.audited(p, "accepted", "row-made")
	})
}

// TestRefusedRowsAreAudited: under the name that an authority has vouched for.
func TestRefusedRowsAreAudited(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.newDevice(alice)
	refused(t, s.show(p, s.states(p, nil, 2), nil), problem.RowRefused)
	s.audited(p, "row-refused")
	refused(t, s.show(p, [][]byte{[]byte("x")}, nil), problem.RowRefused)
	s.audited(p, "row-refused")
}

// TestStaleRowTellsTheTime: a device whose clock is wrong learns it.
func TestStaleRowTellsTheTime(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.newDevice(alice)
	_, site, err := s.Site()
	s.done(err)
	q, err := site.SignRow(p.Signer, s.Now()-1000, nil)
	s.done(err)
	body, err := json.Marshal(q)
	s.done(err)
	response, err := http.Post(s.URL()+"/v1/mpin/row", "application/json", strings.NewReader(string(body)))
	s.done(err)
	defer response.Body.Close()
	refusal, err := problem.Read(response)
	if err != nil || refusal.Kind != problem.StaleTime || refusal.Time < s.Now()-5 || refusal.Time > s.Now()+5 {
		t.Errorf("%+v, %v", refusal, err)
	}
	io.Copy(io.Discard, response.Body)
}
