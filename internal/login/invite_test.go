package login_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/mail/mailtest"
	"milagro.dev/internal/problem"
)

// newHouse makes a 2 of 3 domain whose authorities take the word of its login
// server, as edit has it.
func newHouse(t testing.TB, edit func(*logintest.Config), section func(*authority.RegistrationRoot)) *stage {
	t.Helper()
	c := noon()
	var server *logintest.Server
	letters := mailtest.New(t)
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Clock: c.Now, Flags: []string{"shared-root"}, Mail: letters.Config(),
		Registrations: func(uint32) []authority.RegistrationRoot {
			if server == nil {
				return nil
			}
			r := authority.RegistrationRoot{Name: "login", Key: server.Card.Ed25519, Allow: []identity.Pattern{everybody(t)}}
			if section != nil {
				section(&r)
			}
			return []authority.RegistrationRoot{r}
		}})
	cfg := logintest.Config{Domain: d, Published: d.Published, Login: login.Config{Clock: c.Now, Mail: letters.Config(), ByMail: []identity.Pattern{everybody(t)}}}
	if edit != nil {
		edit(&cfg)
	}
	s := &stage{Server: logintest.New(t, cfg), domain: d, clock: c, t: t, letters: letters}
	server = s.Server
	for _, m := range d.Members { // now they know its key
		s.done(m.Restart(t.Context()))
	}
	return s
}

func everybody(t testing.TB) identity.Pattern {
	t.Helper()
	p, err := identity.ParsePattern("acct:*@example.org")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// invited returns a device with an invitation for a name.
func (s *stage) invited(name string) (*logintest.Person, dta.Invitation) {
	s.t.Helper()
	p, err := s.NewDevice(name)
	s.done(err)
	made, err := s.Operator().Invite(s.t.Context(), p.Name, time.Time{})
	s.done(err)
	i, err := dta.ParseInvitation(made.Link)
	s.done(err)
	return p, i
}

func TestInvitationEnrolsADeviceThatLogsIn(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newHouse(t, engine, nil)
		p, i := s.invited(alice)
		said, err := p.Client.OpenInvitation(t.Context(), i)
		s.done(err)
		if said.Name != p.Name || said.Service != "login" || len(said.Authorities) != 3 || said.Expires < s.Now()+6*86_400 {
			t.Errorf("%+v", said)
		}
		s.done(p.EnrolInvited(t.Context(), right, i))
		s.done(p.ShowRow(t.Context()))
		s.logsIn(p)
		s.fails(p, wrong)
		list, err := s.Operator().Invitations(t.Context(), p.Name)
		s.done(err)
		if len(list.Invitations) != 1 || list.Invitations[0].State != "spent" || identity.DeviceHash(*list.Invitations[0].Device) != p.Device.Hash() {
			t.Errorf("%+v", list)
		}
		s.audited(p, "refused", "accepted", "row-made", "vouched", "invited")
		// A second device by a second invitation.
		second, j := s.invited(alice)
		s.done(second.EnrolInvited(t.Context(), right, j))
		s.done(second.ShowRow(t.Context()))
		s.logsIn(second)
		s.logsIn(p)
	})
}

func TestInvitationIsForTheFirstDevice(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newHouse(t, engine, nil)
		_, i := s.invited(alice)
		_, site, err := s.Site()
		s.done(err)
		const devices = 50
		people, errs := make([]*logintest.Person, devices), make([]error, devices)
		var all sync.WaitGroup
		for n := range devices {
			people[n], err = s.NewDevice(alice)
			s.done(err)
			all.Go(func() { _, errs[n] = people[n].Client.Vouchers(t.Context(), i, site.ID, people[n].Signer) })
		}
		all.Wait()
		first := 0
		for n, err := range errs {
			if err != nil {
				refused(t, err, problem.InvitationRefused)
				continue
			}
			first++
			vouchers, err := people[n].Client.Vouchers(t.Context(), i, site.ID, people[n].Signer)
			if err != nil || len(vouchers) != 3 {
				t.Errorf("the same device again: %d vouchers, %v", len(vouchers), err)
			}
		}
		if first != 1 {
			t.Errorf("%d devices have vouchers", first)
		}
	})
}

func TestInvitationIsSpentByTheRow(t *testing.T) {
	t.Parallel()
	s := newHouse(t, nil, nil)
	p, i := s.invited(alice)
	_, site, err := s.Site()
	s.done(err)
	s.done(p.EnrolInvited(t.Context(), right, i))
	if _, err := p.Client.Vouchers(t.Context(), i, site.ID, p.Signer); err != nil {
		t.Error("before the row:", err)
	}
	s.done(p.ShowRow(t.Context()))
	_, err = p.Client.Vouchers(t.Context(), i, site.ID, p.Signer)
	refused(t, err, problem.InvitationRefused)
	_, err = p.Client.OpenInvitation(t.Context(), i)
	refused(t, err, problem.InvitationRefused)
}

