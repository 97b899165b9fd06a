package wallet

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

func TestEnrolStoresAKeyThatVerifies(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n := c.enrolled(t)
	shown := must(w.Show(n))(t)
	if len(shown.Keys) != 1 || shown.Keys[0].Err != nil || shown.Domain != c.id() {
		t.Fatalf("shown: %+v", shown)
	}
	if names := must(w.Names())(t); !slices.Equal(names, []identity.Name{n}) {
		t.Errorf("names = %v", names)
	}
	credential := must(w.Source(n).Credential())(t)
	if credential.Name != n || credential.Epoch != shown.Keys[0].Epoch || credential.Device != shown.Device {
		t.Errorf("credential = %+v", credential)
	}
}

func TestEnrolReportsEveryAuthority(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n := c.pinned(t), name(t, "spiffe://example.org/web")
	r := must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
	if got := outcomes(r.Keys[0]); !slices.Equal(got, []Outcome{OK, OK, OK}) {
		t.Errorf("outcomes = %v", got)
	}
}

func TestEnrolKeepsStatements(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n := c.enrolled(t)
	for i, a := range c.published.Document.Authorities() {
		b := must(w.disk.read(filepath.Join(w.nameDir(n), "statement_channel_1_"+string(rune('1'+i)))))(t)
		if s := must(dta.ParseStatement(a, b))(t); s.Name != n {
			t.Errorf("statement of authority %d is for %v", a.Index, s.Name)
		}
	}
}

func TestLyingAuthorityIsNamedWithEvidence(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n := c.pinned(t), name(t, "spiffe://example.org/web")
	c.authorities[1].lies = true
	r := must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
	if got := outcomes(r.Keys[0]); !slices.Equal(got, []Outcome{OK, Lying, OK}) {
		t.Fatalf("outcomes = %v", got)
	}
	evidence := must(os.ReadFile(r.Keys[0].Authorities[1].Evidence))(t)
	if verdict := must(dta.JudgeFalseShare(evidence))(t); verdict.Authority.Index != 2 {
		t.Errorf("evidence convicts authority %d", verdict.Authority.Index)
	}
	must(w.Renew(t.Context(), n))(t)
	if files := must(os.ReadDir(filepath.Join(w.evidenceDir(), "example.org")))(t); len(files) != 2 { // and its lock
		t.Errorf("%d files of evidence: a liar fills the disk", len(files))
	}
}

func TestEnrolFailsBelowTheThresholdAndNamesEachAuthority(t *testing.T) {
	c := newTown(t, 3, 3, day)
	w, n := c.pinned(t), name(t, "spiffe://example.org/web")
	c.authorities[0].revoked = true
	c.authorities[2].lies = true
	r, err := w.Enrol(t.Context(), n, identity.Channel, c.register())
	if !errors.Is(err, dta.ErrThreshold) || !errors.Is(err, problem.Revoked) {
		t.Fatalf("error = %v", err)
	}
	if got := outcomes(r.Keys[0]); !slices.Equal(got, []Outcome{Refused, OK, Lying}) {
		t.Errorf("outcomes = %v", got)
	}
	if r.Keys[0].Authorities[0].Hint == "" || r.Keys[0].Authorities[2].Evidence == "" {
		t.Errorf("report without hint or evidence: %+v", r.Keys[0].Authorities)
	}
	if _, err := w.Source(n).Credential(); !errors.Is(err, ErrNoKey) {
		t.Errorf("credential: %v", err)
	}
}

func TestEnrolRefusesBeforeAnythingIsSent(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w := c.pinned(t)
	swapped := c.register()
	swapped[1], swapped[2] = swapped[2], swapped[1]
	few := c.register()
	delete(few, 1)
	delete(few, 2)
	cases := map[string]struct {
		name    string
		purpose identity.Purpose
		codes   map[uint32]dta.Code
		want    error
	}{
		"codes of other authorities": {"spiffe://example.org/web", identity.Channel, swapped, dta.ErrCode},
		"too few codes":              {"spiffe://example.org/web", identity.Channel, few, dta.ErrCode},
		"a name of no domain":        {"spiffe://example.com/web", identity.Channel, c.register(), ErrNotPinned},
		"purpose mpin":               {"spiffe://example.org/web", identity.MPin, c.register(), identity.ErrPurpose},
		"purpose fresh":              {"spiffe://example.org/web", identity.Fresh, c.register(), identity.ErrPurpose},
	}
	for title, k := range cases {
		if _, err := w.Enrol(t.Context(), name(t, k.name), k.purpose, k.codes); !errors.Is(err, k.want) {
			t.Errorf("%s: %v", title, err)
		}
	}
	for _, b := range c.authorities {
		if b.count() != 0 {
			t.Errorf("authority %d was asked", b.index)
		}
	}
	if names := must(w.Names())(t); len(names) != 0 {
		t.Errorf("names = %v", names)
	}
}

