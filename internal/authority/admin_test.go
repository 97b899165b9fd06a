package authority_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
)

// hintOf returns what an error says to do next.
func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

func TestSocketIsTheOwnersAlone(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	m := d.Members[0]
	path := authority.SocketPath(m.Dir)
	for _, c := range []struct {
		path string
		want fs.FileMode
	}{{path, fs.ModeSocket | 0o600}, {m.Dir, fs.ModeDir | 0o700}, {m.Dir + "/shares", fs.ModeDir | 0o700}, {m.Dir + "/state.db", 0o600}, {m.Dir + "/keys.sealed", 0o600}} {
		if info, err := os.Lstat(c.path); err != nil || info.Mode() != c.want {
			t.Errorf("%s: %v, %v, want %v", c.path, info.Mode(), err, c.want)
		}
	}
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	leaveSocket(t, path)
	if err := m.Start(t.Context()); err != nil {
		t.Fatal("a socket that a killed process left:", err)
	}
	if _, err := m.Operator().Status(t.Context()); err != nil {
		t.Error(err)
	}
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err == nil {
		t.Error("a file at the socket's place is served over")
	}
	if b, err := os.ReadFile(path); string(b) != "precious" {
		t.Error("the file is gone:", err)
	}
	_, err := m.Operator().Status(t.Context())
	if err == nil || !strings.Contains(hintOf(err), "is the authority running?") {
		t.Errorf("nobody serves: %v, hint %q", err, hintOf(err))
	}
}

// leaveSocket makes a socket that nobody serves.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOneProcessServesADirectory opens the directory of a running authority.
func TestOneProcessServesADirectory(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	m, a := d.Members[0], newApplicant(t, d, web)
	protector, err := custody.FromKeyFile(m.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := authority.Open(t.Context(), authority.Config{Dir: m.Dir, Protector: protector})
	if err == nil {
		opened.Close()
	}
	if !errors.Is(err, store.ErrInUse) || !strings.Contains(hintOf(err), "stop the other one") {
		t.Errorf("%v, hint %q", err, hintOf(err))
	}
	a.enrol(t) // the first goes on, socket and all
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(m.Dir, 0o750); err != nil {
		t.Fatal(err)
	}
	opened, err = authority.Open(t.Context(), authority.Config{Dir: m.Dir, Protector: protector})
	if err == nil {
		opened.Close()
	}
	if !errors.Is(err, custody.ErrPermissions) || !strings.Contains(hintOf(err), "chmod 700") {
		t.Errorf("a directory that others read: %v, hint %q", err, hintOf(err))
	}
}

func TestAdminCallsAreNotPublic(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	m := d.Members[0]
	public, admin := publicOf(m), adminOf(m)
	for _, r := range routesOf(t, m) {
		elsewhere := public
		if r.side.base == public.base {
			elsewhere = admin
		}
		a := elsewhere.do(t, r.method, r.path, "application/json", strings.NewReader("{}"))
		if a.problem == nil || a.problem.Kind != problem.NotFound {
			t.Errorf("%s on the other side: status %d", r, a.StatusCode)
		}
	}
}

func TestThousandsOfNamesAreRegistered(t *testing.T) {
	const many = 3000
	d := limited(t, at(noon()), authority.Limits{})
	m := d.Members[0]
	names := make([]identity.Name, many)
	for i := range names {
		names[i] = mustName(t, fmt.Sprintf("spiffe://example.org/fleet/%04d", i))
	}
	codes, err := m.Operator().Register(t.Context(), names, identity.Channel, time.Unix(int64(d.Now()), 0).Add(time.Hour))
	if err != nil || len(codes) != many {
		t.Fatal(len(codes), err)
	}
	seen := map[string]bool{}
	for i, made := range codes {
		code, err := dta.ParseCode(made.Code)
		if err != nil || code.Index() != 1 || code.Canonical() != made.Code || made.Name != names[i] || seen[made.Code] {
			t.Fatalf("line %d: %v %v", i+1, made.Name, err)
		}
		seen[made.Code] = true
	}
	listing, err := m.Operator().List(t.Context(), identity.Name{})
	if err != nil || len(listing.Codes) != many {
		t.Fatal(len(listing.Codes), err)
	}
	for _, i := range []int{0, many / 2, many - 1} {
		code, _ := dta.ParseCode(codes[i].Code)
		if err := newApplicant(t, d, names[i].String()).ask(t, 1, withCode(code)); err != nil {
			t.Errorf("code %d: %v", i, err)
		}
	}
}

// register makes one call, as it travels.
func register(t *testing.T, m *authoritytest.Member, names []string, purpose identity.Purpose, expires time.Time) answered {
	t.Helper()
	body, err := json.Marshal(map[string]any{"names": names, "purpose": purpose, "expires": expires})
	if err != nil {
		t.Fatal(err)
	}
	return adminOf(m).post(t, "/admin/register", string(body))
}

func TestRegisterTakesAllOrNothing(t *testing.T) {
	c := at(noon())
	d := limited(t, c, authority.Limits{})
	m, soon := d.Members[0], c.Now().Add(time.Hour)
	thousand := make([]string, 1001)
	for i := range thousand {
		thousand[i] = fmt.Sprintf("spiffe://example.org/x/%d", i)
	}
	day := 24 * time.Hour
	for what, c := range map[string]struct {
		kind    problem.Kind
		names   []string
		purpose identity.Purpose
		expires time.Time
	}{
		"no name":            {problem.Malformed, nil, identity.Channel, soon},
		"too many":           {problem.Malformed, thousand, identity.Channel, soon},
		"no SPIFFE ID":       {problem.Malformed, []string{web, "web"}, identity.Channel, soon},
		"another domain":     {problem.NameRefused, []string{web, api, "spiffe://example.com/web"}, identity.Channel, soon},
		"a domain below":     {problem.NameRefused, []string{web, "spiffe://a.example.org/web"}, identity.Channel, soon},
		"no purpose":         {problem.PurposeRefused, []string{web}, "", soon},
		"no service":         {problem.ServiceUnknown, []string{web}, identity.MPin, soon},
		"a permit":           {problem.PurposeRefused, []string{web}, identity.Permit, soon},
		"a ceremony purpose": {problem.PurposeRefused, []string{web}, identity.Document, soon},
		"expired":            {problem.Malformed, []string{web}, identity.Channel, c.Now()},
		"no expiry":          {problem.Malformed, []string{web}, identity.Channel, time.Time{}},
		"far expiry":         {problem.Malformed, []string{web}, identity.Channel, c.Now().Add(90*day + time.Minute)},
	} {
		a := register(t, m, c.names, c.purpose, c.expires)
		if a.problem == nil || a.problem.Kind != c.kind || strings.Contains(a.text, `"codes"`) {
			t.Errorf("%s: %v, %.100s", what, a.problem, a.text)
		}
	}
	if listing, err := m.Operator().List(t.Context(), identity.Name{}); err != nil || len(listing.Codes) != 0 {
		t.Errorf("refused, and yet %d codes wait: %v", len(listing.Codes), err)
	}
	for what, a := range map[string]answered{
		"the most names":  register(t, m, thousand[:1000], identity.Channel, soon),
		"the last expiry": register(t, m, []string{web}, identity.Decrypt, c.Now().Add(90*day-time.Minute)),
		"a name twice":    register(t, m, []string{api, api}, identity.Channel, soon),
	} {
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: %v", what, a.problem)
		}
	}
}

