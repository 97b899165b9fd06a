package dkg

import (
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"
	"testing"

	"milagro.dev/identity"
)

// world is n authorities whose long-term keys the test holds.
type world struct {
	plan  *Plan
	keys  []ed25519.PrivateKey
	boxes []hpke.PrivateKey
}

func newWorld(t testing.TB, kind Kind, threshold, n int) *world {
	t.Helper()
	w := &world{}
	terms := Terms{Kind: kind, Domain: "example.org", Threshold: uint32(threshold),
		Schedules: []Schedule{{identity.Channel, 86_400}, {identity.Decrypt, 86_400}}}
	if kind == Pin {
		terms.Service = &Service{DomainID: identity.DomainID{1}, Name: "login", Origin: "https://login.example.org", LoginKey: []byte{1}, Revision: 1}
		terms.Schedules = []Schedule{{identity.Permit, 30 * 86_400}}
	}
	for i := range n {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		box, err := hpke.MLKEM768X25519().GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		card, err := SignCard(key, fmt.Sprintf("operator %d", i+1), fmt.Sprintf("http://127.0.0.1:%d", i+1), box.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		w.keys, w.boxes, terms.Cards = append(w.keys, key), append(w.boxes, box), append(terms.Cards, card)
	}
	plan, err := NewPlan(terms)
	if err != nil {
		t.Fatal(err)
	}
	w.plan = plan
	return w
}

// run is one run of a ceremony with everything that went over the network.
type run struct {
	*world
	parties       []*Party
	contributions [][]byte
	commits       [][]byte
	reveals       [][]byte
	confirms      [][]byte
}

func (w *world) start(t testing.TB) *run {
	t.Helper()
	r := &run{world: w}
	for i, key := range w.keys {
		p, contribution, err := NewParty(w.plan, uint32(i+1), key)
		if err != nil {
			t.Fatal(err)
		}
		r.parties, r.contributions = append(r.parties, p), append(r.contributions, contribution)
	}
	r.spread(t, r.contributions)
	return r
}

// spread hands every message to every party; a refusal fails the test.
func (r *run) spread(t testing.TB, messages [][]byte) {
	t.Helper()
	for i, p := range r.parties {
		for j, m := range messages {
			if err := p.Receive(m); err != nil {
				t.Fatalf("authority %d refuses the message of %d: %v", i+1, j+1, err)
			}
		}
	}
}

func (r *run) collect(t testing.TB, step Step) [][]byte {
	t.Helper()
	var messages [][]byte
	for i, p := range r.parties {
		m, err := p.Next(step)
		if err != nil {
			t.Fatalf("authority %d, %s: %v", i+1, step, err)
		}
		messages = append(messages, m)
	}
	return messages
}

func (r *run) toCommit(t testing.TB) *run {
	r.commits = r.collect(t, Commit)
	r.spread(t, r.commits)
	return r
}

func (r *run) toReveal(t testing.TB) *run {
	r.toCommit(t)
	r.reveals = r.collect(t, Reveal)
	return r
}

func (r *run) toConfirm(t testing.TB) *run {
	r.toReveal(t)
	r.spread(t, r.reveals)
	r.confirms = r.collect(t, Confirm)
	return r
}

func (r *run) certificate(t testing.TB) *Certificate {
	t.Helper()
	c, err := Assemble(r.plan, r.confirms)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantBlame fails unless err is a Blame of the offence and its file convicts
// the same authority before a stranger.
func wantBlame(t *testing.T, err error, accused uint32, offence Offence) *Blame {
	t.Helper()
	var b *Blame
	if !errors.As(err, &b) {
		t.Fatalf("error = %v, want blame", err)
	}
	v, err := Judge(b.File())
	if err != nil {
		t.Fatalf("the file convicts nobody: %v", err)
	}
	if v.Index != accused || v.Offence != offence || b.Accused != accused || v.Name != fmt.Sprintf("operator %d", accused) {
		t.Fatalf("blamed %d (%s) of %s, want %d of %s", v.Index, v.Name, v.Offence, accused, offence)
	}
	return b
}

func newKeys(t *testing.T) (ed25519.PrivateKey, hpke.PrivateKey) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	box, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, box
}

// sealBytes seals what is no scalar.
func sealBytes(to hpke.PrivateKey, info, value []byte) ([]byte, error) {
	return hpke.Seal(to.PublicKey(), hpke.HKDFSHA256(), hpke.AES256GCM(), info, value)
}
