package login_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/login/logintest"
)

// TestJournalHasEveryRevocation: by the operator before the database, by a PIN
// change after it; a line that a crash has cut is nothing, and what comes after it
// is whole.
func TestJournalHasEveryRevocation(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p, q, old, next := s.Person(t, alice, right), s.Person(t, bob, right), s.Person(t, "acct:carol@example.org", right), s.newDevice("acct:carol@example.org")
	image := s.backup()
	if _, err := s.Operator().Revoke(t.Context(), p.Name, nil); err != nil {
		t.Fatal(err)
	}
	vouchers, err := s.intends(old, next)
	s.done(err)
	s.succeeds(old, next, vouchers)
	s.done(next.ShowRow(t.Context()))
	s.logsInWith(next, newPIN)
	path := filepath.Join(s.Dir, "revoked")
	text, err := os.ReadFile(path)
	s.done(err)
	for _, who := range []*logintest.Person{p, old} {
		if !strings.Contains(string(text), " "+who.Device.Hash().String()+" "+who.Name.String()+"\n") {
			t.Errorf("%v is not in the journal:\n%s", who.Name, text)
		}
	}
	s.done(s.Stop())
	s.done(os.WriteFile(path, append(text, "1800000000 abcd"...), 0o600))
	s.done(s.Start(t.Context()))
	s.done(s.AwaitReady(t.Context()))
	hash := q.Device.Hash()
	if r, err := s.Operator().Revoke(t.Context(), q.Name, &hash); err != nil || r.Devices != 1 {
		t.Fatal(r, err)
	}
	text, err = os.ReadFile(path)
	s.done(err)
	if lines := strings.Split(string(text), "\n"); len(lines) != 4 || strings.Contains(string(text), "abcd ") || !strings.HasSuffix(lines[2], bob) {
		t.Errorf("%s", text)
	}
	s.restore(image, afterRestore)
	for _, who := range []*logintest.Person{p, q, old} {
		s.counts(who, 4, 0, "revoked")
	}
	s.done(next.ShowRow(t.Context())) // its row was younger than the backup
	s.logsInWith(next, newPIN)
}

// TestRevocationHoldsBeforeTheRow: a device that is revoked before it has shown its
// statements gets no row by them.
func TestRevocationHoldsBeforeTheRow(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.newDevice(alice)
	s.done(p.Register(t.Context(), right))
	s.permitted(p)
	hash := p.Device.Hash()
	for want := range 2 {
		if r, err := s.Operator().Revoke(t.Context(), p.Name, &hash); err != nil || r.Devices != 1-want {
			t.Errorf("revoked %+v, %v", r, err)
		}
	}
	s.done(p.ShowRow(t.Context()))
	s.fails(p, right)
	s.counts(p, 0, 0, "revoked")
	s.known(p, 1, 2, 3)
}

// TestRevocationOfOneDeviceLeavesTheOthers of the name, and those of other names.
func TestRevocationOfOneDeviceLeavesTheOthers(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p, q, r := s.Person(t, alice, right), s.Person(t, alice, right), s.Person(t, bob, right)
	hash := p.Device.Hash()
	s.permitted(p)
	if n, err := s.Operator().Revoke(t.Context(), p.Name, &hash); err != nil || n.Devices != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	s.fails(p, right)
	s.logsIn(q)
	s.logsIn(r)
	l, err := s.Operator().List(t.Context(), identity.Name{})
	if err != nil || len(l.Devices) != 3 || l.More {
		t.Errorf("%+v, %v", l, err)
	}
	status, err := s.Operator().Status(t.Context())
	if err != nil || status.Devices != 2 || !status.Ready || status.Domain != "example.org" || status.Revision != 2 || status.Card != s.Card.Fingerprint() {
		t.Errorf("%+v, %v", status, err)
	}
}