// TestRegisterReturnsTheCodesBeforeAnError: an operator who gave 30 names, the
// 28th of another domain, has codes for those before its part.
func TestRegisterReturnsTheCodesBeforeAnError(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	m := d.Members[0]
	names := make([]identity.Name, 30)
	for i := range names {
		names[i] = mustName(t, fmt.Sprintf("spiffe://example.org/x/%d", i))
	}
	names[27] = mustName(t, "spiffe://example.com/x")
	codes, err := m.Operator().Register(t.Context(), names, identity.Channel, time.Unix(int64(d.Now()), 0).Add(time.Hour))
	refused(t, err, problem.NameRefused)
	if err == nil || !strings.Contains(err.Error(), names[27].String()) {
		t.Error("which name it was:", err)
	}
	listing, err := m.Operator().List(t.Context(), identity.Name{})
	if err != nil || len(listing.Codes) != len(codes) || len(codes) != 25 {
		t.Errorf("%d codes wait, %d were returned: %v", len(listing.Codes), len(codes), err)
	}
}

func TestRevokeEndsWhatItNames(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	m, a := d.Members[0], newApplicant(t, d, web)
	other := &applicant{domain: d, name: mustName(t, api), device: a.device}
	a.enrol(t)
	other.enrol(t)
	code := d.Codes(t, a.name, identity.Decrypt)[1]
	if err := a.ask(t, 1, func(q *dta.Request) { withCode(code)(q); q.Key.Purpose = identity.Decrypt }); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		name string
		want authority.Revoked
	}{
		{"spiffe://example.org/nobody", authority.Revoked{}},
		{"spiffe://example.org/we_", authority.Revoked{}},
		{"spiffe://example.org/WEB", authority.Revoked{}},
		{web, authority.Revoked{Enrolments: 2}},
		{web, authority.Revoked{}},
	} {
		answer := adminOf(m).post(t, "/admin/revoke", `{"name":"`+c.name+`"}`)
		var got authority.Revoked
		if answer.problem == nil && json.Unmarshal([]byte(answer.text), &got) != nil || got != c.want {
			t.Errorf("%d, %s: %s", i, c.name, answer.text)
		}
	}
	if err := m.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(t, a.ask(t, 1, nil), problem.Revoked)
	refused(t, a.ask(t, 1, func(q *dta.Request) { q.Key.Purpose = identity.Decrypt }), problem.Revoked)
	if err := other.ask(t, 1, nil); err != nil {
		t.Error("the device under its other name:", err)
	}
	listing, err := m.Operator().List(t.Context(), a.name)
	if err != nil || len(listing.Enrolments) != 2 || !listing.Enrolments[0].Revoked || !listing.Enrolments[1].Revoked {
		t.Error(listing, err)
	}
}

