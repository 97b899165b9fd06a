package authority_test

import (
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// keyAsked is a request for a share of the server key with what opens its answer.
type keyAsked struct {
	dta.ServerKeyRequest
	signed []byte
	key    hpke.PrivateKey
	to     dta.Authority
	login  dta.Service
}

// askKey returns the login server's request to an authority, after edit changed it.
func (s *loginServer) askKey(t testing.TB, d *authoritytest.Domain, index uint32, edit func(*dta.ServerKeyRequest)) *keyAsked {
	t.Helper()
	key, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	document, login := d.Published.Document, service(t, d, s.card.Service)
	a := &keyAsked{key: key, login: login}
	a.to, _ = document.Authority(index)
	a.ServerKeyRequest = dta.ServerKeyRequest{Domain: document.ID(), Service: document.ServiceID(login), Generation: login.Generation,
		Index: index, ReplyKey: key.PublicKey(), Time: d.Now()}
	rand.Read(a.Nonce[:])
	if edit != nil {
		edit(&a.ServerKeyRequest)
	}
	a.signed = a.Sign(s.key)
	return a
}

func (a *keyAsked) send(t testing.TB) ([]byte, error) {
	t.Helper()
	return new(dta.Client).LoginKey(t.Context(), a.to.URL, a.signed)
}

// open verifies the share in an answer.
func (a *keyAsked) open(t testing.TB, sealed []byte) keys.ServerShare {
	t.Helper()
	share, err := a.OpenServerShare(a.to, a.login, a.key, a.signed, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return share
}

// delivered returns how many shares of the server key an authority has delivered.
func delivered(t testing.TB, m *authoritytest.Member) int {
	t.Helper()
	s, err := m.Service(t.Context(), "login")
	if err != nil {
		t.Fatal(err)
	}
	return s.Delivered
}

func TestLoginServerGetsItsKey(t *testing.T) {
	d := twoOfThree(t, at(noon()))
	s := withLogin(t, d, "login")
	if err := d.ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	var shares []keys.ServerShare
	for index := range uint32(3) {
		q := s.askKey(t, d, index+1, nil)
		sealed, err := q.send(t)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, q.open(t, sealed))
	}
	for _, pair := range [][]keys.ServerShare{{shares[0], shares[1]}, {shares[1], shares[2]}, {shares[2], shares[0]}} {
		key, err := keys.CombineServer(2, pair)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Verify(service(t, d, "login").Master); err != nil {
			t.Error(err)
		}
	}
}

func TestServerKeyNeedsTwoOperators(t *testing.T) {
	c := at(noon())
	d, s := loginDomain(t, c)
	m := d.Members[0]
	operators, err := m.Operators(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state, err := m.Service(t.Context(), "login")
	if err != nil {
		t.Fatal(err)
	}
	approve := func(who, want int) {
		t.Helper()
		if a, err := m.Operator().Approve(t.Context(), operators[who], state); err != nil || a.Approved != want || a.Service != "login" {
			t.Fatalf("%+v, %v, want %d", a, err, want)
		}
	}
	deny := func() {
		t.Helper()
		_, err := s.askKey(t, d, 1, nil).send(t)
		refused(t, err, problem.NotApproved)
	}
	deny()
	approve(0, 1)
	deny()
	c.forward(2 * time.Second)
	approve(0, 1) // the same person again
	deny()
	approve(1, 2)
	q := s.askKey(t, d, 1, nil)
	first, err := q.send(t)
	if err != nil {
		t.Fatal(err)
	}
	q.open(t, first)
	again, err := q.send(t)
	if err != nil {
		t.Fatal(err)
	}
	same(t, first, again)
	deny() // the approvals are spent
	c.forward(2 * time.Second)
	approve(1, 1)
	deny()
	approve(0, 2)
	if _, err := s.askKey(t, d, 1, nil).send(t); err != nil {
		t.Error(err)
	}
	if n := delivered(t, m); n != 2 {
		t.Errorf("%d deliveries", n)
	}
}

// TestApprovalsOfDeliveryAreForOneServiceAndSevenDays also shows that those of
// one authority are nothing at another.
func TestApprovalsOfDeliveryAreForOneServiceAndSevenDays(t *testing.T) {
	c := at(noon())
	d, s := loginDomain(t, c)
	door := withLogin(t, d, "door")
	if err := d.Members[0].ApproveLogin(t.Context(), "door"); err != nil {
		t.Fatal(err)
	}
	_, err := s.askKey(t, d, 1, nil).send(t)
	refused(t, err, problem.NotApproved)
	_, err = door.askKey(t, d, 2, nil).send(t)
	refused(t, err, problem.NotApproved)
	week := 7 * 24 * time.Hour
	c.forward(week + time.Minute)
	restamp(t, d)
	_, err = door.askKey(t, d, 1, nil).send(t)
	refused(t, err, problem.NotApproved)
	if status := statusOf(t, d.Members[0]); len(status.Approvals) != 0 {
		t.Errorf("they wait still: %+v", status.Approvals)
	}
	if err := d.Members[0].ApproveLogin(t.Context(), "door"); err != nil {
		t.Fatal(err)
	}
	c.forward(week - time.Minute)
	restamp(t, d)
	if _, err := door.askKey(t, d, 1, nil).send(t); err != nil {
		t.Error(err)
	}
}

// restamp has the authorities stamp their document for a day to which the clock was
// set: they look for it when they begin.
func restamp(t testing.TB, d *authoritytest.Domain) {
	t.Helper()
	for _, m := range d.Members {
		if err := m.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.AwaitStamp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestServerKeyRequestsThatServeNobodyAreRefused breaks one field a time, with the
// approvals there.
func TestServerKeyRequestsThatServeNobodyAreRefused(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	door := withLogin(t, d, "door")
	if err := d.ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	edited := func(edit func(*dta.ServerKeyRequest)) []byte { return s.askKey(t, d, 1, edit).signed }
	good := s.askKey(t, d, 1, nil)
	altered := s.askKey(t, d, 1, nil).signed
	altered[len(altered)-1] ^= 1
	lowOrder := func(q *dta.ServerKeyRequest) {
		b := q.ReplyKey.Bytes()
		clear(b[len(b)-32:])
		low, err := hpke.MLKEM768X25519().NewPublicKey(b)
		if err != nil {
			t.Fatal(err)
		}
		q.ReplyKey = low
	}
	for what, c := range map[string]struct {
		kind   problem.Kind
		signed []byte
	}{
		"another service's key": {problem.Forbidden, good.Sign(door.key)},
		"an authority's key":    {problem.Forbidden, good.Sign(stolen(t, d.Members[0]))},
		"altered":               {problem.Forbidden, altered},
		"another domain":        {problem.Forbidden, edited(func(q *dta.ServerKeyRequest) { q.Domain[0]++ })},
		"an unknown service":    {problem.ServiceUnknown, edited(func(q *dta.ServerKeyRequest) { q.Service[0]++ })},
		"generation":            {problem.WrongGeneration, edited(func(q *dta.ServerKeyRequest) { q.Generation.Counter++ })},
		"public generation":     {problem.WrongGeneration, edited(func(q *dta.ServerKeyRequest) { q.Generation = d.Published.Document.Generation() })},
		"another authority":     {problem.WrongAuthority, edited(func(q *dta.ServerKeyRequest) { q.Index = 2 })},
		"no authority":          {problem.WrongAuthority, edited(func(q *dta.ServerKeyRequest) { q.Index = 0 })},
		"past":                  {problem.StaleTime, edited(func(q *dta.ServerKeyRequest) { q.Time -= 305 })},
		"future":                {problem.StaleTime, edited(func(q *dta.ServerKeyRequest) { q.Time += 305 })},
		"the last time":         {problem.StaleTime, edited(func(q *dta.ServerKeyRequest) { q.Time = ^uint64(0) })},
		"reply key":             {problem.Malformed, edited(lowOrder)},
		"a notice":              {problem.Malformed, s.notice(t, newApplicant(t, d, alice)).Sign(s.key)},
		"truncated":             {problem.Malformed, altered[:100]},
	} {
		if _, err := new(dta.Client).LoginKey(t.Context(), d.Members[0].URL(), c.signed); err == nil {
			t.Errorf("%s: delivered", what)
		} else {
			refused(t, err, c.kind)
		}
	}
	if n := delivered(t, d.Members[0]); n != 0 {
		t.Errorf("%d deliveries", n)
	}
	if _, err := good.send(t); err != nil {
		t.Error("the refusals spent the approvals:", err)
	}
}

func TestStaleServerKeyRequestIsToldTheTime(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	q := s.askKey(t, d, 1, func(q *dta.ServerKeyRequest) { q.Time -= 1000 })
	_, err := q.send(t)
	var p *problem.Problem
	if !errors.As(err, &p) || !dta.VerifyTime(q.to, q.Domain, sha256.Sum256(q.signed), p.Time, p.Signature) || p.Time < q.Time+900 {
		t.Errorf("%v", err)
	}
}

func TestServerKeyNeedsAFreshDocument(t *testing.T) {
	c := at(noon())
	d, s := loginDomain(t, c)
	if err := d.Members[1].Stop(); err != nil {
		t.Fatal(err)
	}
	c.forward(9 * 24 * time.Hour)
	if err := d.Members[0].ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	_, err := s.askKey(t, d, 1, nil).send(t)
	refused(t, err, problem.NoStamp)
}

// TestDeliveryIsCommittedBeforeItLeaves crashes the authority as soon as the share
// is here. The same request gets it again, and for another the approvals are gone.
func TestDeliveryIsCommittedBeforeItLeaves(t *testing.T) {
	c := at(noon())
	d, s := loginDomain(t, c)
	if err := d.ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	q := s.askKey(t, d, 1, nil)
	before, err := q.send(t)
	if err != nil {
		t.Fatal(err)
	}
	crash(t, d.Members[0])
	c.forward(23 * time.Hour) // for 24 h: long after its time
	again, err := q.send(t)
	if err != nil {
		t.Fatal(err)
	}
	same(t, before, again)
	q.open(t, again)
	_, err = s.askKey(t, d, 1, nil).send(t)
	refused(t, err, problem.NotApproved)
	if n := delivered(t, d.Members[0]); n != 1 {
		t.Errorf("%d deliveries", n)
	}
	c.forward(2 * time.Hour)
	_, err = q.send(t)
	refused(t, err, problem.StaleTime)
}

// TestTwoRequestsAtOnceGetOneDelivery: the approvals of one are not enough for two.
func TestTwoRequestsAtOnceGetOneDelivery(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	if err := d.ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	const senders = 8
	answers := make(chan error, senders)
	for range senders {
		q := s.askKey(t, d, 1, nil)
		go func() {
			_, err := new(dta.Client).LoginKey(t.Context(), q.to.URL, q.signed)
			answers <- err
		}()
	}
	good := 0
	for range senders {
		if err := <-answers; err == nil {
			good++
		} else {
			refused(t, err, problem.NotApproved)
		}
	}
	if n := delivered(t, d.Members[0]); good != 1 || n != 1 {
		t.Errorf("%d answers, %d deliveries", good, n)
	}
}

// TestNothingOfALoginIsDoneWhenTheDiskIsFull: no key, no share of a server key, no
// notice taken, no approval; all go on when there is room.
func TestNothingOfALoginIsDoneWhenTheDiskIsFull(t *testing.T) {
	if !alone(t) {
		return
	}
	d, s := loginDomain(t, at(noon()))
	a, b := newApplicant(t, d, alice), newApplicant(t, d, alice)
	a.register(t, "login")
	m := d.Members[0]
	if err := d.ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	enrolment := b.request(t, 1, together(b.forLogin(t, "login"), withCode(mustCode(t, d, b.name, "login", 1))))
	permit, key := a.request(t, 1, a.forPermit(t, "login")), s.askKey(t, d, 1, nil)
	before := issued(t, m)
	restored := fullDisk(t, nothingFits)
	for range 2 {
		for _, q := range []*asked{enrolment, permit} {
			_, err := q.send(t.Context())
			refused(t, err, problem.LogUnavailable)
		}
		_, err := key.send(t)
		refused(t, err, problem.LogUnavailable)
		refused(t, s.notify(t, m, a), problem.Unavailable)
		refused(t, m.ApproveLogin(t.Context(), "login"), problem.Unavailable)
	}
	if after := issued(t, m); after != before || delivered(t, m) != 0 {
		t.Errorf("%d shares issued, %d delivered", after-before, delivered(t, m))
	}
	restored()
	for _, q := range []*asked{enrolment, permit} {
		sealed, err := q.send(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		q.open(t, sealed)
	}
	sealed, err := key.send(t)
	if err != nil {
		t.Fatal(err)
	}
	key.open(t, sealed)
	if err := s.notify(t, m, a); err != nil {
		t.Error(err)
	}
}

// TestClockBehindTheLogDeliversNothing: who set the clock back cannot make a
// delivery look older than what was issued.
func TestClockBehindTheLogDeliversNothing(t *testing.T) {
	c := at(noon())
	d, s := loginDomain(t, c)
	a := newApplicant(t, d, alice)
	c.forward(time.Hour)
	a.register(t, "login")
	c.forward(-time.Hour)
	if err := d.Members[0].ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	_, err := s.askKey(t, d, 1, nil).send(t)
	refused(t, err, problem.Unavailable)
	if n := delivered(t, d.Members[0]); n != 0 {
		t.Errorf("%d deliveries", n)
	}
}

// TestServiceWithoutItsShareDeliversNothing, and other services go on.
func TestServiceWithoutItsShareDeliversNothing(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	withLogin(t, d, "door")
	if err := d.ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	m, login, door := d.Members[0], service(t, d, "login"), service(t, d, "door")
	path := shareFile(m, login.Generation)
	whole := fileAt(t, path)
	protector, err := custody.FromKeyFile(m.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := protector.Seal(stolenShare(t, d.Members[1], login.Generation).Expose(), sharePurpose(login.Generation))
	if err != nil {
		t.Fatal(err)
	}
	for why, put := range map[string][]byte{"not here": nil, "damaged": whole[:100], "of another service": fileAt(t, shareFile(m, door.Generation)),
		"of another authority": foreign} {
		swap(t, m, path, put)
		_, err := s.askKey(t, d, 1, nil).send(t)
		refused(t, err, problem.Unavailable)
		a := newApplicant(t, d, alice)
		refused(t, a.ask(t, 1, together(a.forLogin(t, "login"), withCode(mustCode(t, d, a.name, "login", 1)))), problem.Unavailable)
		if err := a.ask(t, 1, together(a.forLogin(t, "door"), withCode(mustCode(t, d, a.name, "door", 1)))); err != nil {
			t.Errorf("%s: the other service: %v", why, err)
		}
		if state, err := m.Service(t.Context(), "login"); err != nil || state.Why == "" {
			t.Errorf("%s: nothing is said of it: %+v, %v", why, state, err)
		}
	}
	swap(t, m, path, whole)
	if _, err := s.askKey(t, d, 1, nil).send(t); err != nil {
		t.Error(err)
	}
}

// TestServerKeyIsDeliveredToThePinnedCardAlone: a card that the plan did not pin is
// of nobody here, whatever it says of itself.
func TestServerKeyIsDeliveredToThePinnedCardAlone(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	if err := d.ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	imposter := newLoginServer(t, "login")
	_, err := imposter.askKey(t, d, 1, nil).send(t)
	refused(t, err, problem.Forbidden)
	_, err = imposter.askKey(t, d, 1, func(q *dta.ServerKeyRequest) { q.Service = identity.ServiceID{1} }).send(t)
	refused(t, err, problem.ServiceUnknown)
	if _, err := s.askKey(t, d, 1, nil).send(t); err != nil {
		t.Error(err)
	}
}
