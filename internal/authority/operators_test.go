package authority_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
)

// person has an operator's key.
type person struct {
	name string
	key  ed25519.PrivateKey
}

func newPerson(t testing.TB, name string) person {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return person{name, key}
}

func (p person) public() ed25519.PublicKey { return p.key.Public().(ed25519.PublicKey) }

// enter asks a member to make p an operator, whom others approve.
func (p person) enter(t testing.TB, m *authoritytest.Member, others ...person) (authority.OperatorEntry, error) {
	t.Helper()
	var approvals [][]byte
	for _, other := range others {
		approval, err := m.Operator().ApproveOperator(t.Context(), other.key, p.name, p.public())
		if err != nil {
			t.Fatal(err)
		}
		approvals = append(approvals, approval)
	}
	return m.Operator().Enter(t.Context(), p.name, p.public(), approvals...)
}

// entered fails the test unless p is an operator now.
func (p person) entered(t testing.TB, m *authoritytest.Member, others ...person) {
	t.Helper()
	if e, err := p.enter(t, m, others...); err != nil || !e.Entered {
		t.Fatalf("%s: %+v, %v", p.name, e, err)
	}
}

// oneAuthority returns a member of a domain, with its first two operators.
func oneAuthority(t testing.TB, c *clock) (m *authoritytest.Member, ann, ben person) {
	t.Helper()
	d := authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: c.Now})
	m, ann, ben = d.Members[0], newPerson(t, "ann"), newPerson(t, "ben")
	ann.entered(t, m)
	ben.entered(t, m)
	return m, ann, ben
}

func TestThirdOperatorNeedsTwoOthers(t *testing.T) {
	c := at(noon())
	m, ann, ben := oneAuthority(t, c)
	cleo, dan := newPerson(t, "cleo"), newPerson(t, "dan")
	for _, approved := range []int{0, 1, 1} {
		others := []person{ann}[:min(approved, 1)]
		if e, err := cleo.enter(t, m, others...); err != nil || e.Entered || e.Approved != approved || e.Needed != 2 {
			t.Errorf("%+v, %v, want %d", e, err, approved)
		}
		c.forward(2 * time.Second)
	}
	if e, err := cleo.enter(t, m, ann, ann); err != nil || e.Entered {
		t.Error("one person twice:", e, err)
	}
	if _, err := cleo.enter(t, m, cleo); err == nil {
		t.Error("she approved herself")
	}
	if e, err := dan.enter(t, m, ben); err != nil || e.Entered || e.Approved != 1 {
		t.Error("approvals of another counted:", e, err)
	}
	cleo.entered(t, m, ben)
	dan.entered(t, m, cleo)
	cleo.entered(t, m) // said again
	var names []string
	status := statusOf(t, m)
	for _, o := range status.Operators {
		names = append(names, o.Name)
	}
	if !slices.Equal(names, []string{"ann", "ben", "cleo", "dan"}) || len(status.Approvals) != 0 {
		t.Errorf("operators %v, waiting %v", names, status.Approvals)
	}
}

func TestOperatorsAreDifferentPeople(t *testing.T) {
	m, ann, ben := oneAuthority(t, at(noon()))
	_, err := person{"anna", ann.key}.enter(t, m, ann, ben)
	refused(t, err, problem.Forbidden)
	_, err = newPerson(t, "ann").enter(t, m, ann, ben)
	refused(t, err, problem.Forbidden)
	for _, name := range []string{"", " ann", "ann\n", "ann\x1b[2J", "änn", strings.Repeat("a", 65)} {
		_, err := newPerson(t, name).enter(t, m)
		refused(t, err, problem.Malformed)
	}
	virgin := authoritytest.New(t, authoritytest.Config{Authorities: 2}).Members[0]
	ann.entered(t, virgin)
	_, err = person{"ben", ann.key}.enter(t, virgin)
	refused(t, err, problem.Forbidden)
	if e, err := newPerson(t, "ben").enter(t, virgin); err != nil || !e.Entered {
		t.Error(e, err)
	}
}