func TestListShowsWhatWaitsAndWhatIsEnrolled(t *testing.T) {
	c := at(noon())
	d := limited(t, c, authority.Limits{})
	m, a := d.Members[0], newApplicant(t, d, web)
	if text := adminOf(m).do(t, http.MethodGet, "/admin/list", "", nil).text; text != `{"enrolments":[],"codes":[]}`+"\n" {
		t.Error("empty:", text)
	}
	a.enrol(t)
	waiting := d.Codes(t, a.name, identity.Decrypt)[1]
	d.Codes(t, mustName(t, web+"/below"), identity.Channel)
	device, err := identity.DeviceOf(a.device)
	if err != nil {
		t.Fatal(err)
	}
	listing, err := m.Operator().List(t.Context(), a.name)
	if err != nil || len(listing.Enrolments) != 1 || len(listing.Codes) != 1 {
		t.Fatal(listing, err)
	}
	e, w := listing.Enrolments[0], listing.Codes[0]
	if e.Name != web || e.Purpose != "channel" || e.Device != authority.HexHash(device.Hash()) || e.Revoked || c.Now().Sub(e.Enrolled).Abs() > time.Minute {
		t.Error(e)
	}
	if w.Name != web || w.Purpose != "decrypt" || w.Expires.Sub(c.Now().Add(time.Hour)).Abs() > time.Minute {
		t.Error(w)
	}
	for _, query := range []string{"?name=" + web + "%25", "?name='%20OR%20''='", "?name=spiffe://example.org"} {
		if text := adminOf(m).do(t, http.MethodGet, "/admin/list"+query, "", nil).text; text != `{"enrolments":[],"codes":[]}`+"\n" {
			t.Errorf("%s: %s", query, text)
		}
	}
	all := adminOf(m).do(t, http.MethodGet, "/admin/list", "", nil).text
	for form, bytes := range formsOfCode(t, waiting) {
		if strings.Contains(all, string(bytes)) {
			t.Errorf("the list has a code, as %s", form)
		}
	}
}

func TestStatusSaysHowTheAuthorityIs(t *testing.T) {
	c := at(noon())
	d := limited(t, c, authority.Limits{})
	m, a := d.Members[1], newApplicant(t, d, web)
	a.enrol(t)
	s, err := m.Operator().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != m.Card.Name || s.URL != m.URL() || !s.Ready || s.Why != "" || s.Issued != 1 || s.Clock.Sub(c.Now()).Abs() > time.Minute {
		t.Errorf("%+v", s)
	}
	if len(s.Plans) != 1 || s.Plans[0] != (authority.PlanStatus{Plan: d.Plan.Hash(), Domain: "example.org", Index: 2, State: "active"}) {
		t.Errorf("%+v", s.Plans)
	}
	want := authority.DomainState{Domain: "example.org", Fingerprint: d.Published.Document.ID(), Index: 2, Revision: 1, Threshold: 2,
		Authorities: 2, StampDay: dta.Day(d.Now()), Fresh: true}
	if s.Domain == nil || *s.Domain != want {
		t.Errorf("%+v, want %+v", s.Domain, want)
	}
}

// TestStatusSaysThatTheStampIsOld has an authority alone for eight days.
func TestStatusSaysThatTheStampIsOld(t *testing.T) {
	c := at(noon())
	d := limited(t, c, authority.Limits{})
	m, a := d.Members[1], newApplicant(t, d, web)
	a.enrol(t)
	if err := d.Members[0].Stop(); err != nil {
		t.Fatal(err)
	}
	c.forward(8 * 24 * time.Hour)
	s, err := m.Operator().Status(t.Context())
	if err != nil || !s.Ready || s.Domain.Fresh || s.Domain.StampDay != dta.Day(d.Now())-8 {
		t.Errorf("%+v %+v %v", s, s.Domain, err)
	}
	made := register(t, m, []string{api}, identity.Channel, c.Now().Add(time.Hour))
	var codes struct{ Codes []authority.Registration }
	if err := json.Unmarshal([]byte(made.text), &codes); err != nil || len(codes.Codes) != 1 {
		t.Fatal(made.text)
	}
	code, err := dta.ParseCode(codes.Codes[0].Code)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, newApplicant(t, d, api).ask(t, 2, withCode(code)), problem.NoStamp)
	if err := a.ask(t, 2, nil); err != nil {
		t.Error("renewals go on:", err)
	}
}

func TestSocketPathThatIsTooLongIsSaid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	protector, err := custody.NewKeyFile(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Init(t.Context(), dir, protector, "one", "http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	a, err := authority.Open(t.Context(), authority.Config{Dir: dir, Protector: protector})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	listener, err := a.ListenAdmin()
	if err == nil {
		listener.Close()
	}
	if err == nil || !strings.Contains(hintOf(err), "choose a shorter directory") {
		t.Errorf("%v, hint %q", err, hintOf(err))
	}
}