func TestEnrolAgainCompletesWhatWasInterrupted(t *testing.T) {
	c := newTown(t, 3, 3, day)
	w, n, codes := c.pinned(t), name(t, "spiffe://example.org/web"), c.register()
	c.authorities[1].revoked = true // two codes are used, the key is not made
	if _, err := w.Enrol(t.Context(), n, identity.Channel, codes); !errors.Is(err, dta.ErrThreshold) {
		t.Fatal(err)
	}
	device := must(os.ReadFile(filepath.Join(w.nameDir(n), deviceFile)))(t)
	c.authorities[1].revoked = false
	must(w.Enrol(t.Context(), n, identity.Channel, codes))(t)
	must(w.Source(n).Credential())(t)
	if again := must(os.ReadFile(filepath.Join(w.nameDir(n), deviceFile)))(t); !slices.Equal(again, device) {
		t.Error("the device key was made anew")
	}
}

func TestAnInterruptedEnrolmentSaysWhatBecameOfEachCode(t *testing.T) {
	c := newTown(t, 3, 3, day)
	w, n, codes := c.pinned(t), name(t, "spiffe://example.org/web"), c.register()
	c.authorities[1].set(func(b *booth) { b.codes = map[[32]byte]string{} }) // it has expired there
	for range 2 {
		r, err := w.Enrol(t.Context(), n, identity.Channel, codes)
		if !errors.Is(err, problem.CodeUnknown) || errors.Is(err, problem.NotEnrolled) {
			t.Errorf("error = %v", err)
		}
		if a := r.Keys[0].Authorities[1]; a.Outcome != Refused || a.Hint == "" {
			t.Errorf("authority 2: %+v", a)
		}
	}
	codes[2] = c.register()[2]
	must(w.Enrol(t.Context(), n, identity.Channel, codes))(t)
}

func TestEnrolStopsWhereTwoDocumentsAreShown(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w := c.pinned(t)
	f := c.fields
	f.Flags = []string{"shared-root"}
	c.authorities[2].shows = c.document(t, f)
	if _, err := w.Enrol(t.Context(), name(t, "spiffe://example.org/web"), identity.Channel, c.register()); !errors.Is(err, ErrConflict) {
		t.Errorf("error = %v", err)
	}
}

func TestEnrolTwoPurposesUnderOneDevice(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n := c.enrolled(t)
	must(w.Enrol(t.Context(), n, identity.Decrypt, c.register()))(t)
	shown := must(w.Show(n))(t)
	if len(shown.Keys) != 2 || shown.Keys[0].Err != nil || shown.Keys[1].Err != nil || shown.Keys[1].Purpose != identity.Decrypt {
		t.Errorf("keys = %+v", shown.Keys)
	}
}

func TestRenewAsksForTheKeyInHand(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n := c.enrolled(t)
	r := must(w.Renew(t.Context(), n))(t)
	if len(r.Keys) == 0 || r.Keys[0].Err != nil {
		t.Fatalf("report = %+v", r)
	}
	for _, b := range c.authorities[1:] {
		b.revoked = true
	}
	r, err := w.Renew(t.Context(), n)
	if !errors.Is(err, problem.Revoked) || !errors.Is(err, dta.ErrThreshold) {
		t.Errorf("revoked at two of three: %v", err)
	}
	if got := outcomes(r.Keys[0]); !slices.Equal(got, []Outcome{OK, Refused, Refused}) {
		t.Errorf("outcomes = %v", got)
	}
	if shown := must(w.Show(n))(t); len(shown.Keys) == 0 || shown.Keys[0].Err != nil {
		t.Error("the key in hand is gone")
	}
}

func TestRenewFollowsANewGeneration(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n := c.enrolled(t)
	c.generation = keysGeneration(2)
	f := c.successor()
	f.Generation = c.generation
	for _, b := range c.authorities {
		b.share = newShare(c, b.index)
	}
	c.publish(t, f)
	must(w.Renew(t.Context(), n))(t)
	if got := must(w.Domain("example.org"))(t).Published.Document.Revision(); got != 2 {
		t.Errorf("revision = %d", got)
	}
}

func TestAnotherDeviceKeyIsRefused(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n := c.enrolled(t)
	path := filepath.Join(w.nameDir(n), deviceFile)
	check(t, os.Remove(path))
	if _, err := w.Renew(t.Context(), n); !missing(err) {
		t.Errorf("device key gone: %v", err)
	}
	if _, err := os.Stat(path); !missing(err) {
		t.Error("an enrolled name got another device key")
	}
	must(w.makeDevice(path))(t)
	if _, err := w.Renew(t.Context(), n); !errors.Is(err, ErrDevice) {
		t.Errorf("another device key: %v", err)
	}
}

func TestForgetMakesRoomForAnotherDevice(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n := c.enrolled(t)
	before := must(w.Show(n))(t).Device
	check(t, w.Forget(t.Context(), n))
	if _, err := w.Show(n); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("forgotten: %v", err)
	}
	must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
	if must(w.Show(n))(t).Device == before {
		t.Error("the device is the same")
	}
	if err := w.Forget(t.Context(), name(t, "spiffe://example.org/none")); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("unknown name: %v", err)
	}
}
