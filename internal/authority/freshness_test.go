package authority_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
)

// await asks an authority until what it serves is as wanted.
func (r *realm) await(index int, wanted func(*dta.Published) bool) *dta.Published {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		p, err := r.client.Domain(r.t.Context(), r.url(index))
		r.done(err)
		if wanted(p) {
			r.done(p.Verify(r.Published.Document.ID()))
			return p
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("authority %d serves revision %d, stamp %+v", index, p.Document.Revision(), p.Stamp)
		}
	}
}

func revision(n uint64) func(*dta.Published) bool {
	return func(p *dta.Published) bool { return p.Document.Revision() == n }
}

func stampedOn(day uint32) func(*dta.Published) bool {
	return func(p *dta.Published) bool { return p.Stamp != nil && p.Stamp.Day == day }
}

func (r *realm) restart(indices ...int) {
	r.t.Helper()
	for _, index := range indices {
		halt(r.t, r.Members[index-1])
		r.done(r.Members[index-1].Start(r.t.Context()))
	}
}

func (r *realm) halt(indices ...int) {
	r.t.Helper()
	for _, index := range indices {
		halt(r.t, r.Members[index-1])
	}
}

// signed has the domain sign a document, and delivers it to some authorities.
func (r *realm) signed(document *dta.Document, to ...int) []byte {
	r.t.Helper()
	signature, err := r.Sign(r.t.Context(), document)
	r.done(err)
	for _, index := range to {
		r.done(r.deliver(index, document, signature))
	}
	return signature
}

// TestStaleDocumentEndsEnrolmentAndNotRenewal leaves one authority alone for
// eight days. A second one is enough to make the document fresh again.
func TestStaleDocumentEndsEnrolmentAndNotRenewal(t *testing.T) {
	c := at(noon())
	r := realmOf(t, c)
	a, b := newApplicant(t, r.Domain, web), newApplicant(t, r.Domain, web)
	a.enrol(t)
	r.halt(2, 3)
	code := func() dta.Code {
		made, err := r.Members[0].Operator().Register(t.Context(), []identity.Name{b.name}, identity.Channel, c.Now().Add(time.Hour))
		r.done(err)
		code, err := dta.ParseCode(made[0].Code)
		r.done(err)
		return code
	}
	c.forward(7 * 24 * time.Hour)
	if err := b.ask(t, 1, withCode(code())); err != nil {
		t.Error("7 days after the stamp:", err)
	}
	c.forward(24 * time.Hour)
	unspent := code()
	b.device = newDevice(t)
	refused(t, b.ask(t, 1, withCode(unspent)), problem.NoStamp)
	if err := a.ask(t, 1, nil); err != nil {
		t.Error("renewal without a stamp:", err)
	}
	r.done(r.Members[1].Start(t.Context()))
	r.restart(1)
	r.await(1, stampedOn(r.today()))
	r.await(2, stampedOn(r.today()))
	if err := b.ask(t, 1, withCode(unspent)); err != nil {
		t.Error("the code that was refused for want of a stamp:", err)
	}
}

// TestAuthorityThatWasAwayFetchesTheDocument: it missed a revision, or lost it
// with a database that was restored from before.
func TestAuthorityThatWasAwayFetchesTheDocument(t *testing.T) {
	r := realmOf(t, at(noon()))
	document := r.agreed(r.after(1, nil))
	image := t.TempDir()
	copyFiles(t, r.Members[2].Dir, image)
	signature := r.signed(document)
	r.halt(3)
	for index := 1; index <= 2; index++ {
		r.done(r.deliver(index, document, signature))
	}
	r.done(r.Members[2].Start(t.Context()))
	r.await(3, revision(2))
	r.halt(3)
	restore(t, r.Members[2], image)
	r.done(r.Members[2].Start(t.Context()))
	r.await(3, revision(2))
}

// TestAuthorityThatGaveItsShareAsksForTheDocument: it stamps nothing lower, so
// it must come to the document by itself, though nobody answered at its start.
func TestAuthorityThatGaveItsShareAsksForTheDocument(t *testing.T) {
	c := at(noon())
	r := realmOf(t, c)
	r.signed(r.agreed(r.after(1, nil)), 1, 2)
	r.serves(3, r.Published.Document)
	r.halt(1, 2, 3)
	c.forward(24 * time.Hour)
	busy := &standIn{t: t, answer: func(string) (any, error) { return nil, problem.New(problem.Unavailable, "") }}
	first, second := busy.at(r.Members[0]), busy.at(r.Members[1])
	r.done(r.Members[2].Start(t.Context()))
	busy.wasAsked("/v1/domain", 2)
	first.Close()
	second.Close()
	r.done(errors.Join(r.Members[0].Start(t.Context()), r.Members[1].Start(t.Context())))
	r.await(3, revision(2))
	r.await(3, stampedOn(r.today()))
}

