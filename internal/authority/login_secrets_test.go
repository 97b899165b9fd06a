package authority_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// wire is a transport that keeps the bodies that go and come, and the headers.
type wire struct {
	*record
	under http.RoundTripper
}

func (w wire) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err := errBoth(err, request.Body.Close()); err != nil {
			return nil, err
		}
		fmt.Fprintln(w, request.URL, string(body))
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	return tap{w.record}.through(w.under, request)
}

// loginLife is everything that a login service makes authorities do, over a network
// that is heard: a ceremony, enrolments, a PIN change, refusals, a delivery. It
// returns what must be seen nowhere, and the replies as their receivers read them.
func loginLife(t *testing.T, d *authoritytest.Domain) (known secrets, opened [][]byte) {
	t.Helper()
	known = secrets{}
	s := withLogin(t, d, "login")
	a, b := newApplicant(t, d, alice), newApplicant(t, d, alice)
	known.device(t, "a", a)
	known.device(t, "b", b)
	ask := func(what string, who *applicant, index uint32, edit func(*dta.Request)) {
		t.Helper()
		q := who.request(t, index, edit)
		sealed, err := q.send(t.Context())
		if err != nil {
			t.Fatal(what, err)
		}
		known.reply(t, what, q, sealed)
		_, signed, err := dta.OpenReply(q.to, q.request, q.key, sealed)
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, signed)
	}
	for index := range uint32(len(d.Members)) {
		index++
		code := mustCode(t, d, a.name, "login", index)
		known.code(t, fmt.Sprint("a at ", index), code)
		ask(fmt.Sprint("key ", index), a, index, together(a.forLogin(t, "login"), withCode(code)))
		ask(fmt.Sprint("permit ", index), a, index, a.forPermit(t, "login"))
		voucher := s.voucher(t, a, b.device, index).Sign(s.key)
		ask(fmt.Sprint("new key ", index), b, index, together(b.forLogin(t, "login"), withVoucher(t, voucher, a.device)))
		refused(t, b.ask(t, index, together(b.forLogin(t, "login"), withVoucher(t, voucher, b.device))), problem.AlreadyEnrolled)
		refused(t, newApplicant(t, d, alice).ask(t, index, together(b.forLogin(t, "login"), withVoucher(t, voucher, a.device))), problem.VoucherRefused)
		if err := s.notify(t, d.Members[index-1], a); err != nil {
			t.Fatal(err)
		}
		refused(t, a.ask(t, index, a.forPermit(t, "login")), problem.Revoked)
	}
	deliveries(t, d, s, known)
	return known, opened
}