// approval is the word of a person, as it travels.
func (p person) approval(m *authoritytest.Member, act string, subject []byte, at uint64) []byte {
	return encoding.Sign(p.key, encoding.LP("milagro/v1 operator approval", m.Card.Ed25519, []byte(act), subject, encoding.U64(at)))
}

func (p person) subject() []byte {
	return encoding.LP("milagro/v1 operator", []byte(p.name), p.public())
}

// TestApprovalsThatApproveNothingAreRefused forges one thing at a time.
func TestApprovalsThatApproveNothingAreRefused(t *testing.T) {
	d, _ := loginDomain(t, at(noon()))
	m, ann, ben, cleo := d.Members[0], newPerson(t, "ann"), newPerson(t, "ben"), newPerson(t, "cleo")
	ann.entered(t, m)
	ben.entered(t, m)
	login := service(t, d, "login")
	id := d.Published.Document.ServiceID(login)
	key := slices.Concat(id[:], login.Generation.Bytes())
	other := slices.Clone(key)
	other[0]++
	older := slices.Clone(key)
	older[len(older)-1]++
	now := d.Now()
	altered := ann.approval(m, "server-key", key, now)
	altered[len(altered)-1] ^= 1
	for what, c := range map[string]struct {
		kind   problem.Kind
		signed []byte
	}{
		"a stranger's":       {problem.Forbidden, cleo.approval(m, "server-key", key, now)},
		"the authority's":    {problem.Forbidden, person{"", stolen(t, m)}.approval(m, "server-key", key, now)},
		"altered":            {problem.Forbidden, altered},
		"of another":         {problem.Forbidden, ann.approval(d.Members[1], "server-key", key, now)},
		"past":               {problem.StaleTime, ann.approval(m, "server-key", key, now-305)},
		"future":             {problem.StaleTime, ann.approval(m, "server-key", key, now+305)},
		"the last time":      {problem.StaleTime, ann.approval(m, "server-key", key, ^uint64(0))},
		"another service":    {problem.ServiceUnknown, ann.approval(m, "server-key", other, now)},
		"another generation": {problem.WrongGeneration, ann.approval(m, "server-key", older, now)},
		"an operator":        {problem.Malformed, ann.approval(m, "operator", cleo.subject(), now)},
		"no act":             {problem.Malformed, ann.approval(m, "", key, now)},
		"a short subject":    {problem.Malformed, ann.approval(m, "server-key", key[:71], now)},
		"no subject":         {problem.Malformed, ann.approval(m, "server-key", nil, now)},
		"a long subject":     {problem.Malformed, ann.approval(m, "server-key", make([]byte, 2000), now)},
		"another label":      {problem.Malformed, encoding.Sign(ann.key, encoding.LP("milagro/v1 approval", m.Card.Ed25519, []byte("server-key"), key, encoding.U64(now)))},
		"truncated":          {problem.Malformed, altered[:len(altered)-1]},
	} {
		if p := postApproval(t, m, c.signed).problem; p == nil || p.Kind != c.kind {
			t.Errorf("%s: %v, want %q", what, p, string(c.kind))
		}
	}
	for what, signed := range map[string][]byte{
		"of somebody else": ann.approval(m, "operator", newPerson(t, "dan").subject(), now),
		"of a server key":  ann.approval(m, "server-key", cleo.subject(), now),
	} {
		if _, err := m.Operator().Enter(t.Context(), "cleo", cleo.public(), signed); err == nil {
			t.Errorf("cleo is approved by what is %s", what)
		}
	}
	if status := statusOf(t, m); len(status.Approvals) != 0 || len(status.Operators) != 2 {
		t.Errorf("%+v", status)
	}
	if a := postApproval(t, m, ann.approval(m, "server-key", key, now)); !strings.Contains(a.text, `"approved":1`) {
		t.Error("the true one:", a.text)
	}
}