func TestInvitationsEnd(t *testing.T) {
	t.Parallel()
	s := newHouse(t, nil, nil)
	open := func(i dta.Invitation) error {
		_, err := (&dta.Client{}).OpenInvitation(t.Context(), i)
		return err
	}
	p, old := s.invited(alice)
	_, withdrawn := s.invited(bob)
	s.done(open(old))
	s.done(open(withdrawn))
	done, err := s.Operator().Withdraw(t.Context(), mustParse(t, bob))
	s.done(err)
	if done.Invitations != 1 {
		t.Errorf("%d withdrawn", done.Invitations)
	}
	refused(t, open(withdrawn), problem.InvitationRefused)
	s.clock.forward(7*24*time.Hour + time.Second)
	refused(t, open(old), problem.InvitationRefused)
	// Who is revoked as a whole keeps no way back.
	_, third := s.invited(alice)
	_, err = s.Operator().Revoke(t.Context(), p.Name, nil)
	s.done(err)
	refused(t, open(third), problem.InvitationRefused)
	refused(t, open(dta.Invitation{Origin: s.URL()}), problem.InvitationRefused)
	for what, expires := range map[string]time.Time{"past": s.clock.Now().Add(-time.Second), "far": s.clock.Now().Add(91 * 24 * time.Hour)} {
		if _, err := s.Operator().Invite(t.Context(), p.Name, expires); !errors.Is(err, problem.Malformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = s.Operator().Invite(t.Context(), mustParse(t, "acct:alice@example.net"), time.Time{})
	refused(t, err, problem.NameRefused)
}

func mustParse(t testing.TB, name string) identity.Name {
	t.Helper()
	n, err := identity.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestVouchersNeedTheDevice: the token alone claims no invitation.
func TestVouchersNeedTheDevice(t *testing.T) {
	t.Parallel()
	s := newHouse(t, nil, nil)
	p, i := s.invited(alice)
	thief, err := s.NewDevice(alice)
	s.done(err)
	_, site, err := s.Site()
	s.done(err)
	signed, err := identity.SignDevice(thief.Signer, dta.EnrolDigest(dta.InvitationHash(i.Token), site.ID, p.Device))
	s.done(err)
	token := strings.SplitN(i.Link(), "#", 2)[1]
	body := func(spki, signature []byte) io.Reader {
		b, err := json.Marshal(map[string]any{"token": token, "spki": spki, "signature": signature})
		s.done(err)
		return bytes.NewReader(b)
	}
	a := s.public().do(t, http.MethodPost, "/v1/enrol/vouchers", "application/json", body(p.Device.Bytes(), signed))
	if a.problem == nil || a.problem.Kind != problem.Possession {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	signed, err = identity.SignDevice(p.Signer, dta.EnrolDigest(dta.InvitationHash(i.Token), identity.ServiceID{1}, p.Device))
	s.done(err)
	if a := s.public().do(t, http.MethodPost, "/v1/enrol/vouchers", "application/json", body(p.Device.Bytes(), signed)); a.problem == nil || a.problem.Kind != problem.Possession {
		t.Errorf("of another service: %d %s", a.StatusCode, a.text)
	}
	if _, err := p.Client.Vouchers(t.Context(), i, site.ID, p.Signer); err != nil {
		t.Error("its own:", err)
	}
}

// TestInvitationTokensAreNotInTheDatabase, nor in the log, whatever becomes of them.
func TestInvitationTokensAreNotInTheDatabase(t *testing.T) {
	t.Parallel()
	log := new(record)
	s := newHouse(t, func(c *logintest.Config) { c.Login.Logger = log.logger() }, nil)
	p, i := s.invited(alice)
	s.done(postMail(s, alice))
	mailed := s.linkIn(s.letters.Await(t, 1)[0].Text)
	token := strings.SplitN(i.Link(), "#", 2)[1]
	for _, body := range []string{`{"token":"` + token + `"}`, `{"token":"` + token + `x"}`, `{"token":"` + token + `","more":1}`, `{"token":"` + token} {
		for _, path := range []string{"/v1/enrol/open", "/v1/enrol/vouchers"} {
			s.public().do(t, http.MethodPost, path, "application/json", strings.NewReader(body))
		}
	}
	s.public().do(t, http.MethodGet, "/enrol?token="+token, "", nil)
	_, site, err := s.Site()
	s.done(err)
	for _, who := range []*logintest.Person{p, s.newDevice(alice)} { // taken, and refused
		who.Client.Vouchers(t.Context(), i, site.ID, who.Signer)
	}
	if text := log.String(); !strings.Contains(text, "vouched") || strings.Contains(text, token) || strings.Contains(text, strings.SplitN(mailed.Link(), "#", 2)[1]) {
		t.Errorf("the log: %s", text)
	}
	seen := false
	s.done(filepath.WalkDir(s.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		seen = seen || bytes.Contains(b, []byte(alice))
		for _, one := range []dta.Invitation{i, mailed} {
			if bytes.Contains(b, one.Token[:]) || bytes.Contains(b, []byte(strings.SplitN(one.Link(), "#", 2)[1])) {
				t.Errorf("%s has a token", path)
			}
		}
		return err
	}))
	if !seen {
		t.Error("no file has the name: this test looks at nothing")
	}
}

func (s *stage) linkIn(text string) dta.Invitation {
	s.t.Helper()
	link := regexp.MustCompile(`(?m)^http\S+#\S+$`).FindString(text)
	i, err := dta.ParseInvitation(link)
	if err != nil {
		s.t.Fatalf("%v in\n%s", err, text)
	}
	return i
}

// reads returns the code of an authority's mail.
func (s *stage) reads(_ context.Context, a dta.Authority, _ error) (string, error) {
	for _, l := range slices.Backward(s.letters.Letters()) {
		if found := regexp.MustCompile(`(?m)^(\d{4}) (\d{4})$`).FindStringSubmatch(l.Text); found != nil && strings.Contains(l.Text, a.Name+" (") {
			return found[1] + found[2], nil
		}
	}
	return "", errors.New("no mail of " + a.Name)
}

// postMail asks for an invitation by mail, and returns an error unless that is
// answered as it is for everybody.
func postMail(s *stage, name string) error {
	a := s.public().do(s.t.(*testing.T), http.MethodPost, "/v1/enrol/mail", "application/json", strings.NewReader(`{"name":"`+name+`"}`))
	if a.StatusCode != http.StatusAccepted || a.text != "{}\n" {
		return errors.New(a.Status + " " + a.text)
	}
	return nil
}

func TestInvitationByMailEnrols(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, engine func(*logintest.Config)) {
		s := newHouse(t, engine, func(r *authority.RegistrationRoot) { r.Code = authority.MailedCode })
		s.letters.Refuse()
		s.done(postMail(s, alice))
		s.eventually("it was tried", func() bool { _, tries := s.Login.Asked(t.Context()); return tries > 0 })
		s.letters.Take()
		s.done(s.Restart(t.Context())) // it is in the database
		s.clock.forward(time.Minute)
		l := s.letters.Await(t, 1)[0]
		if l.To != "alice@example.org" {
			t.Error("to", l.To)
		}
		p, err := s.NewDevice(alice)
		s.done(err)
		a, err := p.Claim(t.Context(), s.linkIn(l.Text))
		s.done(err)
		a.MailCode = s.reads
		s.done(p.Enrol(t.Context(), right, a))
		s.done(p.ShowRow(t.Context()))
		s.logsIn(p)
		if n := len(s.letters.Letters()); n != 4 {
			t.Errorf("%d mails: a link and a code of each authority are 4", n)
		}
	})
}

// TestMailForEveryNameIsAnsweredAlike: and only people of the domain get one, three
// an hour.
func TestMailForEveryNameIsAnsweredAlike(t *testing.T) {
	t.Parallel()
	s := newHouse(t, nil, nil)
	for _, name := range []string{"acct:nobody@example.net", "spiffe://example.org/kiosk", alice} {
		s.done(postMail(s, name))
	}
	for n := 1; n <= 3; n++ {
		s.letters.Await(t, n)
		s.clock.forward(time.Minute + time.Second)
		s.eventually("none waits", func() bool { n, _ := s.Login.Asked(t.Context()); return n == 0 })
		s.done(postMail(s, alice))
	}
	s.clock.forward(2 * time.Minute)
	s.done(postMail(s, bob))
	s.eventually("bob has his", func() bool {
		for _, l := range s.letters.Letters() {
			if l.To == "bob@example.org" {
				return true
			}
		}
		return false
	})
	if n := len(s.letters.Letters()); n != 4 {
		t.Errorf("%d mails", n)
	}
	// By address: of so many at once some are refused, whoever they are for.
	last := 0
	for range 12 {
		last = s.public().do(t, http.MethodPost, "/v1/enrol/mail", "application/json", strings.NewReader(`{"name":"acct:x@example.net"}`)).StatusCode
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the twelfth of an address: %d", last)
	}
}

// TestDomainIsServedToBrowsers: whoever has the fingerprint believes it.
func TestDomainIsServedToBrowsers(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p, err := (&dta.Client{}).Domain(context.Background(), s.URL())
	s.done(err)
	s.done(p.Verify(s.domain.Published.Document.ID()))
	s.done(p.Fresh(s.Now()))
}
