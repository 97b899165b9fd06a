package authority_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/mail"
	"milagro.dev/internal/mail/mailtest"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/words"
)

const victim = "acct:alice@example.org"

// office is a domain whose login server registers people, with a mail server.
type office struct {
	*authoritytest.Domain
	clock  *clock
	login  *loginServer
	letter *mailtest.Server
}

// rootFor is the section of a login server's key.
func rootFor(t testing.TB, s *loginServer) authority.RegistrationRoot {
	t.Helper()
	everybody, err := identity.ParsePattern("acct:*@example.org")
	if err != nil {
		t.Fatal(err)
	}
	return authority.RegistrationRoot{Name: "login", Key: s.card.Ed25519, Allow: []identity.Pattern{everybody}}
}

// newOffice makes a 2 of 3 domain; edit changes the section of the authority with
// this index.
func newOffice(t testing.TB, flags []string, edit func(index uint32, r *authority.RegistrationRoot)) *office {
	t.Helper()
	o := &office{clock: at(noon()), login: newLoginServer(t, "login"), letter: mailtest.New(t)}
	o.Domain = authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Clock: o.clock.Now, Flags: flags, Mail: o.letter.Config(),
		Registrations: func(index uint32) []authority.RegistrationRoot {
			r := rootFor(t, o.login)
			if edit != nil {
				edit(index, &r)
			}
			return []authority.RegistrationRoot{r}
		}})
	if err := o.AddService(t.Context(), o.login.card); err != nil {
		t.Fatal(err)
	}
	return o
}

func mailed(_ uint32, r *authority.RegistrationRoot) { r.Code = authority.MailedCode }

// registration is what the login server says of an applicant.
func (o *office) registration(t testing.TB, a *applicant, index uint32) dta.Registration {
	t.Helper()
	device, err := identity.DeviceOf(a.device)
	if err != nil {
		t.Fatal(err)
	}
	r := dta.Registration{Domain: o.Published.Document.ID(), Service: o.Published.Document.ServiceID(service(t, o.Domain, "login")), Index: index,
		Name: a.name, Device: device.Hash(), Time: o.Now(), Expiry: o.Now() + 3600}
	rand.Read(r.Nonce[:])
	return r
}

// shown makes a request one that shows a registration and a code.
func (o *office) shown(t testing.TB, a *applicant, envelope []byte, code string) func(*dta.Request) {
	t.Helper()
	evidence, err := dta.VoucherEvidence(envelope, code)
	if err != nil {
		t.Fatal(err)
	}
	return together(a.forLogin(t, "login"), func(q *dta.Request) { q.Evidence = evidence })
}

// register shows a fresh registration to an authority, with a code or none.
func (o *office) register(t testing.TB, a *applicant, index uint32, code string) error {
	t.Helper()
	return a.ask(t, index, o.shown(t, a, o.registration(t, a, index).Sign(o.login.key), code))
}

