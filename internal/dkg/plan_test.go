package dkg

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

func TestPlanSurvivesByteForByte(t *testing.T) {
	for _, kind := range []Kind{Public, Pin} {
		w := newWorld(t, kind, 2, 3)
		p, err := ParsePlan(w.plan.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Bytes(), w.plan.Bytes()) || p.Hash() != sha256.Sum256(w.plan.Bytes()) {
			t.Errorf("%s: other bytes", kind)
		}
		if p.Kind() != kind || p.Domain() != "example.org" || p.Threshold() != 2 || p.Size() != 3 || len(p.Flags()) != 0 ||
			!slices.Equal(p.Schedules(), w.plan.Schedules()) {
			t.Errorf("%s: plan = %+v", kind, p.terms)
		}
		if s := p.Service(); (s != nil) != (kind == Pin) || s != nil && (s.Name != "login" || s.Revision != 1 || s.DomainID != identity.DomainID{1}) {
			t.Errorf("%s: service = %+v", kind, s)
		}
	}
}

func TestIndexIsThePlaceOfTheCard(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	for i, card := range w.plan.Cards() {
		if w.plan.IndexOf(card) != uint32(i+1) || w.plan.card(uint32(i+1)) != card {
			t.Errorf("card %d has another place", i+1)
		}
	}
	if w.plan.IndexOf(newWorld(t, Public, 2, 2).plan.Cards()[0]) != 0 {
		t.Error("a stranger's card has a place")
	}
	if w.plan.card(0) != nil || w.plan.card(4) != nil {
		t.Error("nobody has a card")
	}
}

// TestEveryTermChangesThePlansHash: what operators sign is all of it.
func TestEveryTermChangesThePlansHash(t *testing.T) {
	w := newWorld(t, Pin, 2, 3)
	seen := map[[32]byte]string{w.plan.Hash(): "as it is"}
	for name, change := range map[string]func(*Terms){
		"domain":        func(t *Terms) { t.Domain = "example.com" },
		"threshold":     func(t *Terms) { t.Threshold = 3 },
		"schedule":      func(t *Terms) { t.Schedules = []Schedule{{identity.Permit, 60}} },
		"flag":          func(t *Terms) { t.Flags = []string{"shared-root"} },
		"order":         func(t *Terms) { t.Cards[0], t.Cards[1] = t.Cards[1], t.Cards[0] },
		"one fewer":     func(t *Terms) { t.Cards = t.Cards[:2] },
		"domainID":      func(t *Terms) { t.Service.DomainID[31] ^= 1 },
		"service":       func(t *Terms) { t.Service.Name = "login2" },
		"origin":        func(t *Terms) { t.Service.Origin = "https://evil.example.org" },
		"login key":     func(t *Terms) { t.Service.LoginKey = []byte{2} },
		"revision":      func(t *Terms) { t.Service.Revision++ },
		"document hash": func(t *Terms) { t.Service.DocumentHash[0] ^= 1 },
	} {
		terms := w.plan.terms
		service := *terms.Service
		terms.Service, terms.Cards = &service, slices.Clone(terms.Cards)
		change(&terms)
		p, err := NewPlan(terms)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if other, twice := seen[p.Hash()]; twice {
			t.Errorf("%s changes nothing: it hashes as %s", name, other)
		}
		seen[p.Hash()] = name
	}
}