// deliveries has the server key delivered, and adds to known what S is made of.
func deliveries(t *testing.T, d *authoritytest.Domain, s *loginServer, known secrets) {
	t.Helper()
	_, err := s.askKey(t, d, 1, nil).send(t)
	refused(t, err, problem.NotApproved)
	if err := d.ApproveLogin(t.Context(), "login"); err != nil {
		t.Fatal(err)
	}
	var shares []keys.ServerShare
	for i, m := range d.Members {
		q := s.askKey(t, d, uint32(i+1), nil)
		sealed, err := q.send(t)
		if err != nil {
			t.Fatal(err)
		}
		share := q.open(t, sealed)
		shares = append(shares, share)
		master := stolenShare(t, m, q.Generation)
		if own := master.ServerShare(); !bytes.Equal(own.Expose(), share.Expose()) {
			t.Error("the share delivered is not the master's")
		}
		exposed := master.Expose()
		known[m.Card.Name+"'s share of the login's master"] = exposed[len(exposed)-32:]
		known[m.Card.Name+"'s share of the server key"] = share.Expose()
		operators, err := m.Operators(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for n, key := range operators {
			known[fmt.Sprintf("%s's person %d", m.Card.Name, n+1)] = key.Seed()
		}
	}
	key, err := keys.CombineServer(d.Published.Document.Threshold(), shares)
	if err != nil {
		t.Fatal(err)
	}
	known["the server key"], known["the login server's Ed25519 key"] = key.Expose(), s.key.Seed()
}

// TestMasterOfALoginHasNoValueInG2 hears every message of a ceremony and of all
// that follows it, reads the replies with their receivers, and looks into logs,
// metrics and files. The one value in G2 leaves sealed to the login server (R5).
// What it finds of G2 is the public master's alone.
func TestMasterOfALoginHasNoValueInG2(t *testing.T) {
	if !alone(t) {
		return
	}
	logged, heard := new(record), new(record)
	d := authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: at(noon()).Now,
		Logger: slog.New(slog.NewJSONHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	http.DefaultTransport = wire{heard, http.DefaultTransport}
	known, opened := loginLife(t, d)
	for _, m := range d.Members {
		for _, path := range []string{"/metrics", "/v1/domain", "/v1/card"} {
			fmt.Fprintln(heard, publicOf(m).do(t, http.MethodGet, path, "", nil).text)
		}
		for _, path := range []string{"/admin/list", "/admin/status"} {
			fmt.Fprintln(heard, adminOf(m).do(t, http.MethodGet, path, "", nil).text)
		}
	}
	if len(known) < 30 {
		t.Fatalf("only %d secrets", len(known))
	}
	known.seenIn(t, "the network", heard.String())
	known.seenIn(t, "the log", logged.String())
	for _, m := range d.Members {
		halt(t, m)
		for _, name := range []string{"state.db", "state.db-wal"} {
			known.seenIn(t, m.Card.Name+"'s "+name, string(contentOf(t, filepath.Join(m.Dir, name))))
		}
	}
	search := newSearch(d.Published.Document)
	for _, text := range regexp.MustCompile(`[A-Za-z0-9+/]{128,}={0,2}`).FindAllString(heard.String()+logged.String(), -1) {
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			search.in(t, "a message", b)
		}
	}
	for _, signed := range opened {
		search.in(t, "a reply", signed)
	}
	if len(search.found) != 3 { // the master and two public shares: it does find points
		t.Errorf("%d points of the public master found", len(search.found))
	}
}

// search looks for points of G2.
type search struct {
	public map[string]bool // those of the public master
	found  map[string]bool
	seen   map[string]bool
}

func newSearch(d *dta.Document) *search {
	s := &search{public: map[string]bool{string(d.Master().Bytes()): true}, found: map[string]bool{}, seen: map[string]bool{}}
	for _, a := range d.Authorities() {
		s.public[string(a.Public.Bytes())] = true
	}
	return s
}

func (s *search) in(t *testing.T, where string, b []byte) {
	t.Helper()
	for i := 0; i+pairing.G2Size <= len(b); i++ {
		window := string(b[i : i+pairing.G2Size])
		if b[i]&0x80 == 0 || s.seen[window] {
			continue
		}
		s.seen[window] = true
		if _, err := pairing.ParseG2([]byte(window)); err != nil {
			continue
		}
		if !s.public[window] {
			t.Errorf("%s has the point %x of G2", where, window)
		}
		s.found[window] = true
	}
}

// contentOf returns what is in a file, nothing if there is none.
func contentOf(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

// TestLoginIsLoggedAsAnOperatorNeeds reads the log.
func TestLoginIsLoggedAsAnOperatorNeeds(t *testing.T) {
	logged := new(record)
	d := authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: at(noon()).Now, Logger: slog.New(slog.NewJSONHandler(logged, nil))})
	loginLife(t, d)
	for _, want := range []map[string]any{
		{"msg": "operator agreed to a plan", "domain": "example.org"},
		{"msg": "document served", "revision": 2.0},
		{"msg": "names registered", "purpose": string(identity.MPin)},
		{"msg": "issued", "name": alice, "purpose": "mpin", "service": "login", "basis": "code"},
		{"msg": "issued", "name": alice, "purpose": "permit", "service": "login", "basis": "renewal"},
		{"msg": "issued", "name": alice, "purpose": "mpin", "service": "login", "basis": "succession"},
		{"msg": "a login server ended a device", "name": alice, "service": "login"},
		{"msg": "operator entered", "operator": "person 2"},
		{"msg": "operator approved the delivery of a server key", "operator": "person 1", "service": "login"},
		{"msg": "share of a server key delivered", "service": "login"},
	} {
		if !hasLine(t, logged.String(), want) {
			t.Errorf("no line has %v", want)
		}
	}
}