// codeIn returns the code of a mail.
func codeIn(t testing.TB, l mailtest.Letter) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^(\d{4}) (\d{4})$`).FindStringSubmatch(l.Text)
	if found == nil {
		t.Fatalf("no code in\n%s", l.Text)
	}
	return found[1] + found[2]
}

func TestRegistrationEnrolsOnce(t *testing.T) {
	o := newOffice(t, []string{"shared-root"}, nil)
	a, thief := newApplicant(t, o.Domain, victim), newApplicant(t, o.Domain, victim)
	envelope := o.registration(t, a, 1).Sign(o.login.key)
	if err := a.ask(t, 1, o.shown(t, a, envelope, "")); err != nil {
		t.Fatal(err)
	}
	refused(t, a.ask(t, 1, o.shown(t, a, envelope, "")), problem.AlreadyEnrolled)
	refused(t, o.register(t, a, 1, ""), problem.AlreadyEnrolled)
	refused(t, thief.ask(t, 1, o.shown(t, thief, envelope, "")), problem.VoucherRefused)
	refused(t, a.ask(t, 2, o.shown(t, a, envelope, "")), problem.VoucherRefused)
	if err := a.ask(t, 1, a.forPermit(t, "login")); err != nil {
		t.Error("permit by the device key:", err)
	}
	if n := issued(t, o.Members[0]); n != 2 {
		t.Errorf("%d shares issued", n)
	}
}

// TestRegistrationIsUsedOnceWhateverItsDevice: one nonce counts once, whatever a
// registration authority signs with it.
func TestRegistrationIsUsedOnceWhateverItsDevice(t *testing.T) {
	o := newOffice(t, []string{"shared-root"}, nil)
	const devices = 6
	nonce := [32]byte{7}
	errs := make([]error, devices)
	var all sync.WaitGroup
	for i := range devices {
		a := newApplicant(t, o.Domain, victim)
		r := o.registration(t, a, 1)
		r.Nonce = nonce
		edit := o.shown(t, a, r.Sign(o.login.key), "")
		all.Go(func() { errs[i] = a.ask(t, 1, edit) })
	}
	all.Wait()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
			continue
		}
		refused(t, err, problem.VoucherUsed)
	}
	if good != 1 {
		t.Errorf("%d devices enrolled", good)
	}
	// After a restart as well.
	if err := o.Members[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := newApplicant(t, o.Domain, victim)
	r := o.registration(t, a, 1)
	r.Nonce = nonce
	refused(t, a.ask(t, 1, o.shown(t, a, r.Sign(o.login.key), "")), problem.VoucherUsed)
}

func TestRegistrationsAreRefused(t *testing.T) {
	o := newOffice(t, []string{"shared-root"}, nil)
	a := newApplicant(t, o.Domain, victim)
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string]func(*dta.Registration){
		"another domain":      func(r *dta.Registration) { r.Domain[0] ^= 1 },
		"another service":     func(r *dta.Registration) { r.Service[0] ^= 1 },
		"another authority":   func(r *dta.Registration) { r.Index = 2 },
		"another name":        func(r *dta.Registration) { r.Name = mustName(t, "acct:bob@example.org") },
		"another device":      func(r *dta.Registration) { r.Device[31] ^= 1 },
		"301 s ahead":         func(r *dta.Registration) { r.Time += 301 },
		"over":                func(r *dta.Registration) { r.Time, r.Expiry = r.Time-3600, r.Time-30 },
		"good for no time":    func(r *dta.Registration) { r.Expiry = r.Time },
		"good before it is":   func(r *dta.Registration) { r.Expiry = r.Time - 1 },
		"longer than a day":   func(r *dta.Registration) { r.Expiry = r.Time + 86_401 },
		"good until for ever": func(r *dta.Registration) { r.Expiry = 1<<64 - 1 },
		"of the end of time":  func(r *dta.Registration) { r.Time, r.Expiry = 1<<64-2, 1<<64-1 },
	} {
		r := o.registration(t, a, 1)
		edit(&r)
		if err := a.ask(t, 1, o.shown(t, a, r.Sign(o.login.key), "")); !isVoucherRefusal(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	r := o.registration(t, a, 1)
	refused(t, a.ask(t, 1, o.shown(t, a, r.Sign(stranger), "")), problem.VoucherRefused)
	altered := r.Sign(o.login.key)
	altered[len(altered)/2] ^= 1
	refused(t, a.ask(t, 1, o.shown(t, a, altered, "")), problem.VoucherRefused)
	refused(t, a.ask(t, 1, o.shown(t, a, nil, "")), problem.VoucherRefused)
	// It enrols for nothing else.
	evidence, err := dta.VoucherEvidence(r.Sign(o.login.key), "")
	if err != nil {
		t.Fatal(err)
	}
	refused(t, a.ask(t, 1, func(q *dta.Request) { q.Evidence = evidence }), problem.Malformed)
	if n := issued(t, o.Members[0]); n != 0 {
		t.Errorf("%d shares issued", n)
	}
	r.Expiry = r.Time + 86_400
	if err := a.ask(t, 1, o.shown(t, a, r.Sign(o.login.key), "")); err != nil {
		t.Error("a day:", err)
	}
}

func isVoucherRefusal(err error) bool {
	return err != nil && strings.Contains(err.Error(), problem.VoucherRefused.Error())
}

func TestRegistrationAuthoritiesNameWhomTheyMay(t *testing.T) {
	elsewhere := newLoginServer(t, "shop")
	o := newOffice(t, []string{"shared-root"}, func(index uint32, r *authority.RegistrationRoot) {
		switch index {
		case 1:
			r.Allow = []identity.Pattern{mustPattern(t, "acct:alice@example.org")}
		case 2:
			r.Services = []string{"shop"}
		case 3:
			r.Key = elsewhere.card.Ed25519
		}
	})
	alice, bob := newApplicant(t, o.Domain, victim), newApplicant(t, o.Domain, "acct:bob@example.org")
	if err := o.register(t, alice, 1, ""); err != nil {
		t.Error(err)
	}
	refused(t, o.register(t, bob, 1, ""), problem.NameRefused)
	refused(t, o.register(t, alice, 2, ""), problem.VoucherRefused)
	refused(t, o.register(t, alice, 3, ""), problem.VoucherRefused)
	if err := alice.ask(t, 3, o.shown(t, alice, o.registration(t, alice, 3).Sign(elsewhere.key), "")); err != nil {
		t.Error("a registration authority that is no login server:", err)
	}
}

func mustPattern(t testing.TB, s string) identity.Pattern {
	t.Helper()
	p, err := identity.ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOneRegistrationAuthorityForAllNeedsAFlag(t *testing.T) {
	o := newOffice(t, nil, func(index uint32, r *authority.RegistrationRoot) {
		switch index {
		case 1:
			r.Extent = authority.OwnRoot
		case 2:
			r.Code = authority.MailedCode
		}
	})
	a := newApplicant(t, o.Domain, victim)
	if err := o.register(t, a, 1, ""); err != nil {
		t.Error("its own:", err)
	}
	refused(t, o.register(t, a, 2, ""), problem.EmailSent)
	refused(t, o.register(t, a, 3, ""), problem.VoucherRefused)
}

// TestOwnerOfTheLoginServerGetsFewerThanTShares: an enemy has the login server, with
// its key, and wants a victim's key of 2 of 3. He does not read the victim's mail.
func TestOwnerOfTheLoginServerGetsFewerThanTShares(t *testing.T) {
	for what, c := range map[string]struct {
		flags  []string
		mailed func(index uint32) bool
		shares int64
	}{
		"every authority mails":             {nil, func(uint32) bool { return true }, 0},
		"n−t+1 mail, one is alone":          {[]string{"shared-root"}, func(index uint32) bool { return index > 1 }, 1},
		"operators chose his word alone":    {[]string{"shared-root"}, func(uint32) bool { return false }, 3},
		"none mails, and no flag says that": {nil, func(uint32) bool { return false }, 0},
	} {
		t.Run(what, func(t *testing.T) {
			o := newOffice(t, c.flags, func(index uint32, r *authority.RegistrationRoot) {
				if c.mailed(index) {
					r.Code = authority.MailedCode
				}
			})
			enemy := newApplicant(t, o.Domain, victim)
			var shares int64
			for index := uint32(1); index <= 3; index++ {
				err := o.register(t, enemy, index, "")
				for guess := 0; err != nil && guess < 6; guess++ {
					err = o.register(t, enemy, index, fmt.Sprintf("%08d", guess))
				}
				shares += issued(t, o.Members[index-1])
			}
			if shares != c.shares {
				t.Errorf("%d shares, want %d", shares, c.shares)
			}
		})
	}
}

func TestMailedCodeEnrols(t *testing.T) {
	o := newOffice(t, nil, mailed)
	a := newApplicant(t, o.Domain, victim)
	device, err := identity.DeviceOf(a.device)
	if err != nil {
		t.Fatal(err)
	}
	for index := uint32(1); index <= 3; index++ {
		refused(t, o.register(t, a, index, ""), problem.EmailSent)
		l := o.letter.Await(t, int(index))[index-1]
		for _, text := range []string{victim, o.Members[index-1].Card.Name, o.login.card.Origin, words.OfDevice(device.Hash())} {
			if !strings.Contains(l.Text, text) {
				t.Errorf("no %q in\n%s", text, l.Text)
			}
		}
		if l.To != "alice@example.org" {
			t.Error("to", l.To)
		}
		code := codeIn(t, l)
		if err := o.register(t, a, index, code); err != nil {
			t.Fatal(err)
		}
		refused(t, o.register(t, a, index, code), problem.AlreadyEnrolled)
	}
}

func TestMailedCodeHasFiveTries(t *testing.T) {
	o := newOffice(t, nil, mailed)
	a := newApplicant(t, o.Domain, victim)
	refused(t, o.register(t, a, 1, ""), problem.EmailSent)
	code := codeIn(t, o.letter.Await(t, 1)[0])
	for n := range 5 {
		refused(t, o.register(t, a, 1, fmt.Sprintf("%08d", (n+12345))), problem.EmailRefused)
	}
	refused(t, o.register(t, a, 1, code), problem.EmailRefused)
	refused(t, o.register(t, a, 1, ""), problem.EmailSent)
	second := codeIn(t, o.letter.Await(t, 2)[1])
	if code != second {
		refused(t, o.register(t, a, 1, code), problem.EmailRefused)
	}
	if err := o.register(t, a, 1, second); err != nil {
		t.Error(err)
	}
}

func TestMailedCodeLivesTenMinutes(t *testing.T) {
	o := newOffice(t, nil, mailed)
	a := newApplicant(t, o.Domain, victim)
	refused(t, o.register(t, a, 1, ""), problem.EmailSent)
	code := codeIn(t, o.letter.Await(t, 1)[0])
	o.clock.forward(10*time.Minute + time.Second)
	refused(t, o.register(t, a, 1, code), problem.EmailRefused)
}

func TestMailedCodeIsForOneDevice(t *testing.T) {
	o := newOffice(t, nil, mailed)
	a, thief := newApplicant(t, o.Domain, victim), newApplicant(t, o.Domain, victim)
	refused(t, o.register(t, a, 1, ""), problem.EmailSent)
	code := codeIn(t, o.letter.Await(t, 1)[0])
	refused(t, o.register(t, thief, 1, code), problem.EmailRefused)
	refused(t, o.register(t, a, 2, code), problem.EmailRefused)
	if err := o.register(t, a, 1, code); err != nil {
		t.Error(err)
	}
}

func TestMailsToANameAreBounded(t *testing.T) {
	o := newOffice(t, nil, mailed)
	for range 10 {
		refused(t, o.register(t, newApplicant(t, o.Domain, victim), 1, ""), problem.EmailSent)
	}
	refused(t, o.register(t, newApplicant(t, o.Domain, victim), 1, ""), problem.RateLimited)
	refused(t, o.register(t, newApplicant(t, o.Domain, "acct:bob@example.org"), 1, ""), problem.EmailSent)
	if n := len(o.letter.Letters()); n != 11 {
		t.Errorf("%d mails", n)
	}
}

func TestRequestSentAgainMailsNothing(t *testing.T) {
	o := newOffice(t, nil, mailed)
	a := newApplicant(t, o.Domain, victim)
	q := a.request(t, 1, o.shown(t, a, o.registration(t, a, 1).Sign(o.login.key), ""))
	for range 3 {
		_, err := q.send(t.Context())
		refused(t, err, problem.EmailSent)
	}
	if n := len(o.letter.Letters()); n != 1 {
		t.Errorf("%d mails", n)
	}
}

func TestMailServerThatIsDownLosesNothing(t *testing.T) {
	o := newOffice(t, nil, mailed)
	a := newApplicant(t, o.Domain, victim)
	refused(t, o.register(t, a, 1, ""), problem.EmailSent)
	code := codeIn(t, o.letter.Await(t, 1)[0])
	o.letter.Refuse()
	for range 12 { // which count for nothing
		refused(t, o.register(t, a, 1, ""), problem.MailUnavailable)
	}
	if err := o.register(t, a, 1, code); err != nil {
		t.Error("the code of before:", err)
	}
	o.letter.Take()
	refused(t, o.register(t, newApplicant(t, o.Domain, victim), 1, ""), problem.EmailSent)
}

func TestNamesWithoutAMailboxGetNoCode(t *testing.T) {
	o := newOffice(t, nil, func(_ uint32, r *authority.RegistrationRoot) {
		r.Code, r.Allow = authority.MailedCode, []identity.Pattern{mustPattern(t, "spiffe://example.org/*")}
	})
	refused(t, o.register(t, newApplicant(t, o.Domain, "spiffe://example.org/kiosk"), 1, ""), problem.NameRefused)
}

func TestMailedCodeIsNotInTheDatabase(t *testing.T) {
	o := newOffice(t, nil, mailed)
	refused(t, o.register(t, newApplicant(t, o.Domain, victim), 1, ""), problem.EmailSent)
	code := codeIn(t, o.letter.Await(t, 1)[0])
	files, err := filepath.Glob(filepath.Join(o.Members[0].Dir, "state*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	seen := false
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seen = seen || bytes.Contains(b, []byte(victim))
		if bytes.Contains(b, []byte(code)) {
			t.Errorf("%s has the code", path)
		}
	}
	if !seen {
		t.Error("the name is in no file: this test looks at nothing")
	}
}

func TestOpenRefusesRegistrationAuthoritiesThatCannotBeUsed(t *testing.T) {
	good := rootFor(t, newLoginServer(t, "login"))
	if err := authority.CheckRegistrationRoots([]authority.RegistrationRoot{good}, mail.Config{}); err != nil {
		t.Fatal(err)
	}
	for setting, edit := range map[string]func(*authority.RegistrationRoot){
		"name":     func(r *authority.RegistrationRoot) { r.Name = "" },
		"key":      func(r *authority.RegistrationRoot) { r.Key = r.Key[1:] },
		"allow":    func(r *authority.RegistrationRoot) { r.Allow = nil },
		"code":     func(r *authority.RegistrationRoot) { r.Code = authority.MailedCode }, // and no mail server
		"root":     func(r *authority.RegistrationRoot) { r.Extent = "mine" },
		"services": func(r *authority.RegistrationRoot) { r.Services = []string{"No Service"} },
	} {
		broken := good
		edit(&broken)
		err := authority.CheckRegistrationRoots([]authority.RegistrationRoot{good, broken}, mail.Config{})
		if err == nil || !strings.HasPrefix(err.Error(), "registration 2: "+setting+": ") {
			t.Errorf("%s: %v", setting, err)
		}
	}
	if err := authority.CheckRegistrationRoots([]authority.RegistrationRoot{good, good}, mail.Config{}); err == nil {
		t.Error("one section twice is taken")
	}
	good.Extent = "mine"
	_, err := authority.Open(t.Context(), authority.Config{Dir: t.TempDir(), Registrations: []authority.RegistrationRoot{good}})
	if err == nil || !strings.Contains(err.Error(), "root") {
		t.Errorf("opened: %v", err)
	}
}