func postApproval(t *testing.T, m *authoritytest.Member, signed []byte) answered {
	t.Helper()
	return adminOf(m).post(t, "/admin/approve", fmt.Sprintf(`{"approval":%q}`, base64Of(signed)))
}

// TestApprovalsAreNotShownTwice shows the approvals that one delivery consumed
// again, within their time.
func TestApprovalsAreNotShownTwice(t *testing.T) {
	d, s := loginDomain(t, at(noon()))
	m, ann, ben := d.Members[0], newPerson(t, "ann"), newPerson(t, "ben")
	ann.entered(t, m)
	ben.entered(t, m)
	login := service(t, d, "login")
	id := d.Published.Document.ServiceID(login)
	var shown [][]byte
	for _, one := range []person{ann, ben} {
		shown = append(shown, one.approval(m, "server-key", slices.Concat(id[:], login.Generation.Bytes()), d.Now()))
	}
	for n, signed := range [][]byte{shown[0], shown[0], shown[1], shown[0]} {
		want := fmt.Sprintf(`"approved":%d`, []int{1, 1, 2, 2}[n])
		if a := postApproval(t, m, signed); !strings.Contains(a.text, want) {
			t.Fatalf("%d: %s", n, a.text)
		}
	}
	if _, err := s.askKey(t, d, 1, nil).send(t); err != nil {
		t.Fatal(err)
	}
	for _, signed := range shown {
		if p := postApproval(t, m, signed).problem; p == nil || p.Kind != problem.Forbidden {
			t.Errorf("shown again: %v", p)
		}
	}
	_, err := s.askKey(t, d, 1, nil).send(t)
	refused(t, err, problem.NotApproved)
}

// TestApprovalsWaitSevenDays for the second.
func TestApprovalsWaitSevenDays(t *testing.T) {
	c := at(noon())
	m, ann, ben := oneAuthority(t, c)
	cleo := newPerson(t, "cleo")
	if e, err := cleo.enter(t, m, ann); err != nil || e.Approved != 1 {
		t.Fatal(e, err)
	}
	c.forward(7*24*time.Hour + time.Second)
	if e, err := cleo.enter(t, m, ben); err != nil || e.Entered || e.Approved != 1 {
		t.Error("after more than seven days:", e, err)
	}
	c.forward(7*24*time.Hour - time.Minute)
	cleo.entered(t, m, ann)
}

// TestStatusSaysWhatWaits reads it as it travels.
func TestStatusSaysWhatWaits(t *testing.T) {
	d, _ := loginDomain(t, at(noon()))
	m := d.Members[0]
	operators, err := m.Operators(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state, err := m.Service(t.Context(), "login")
	if err != nil {
		t.Fatal(err)
	}
	if want := service(t, d, "login").CardFingerprint(); state.Fingerprint != authority.HexHash(want) || state.Origin != "https://login.example.org" {
		t.Errorf("%+v", state)
	}
	if _, err := m.Operator().Approve(t.Context(), operators[1], state); err != nil {
		t.Fatal(err)
	}
	cleo := newPerson(t, "cleo")
	if _, err := cleo.enter(t, m, person{"", operators[0]}); err != nil {
		t.Fatal(err)
	}
	var status authority.Status
	if err := json.Unmarshal([]byte(adminOf(m).do(t, "GET", "/admin/status", "", nil).text), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Approvals) != 2 || status.Services[0].Approved != 1 || status.Services[0].Needed != 2 {
		t.Fatalf("%+v", status)
	}
	for i, want := range []authority.Approval{{Operator: "person 1", Act: "operator", Subject: "cleo"}, {Operator: "person 2", Act: "server-key", Subject: "login"}} {
		got := status.Approvals[i]
		until := got.Expires.Sub(status.Clock)
		if got.Expires = (time.Time{}); got != want || until < 7*24*time.Hour-time.Minute || until > 7*24*time.Hour {
			t.Errorf("%+v until %v, want %+v", got, until, want)
		}
	}
}