// TestPlanTakesNoTwoCardsThatShareSomething makes the second card differ from
// the first in all but one thing.
func TestPlanTakesNoTwoCardsThatShareSomething(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	first := w.plan.Cards()[0]
	key, box := newKeys(t)
	sign := func(key ed25519.PrivateKey, name, url string, box hpke.PrivateKey) *Card {
		c, err := SignCard(key, name, url, box.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for what, card := range map[string]*Card{
		"nothing":     sign(key, "x", "http://x", box),
		"name":        sign(key, first.Name, "http://x", box),
		"URL":         sign(key, "x", first.URL, box),
		"signing key": sign(w.keys[0], "x", "http://x", box),
		"HPKE key":    sign(key, "x", "http://x", w.boxes[0]),
	} {
		terms := w.plan.terms
		terms.Cards = []*Card{first, card}
		if _, err := NewPlan(terms); (err == nil) != (what == "nothing") {
			t.Errorf("sharing %s: %v", what, err)
		}
	}
}

func TestPlanTakesSixteenAuthoritiesAndNoMore(t *testing.T) {
	w := newWorld(t, Public, 16, 16)
	key, box := newKeys(t)
	card, err := SignCard(key, "operator 17", "http://17", box.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	terms := w.plan.terms
	terms.Cards = append(terms.Cards[:16:16], card)
	if _, err := NewPlan(terms); !errors.Is(err, ErrPlan) {
		t.Errorf("17 authorities: %v", err)
	}
}

func TestPlanRefuses(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	pin := newWorld(t, Pin, 2, 3)
	cases := map[string]func(*Terms){
		"t = 1":                  func(t *Terms) { t.Threshold = 1 },
		"t > n":                  func(t *Terms) { t.Threshold = 4 },
		"a card twice":           func(t *Terms) { t.Cards = append(slices.Clone(t.Cards[:2]), t.Cards[0]) },
		"an unknown kind":        func(t *Terms) { t.Kind = "x" },
		"a service for public":   func(t *Terms) { t.Service = pin.plan.Service() },
		"no service for mpin":    func(t *Terms) { t.Kind = Pin },
		"no epochs":              func(t *Terms) { t.Schedules = nil },
		"no channel epochs":      func(t *Terms) { t.Schedules = []Schedule{{identity.Decrypt, 1}} },
		"epochs for permit":      func(t *Terms) { t.Schedules = append(slices.Clone(t.Schedules), Schedule{identity.Permit, 1}) },
		"epochs for document":    func(t *Terms) { t.Schedules = append(slices.Clone(t.Schedules), Schedule{identity.Document, 1}) },
		"a purpose twice":        func(t *Terms) { t.Schedules = []Schedule{{identity.Channel, 1}, {identity.Channel, 2}} },
		"epochs of length 0":     func(t *Terms) { t.Schedules = []Schedule{{identity.Channel, 0}} },
		"schedules not in order": func(t *Terms) { t.Schedules = []Schedule{{identity.Decrypt, 1}, {identity.Channel, 1}} },
		"flags not in order":     func(t *Terms) { t.Flags = []string{"b", "a"} },
		"a flag twice":           func(t *Terms) { t.Flags = []string{"a", "a"} },
		"an empty flag":          func(t *Terms) { t.Flags = []string{""} },
		"a flag that redraws":    func(t *Terms) { t.Flags = []string{"x\x1b[2J"} },
		"a flag not in UTF-8":    func(t *Terms) { t.Flags = []string{"\xff"} },
		"a long flag":            func(t *Terms) { t.Flags = []string{strings.Repeat("x", 65)} },
		"a bad domain":           func(t *Terms) { t.Domain = "Example" },
	}
	for name, change := range cases {
		terms := w.plan.terms
		terms.Cards = slices.Clone(terms.Cards)
		change(&terms)
		if _, err := NewPlan(terms); !errors.Is(err, ErrPlan) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Terms){
		"mpin with channel epochs": func(t *Terms) { t.Schedules = w.plan.Schedules() },
		"mpin without epochs":      func(t *Terms) { t.Schedules = nil },
		"a name that redraws":      func(t *Terms) { t.Service.Name = "login\r" },
		"an empty origin":          func(t *Terms) { t.Service.Origin = "" },
	} {
		terms := pin.plan.terms
		service := *terms.Service
		terms.Service = &service
		change(&terms)
		if _, err := NewPlan(terms); !errors.Is(err, ErrPlan) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParsePlan(append(w.plan.Bytes(), 0)); !errors.Is(err, ErrPlan) {
		t.Errorf("a byte too many: %v", err)
	}
	if _, _, err := NewParty(w.plan, 1, w.keys[1]); !errors.Is(err, ErrPlan) {
		t.Errorf("another authority's key: %v", err)
	}
}

func TestPlanWarnsWhenNoneMayBeLost(t *testing.T) {
	if len(newWorld(t, Public, 2, 2).plan.Warnings()) == 0 {
		t.Error("2 of 2 does not warn")
	}
	if w := newWorld(t, Public, 2, 3).plan.Warnings(); len(w) != 0 {
		t.Errorf("2 of 3 warns: %v", w)
	}
}

// TestPlanSaysItsSizeOnce alters n, which the cards say already.
func TestPlanSaysItsSizeOnce(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	head := encoding.LP(planLabel, []byte(Public), []byte("example.org"), nil, encoding.U32(2))
	for _, n := range []uint32{0, 2, 4} {
		b := slices.Concat(head, encoding.List(encoding.U32(n)), w.plan.Bytes()[len(head)+8:])
		if _, err := ParsePlan(b); !errors.Is(err, ErrPlan) {
			t.Errorf("n = %d with three cards: %v", n, err)
		}
	}
	b := slices.Concat(head, encoding.List(encoding.U32(3)), w.plan.Bytes()[len(head)+8:])
	if _, err := ParsePlan(b); err != nil {
		t.Errorf("the plan itself: %v", err)
	}
}

func TestAlteredPlanIsAnotherOrNone(t *testing.T) {
	w := newWorld(t, Pin, 2, 2)
	for i := range w.plan.Bytes() {
		bad := w.plan.Bytes()
		bad[i] ^= 1
		if p, err := ParsePlan(bad); err == nil && p.Hash() == w.plan.Hash() {
			t.Fatalf("byte %d altered changes nothing", i)
		}
	}
	if _, err := ParsePlan(make([]byte, MaxPlan+1)); !errors.Is(err, ErrPlan) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzParsePlan(f *testing.F) {
	for _, kind := range []Kind{Public, Pin} {
		f.Add(newWorld(f, kind, 2, 2).plan.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParsePlan(b); err == nil && !bytes.Equal(p.terms.encode(), b) {
			t.Error("plan does not survive")
		}
	})
}