// TestRunningAuthorityLearnsOfAHigherDocument: it takes up revision 2 late, asks
// for the stamps of that, and hears of revision 3.
func TestRunningAuthorityLearnsOfAHigherDocument(t *testing.T) {
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 4, Clock: at(noon()).Now})
	r := &realm{Domain: d, t: t, client: new(dta.Client)}
	members := r.Members
	var late []byte
	var missed *dta.Document
	r.Members = members[:3] // a quorum without authority 4
	for range 2 {
		document := r.agreed(r.after(1, nil))
		signature := r.signed(document, 1, 2, 3)
		if missed == nil {
			missed, late = document, signature
		}
		r.Published = &dta.Published{Document: document, Signature: signature}
	}
	r.Members = members
	r.done(r.deliver(4, missed, late))
	r.await(4, revision(3))
}

// TestLyingPeerMakesNoStamp: authority 2 gives shares of another day's stamp, and
// for a higher document one that the domain has not signed.
func TestLyingPeerMakesNoStamp(t *testing.T) {
	c := at(noon())
	r := realmOf(t, c)
	enemy, old := r.enemy(2), r.Published.Document
	forged := &dta.Published{Document: r.after(5, nil), Signature: r.Published.Signature}
	r.halt(1, 2, 3)
	c.forward(24 * time.Hour)
	today, asked := r.today(), 0
	liar := &standIn{t: t, answer: func(path string) (any, error) {
		if path == "/v1/domain" {
			return forged, nil
		}
		document := old
		if asked++; asked%2 == 0 {
			document = forged.Document
		}
		hash := document.Hash()
		return dta.StampShare{Revision: document.Revision(), Hash: hash[:], Day: today, Index: 2,
			Share: enemy.share.Issue(old.FreshPoint(today - 1)).Expose()}, nil
	}}
	server := liar.at(r.Members[1])
	r.done(r.Members[0].Start(t.Context()))
	liar.wasAsked("/v1/domain/share", 3) // each time again, since the last time it got no stamp
	p := r.await(1, revision(1))
	if p.Stamp.Day == today {
		t.Error("a false share made a stamp")
	}
	server.Close()
	r.done(errors.Join(r.Members[1].Start(t.Context()), r.Members[2].Start(t.Context())))
	r.await(1, stampedOn(today))
}

// TestTwoDocumentsOfOneRevisionAreBothRefused: the enemy has two authorities,
// and so can sign what it likes. The third shows neither, and says why.
func TestTwoDocumentsOfOneRevisionAreBothRefused(t *testing.T) {
	r := realmOf(t, at(noon()))
	a := newApplicant(t, r.Domain, web)
	a.enrol(t)
	forge := func(document *dta.Document) []byte {
		shares := map[uint32][]byte{}
		for index := 2; index <= 3; index++ {
			shares[uint32(index)] = r.enemy(index).share.Issue(document.Point()).Expose()
		}
		signature, _, err := document.CombineSignature(document.Point(), shares)
		r.done(err)
		return signature
	}
	first, second := r.after(1, nil), r.after(1, flagged("rival"))
	r.done(r.deliver(1, first, forge(first)))
	r.serves(1, first)
	for range 2 {
		refused(t, r.deliver(1, second, forge(second)), problem.CeremonyState)
		_, err := r.client.Domain(t.Context(), r.url(1))
		refused(t, err, problem.Unavailable)
		_, err = r.stamp(1, r.today())
		refused(t, err, problem.Unavailable)
		refused(t, a.ask(t, 1, nil), problem.Unavailable)
		if status := statusOf(t, r.Members[0]); status.Ready || !strings.Contains(status.Why, "two documents") {
			t.Errorf("status %+v", status)
		}
		crash(t, r.Members[0])
	}
}

// standIn answers in the place of authorities that are stopped.
type standIn struct {
	t      testing.TB
	answer func(path string) (any, error)
	asked  chan string

	mu sync.Mutex // answer is called by one at a time
}

// at serves at the address of an authority until it is closed.
func (s *standIn) at(m *authoritytest.Member) *httptest.Server {
	s.t.Helper()
	listener, err := net.Listen("tcp", strings.TrimPrefix(m.URL(), "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	if s.asked == nil {
		s.asked = make(chan string, 1000)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: s}}
	server.Start()
	s.t.Cleanup(server.Close)
	return server
}

// ServeHTTP answers, and then says what it was asked.
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() { s.asked <- r.URL.Path }()
	s.mu.Lock()
	out, err := s.answer(r.URL.Path)
	s.mu.Unlock()
	if err != nil {
		problem.Write(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.t.Error(err)
	}
}

// wasAsked waits until it was asked for path so often.
func (s *standIn) wasAsked(path string, times int) {
	s.t.Helper()
	for left := times; left > 0; {
		select {
		case asked := <-s.asked:
			if asked == path {
				left--
			}
		case <-time.After(time.Minute):
			s.t.Fatalf("%s was not asked for %d times", path, times)
		}
	}
}
