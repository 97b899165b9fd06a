package dkg

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"milagro.dev/internal/encoding"
)

// delivery is a message on its way to one authority.
type delivery struct {
	to      int
	message []byte
}

// network carries the messages of a run in whatever order a test says. Nobody
// hears anything twice unless the test says so.
type network struct {
	*run
	spoken   map[string]bool // authority and step
	underway []delivery
}

func (w *world) network(t testing.TB) *network {
	t.Helper()
	r := &run{world: w, confirms: make([][]byte, len(w.keys))}
	n := &network{run: r, spoken: map[string]bool{}}
	for i, key := range w.keys {
		p, contribution, err := NewParty(w.plan, uint32(i+1), key)
		if err != nil {
			t.Fatal(err)
		}
		r.parties = append(r.parties, p)
		n.send(i, contribution)
	}
	return n
}

func (n *network) send(from int, message []byte) {
	for to := range n.keys {
		if to != from {
			n.underway = append(n.underway, delivery{to, message})
		}
	}
}

// speak lets every authority say what it can. It reports whether one did.
func (n *network) speak(t testing.TB) bool {
	t.Helper()
	spoke := false
	for i := range n.parties {
		for _, step := range []Step{Commit, Reveal, Confirm} {
			spoke = n.try(t, i, step) || spoke
		}
	}
	return spoke
}

func (n *network) try(t testing.TB, i int, step Step) bool {
	t.Helper()
	turn := fmt.Sprint(i, step)
	if n.spoken[turn] {
		return false
	}
	m, err := n.parties[i].Next(step)
	if errors.Is(err, ErrWaiting) {
		return false
	}
	if err != nil {
		t.Fatalf("authority %d, %s: %v", i+1, step, err)
	}
	n.spoken[turn] = true
	if step == Confirm {
		n.confirms[i] = m
	} else {
		n.send(i, m)
	}
	return true
}

// deliver hands over message k; one that came before its time stays underway.
func (n *network) deliver(t testing.TB, k int) {
	t.Helper()
	d := n.underway[k]
	if err := n.parties[d.to].Receive(d.message); errors.Is(err, ErrWaiting) || errors.Is(err, ErrOver) {
		return
	} else if err != nil {
		t.Fatalf("authority %d: %v", d.to+1, err)
	}
	n.underway = append(n.underway[:k], n.underway[k+1:]...)
}

// settle delivers all that is underway but what is withheld, until nobody has
// more to say.
func (n *network) settle(t testing.TB, withheld func(delivery) bool) {
	t.Helper()
	for again := true; again; {
		again = n.speak(t)
		for k := 0; k < len(n.underway); {
			before := len(n.underway)
			if !withheld(n.underway[k]) {
				n.deliver(t, k)
			}
			if len(n.underway) == before {
				k++
			} else {
				again = true
			}
		}
	}
}

// confirmed returns the confirmations that were given.
func (n *network) confirmed() (list [][]byte) {
	for _, c := range n.confirms {
		if c != nil {
			list = append(list, c)
		}
	}
	return list
}

// TestEveryMessageLostStopsAllAndDelayedStopsNone withholds, in turn, each
// message of a run from each of its receivers. While it is away there is no
// certificate, not even of those who go on; when it comes, all confirm alike.
func TestEveryMessageLostStopsAllAndDelayedStopsNone(t *testing.T) {
	for _, s := range [][2]int{{2, 3}, {3, 3}} {
		w := newWorld(t, Public, s[0], s[1])
		for _, label := range []string{contributionLabel, commitLabel, revealLabel} {
			for from := range s[1] {
				for to := range s[1] {
					if from != to {
						w.loses(t, label, uint32(from+1), to)
					}
				}
			}
		}
	}
}

func (w *world) loses(t *testing.T, label string, from uint32, to int) {
	t.Helper()
	n := w.network(t)
	n.settle(t, func(d delivery) bool {
		m, err := openMessage(w.plan, d.message)
		return err != nil || d.to == to && m.label == label && m.index == from
	})
	if n.confirms[to] != nil {
		t.Errorf("authority %d confirmed without %q of %d", to+1, label, from)
	}
	if _, err := Assemble(w.plan, n.confirmed()); !errors.Is(err, ErrCertificate) {
		t.Errorf("without %q of %d: %v", label, from, err)
	}
	n.settle(t, func(delivery) bool { return false })
	n.certificate(t)
}

// TestLostAuthorityStopsAll ends one authority after each of its messages: the
// others come to no certificate, and may abort if they have not confirmed.
func TestLostAuthorityStopsAll(t *testing.T) {
	for _, s := range [][2]int{{2, 3}, {3, 3}} {
		w := newWorld(t, Public, s[0], s[1])
		for lost := range s[1] {
			for _, last := range []string{contributionLabel, commitLabel, revealLabel} {
				n := w.network(t)
				n.settle(t, func(d delivery) bool { return w.after(d.message, last, uint32(lost+1)) })
				n.confirms[lost] = nil // it died before its confirmation left
				if _, err := Assemble(w.plan, n.confirmed()); !errors.Is(err, ErrCertificate) {
					t.Errorf("%d of %d without %d after %q: %v", s[0], s[1], lost+1, last, err)
				}
			}
		}
	}
}

// after reports whether message is one that an authority sends later than last.
func (w *world) after(message []byte, last string, index uint32) bool {
	order := map[string]int{contributionLabel: 1, commitLabel: 2, revealLabel: 3}
	m, err := openMessage(w.plan, message)
	return err == nil && m.index == index && order[m.label] > order[last]
}

// TestAnyOrderComesToTheSameEnd delivers in random order, some messages twice.
func TestAnyOrderComesToTheSameEnd(t *testing.T) {
	w := newWorld(t, Public, 2, 3)
	rapid.Check(t, func(rt *rapid.T) {
		n := w.network(t)
		for len(n.underway) > 0 || n.speak(t) {
			n.speak(t)
			if len(n.underway) == 0 {
				continue
			}
			k := rapid.IntRange(0, len(n.underway)-1).Draw(rt, "message")
			d := n.underway[k]
			n.deliver(t, k)
			if rapid.IntRange(0, 9).Draw(rt, "again") == 0 {
				n.underway = append(n.underway, d)
			}
			n.dropAfterEnd()
		}
		n.certificate(t)
	})
}

// dropAfterEnd takes away what is underway to who has confirmed.
func (n *network) dropAfterEnd() {
	var left []delivery
	for _, d := range n.underway {
		if n.parties[d.to].Result() == nil {
			left = append(left, d)
		}
	}
	n.underway = left
}

// TestConfirmationFitsEveryShare holds what all confirmed against what each
// keeps: index, generation, run, and the public share of its secret.
func TestConfirmationFitsEveryShare(t *testing.T) {
	for _, kind := range []Kind{Public, Pin} {
		r := newWorld(t, kind, 2, 3).start(t).toConfirm(t)
		c := r.certificate(t)
		for i, p := range r.parties {
			share := p.Result().Share
			fits := kind == Public && share.Public().Equal(c.body.public[i].g2) || kind == Pin && share.PublicPin().Equal(c.body.public[i].g1)
			if !fits || share.Index() != uint32(i+1) || share.Generation() != c.Generation() {
				t.Errorf("%s: the share of authority %d is another", kind, i+1)
			}
			if (kind == Public) != (len(c.PublicPin()) == 0) {
				t.Errorf("%s: the certificate has public shares of the other kind", kind)
			}
			if p.Result().ID != c.ID() {
				t.Errorf("%s: authority %d was in another run", kind, i+1)
			}
		}
	}
}

// TestEquivocationSplitsNobody is the attack at 2 of 3: authority 3 and the
// coordinator show authority 1 one dealing and authority 2 another. Each
// confirms what it saw; with both confirmations and all that authority 3 likes
// to sign there is no certificate, and the two messages convict it.
func TestEquivocationSplitsNobody(t *testing.T) {
	r := newWorld(t, Public, 2, 3).start(t)
	firstCommit, firstReveal := r.deal(3, unchanged)
	secondCommit, secondReveal := r.deal(3, unchanged)
	honest := r.parties[:2]
	r.parties = honest
	commits := r.collect(t, Commit)
	seen := [][][]byte{{firstCommit, firstReveal}, {secondCommit, secondReveal}}
	for i, p := range honest {
		for _, m := range [][]byte{commits[1-i], seen[i][0]} {
			if err := p.Receive(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	reveals := r.collect(t, Reveal)
	for i, p := range honest {
		for _, m := range [][]byte{reveals[1-i], seen[i][1]} {
			if err := p.Receive(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	confirms := r.collect(t, Confirm)
	// What authority 2 saw does not convict authority 1, which saw something else.
	_, err := BlameConfirm(r.plan, r.contributions, append(commits, secondCommit), append(reveals, secondReveal), confirms[0])
	if !errors.Is(err, ErrNoBlame) {
		t.Errorf("an honest authority is blamed: %v", err)
	}
	for i, confirm := range confirms {
		m, err := openMessage(r.plan, confirm)
		if err != nil {
			t.Fatal(err)
		}
		signed := encoding.Sign(r.keys[2], m.envelope.Body)
		for _, list := range [][][]byte{{confirms[0], confirms[1], signed}, {confirms[i], signed}, {confirms[i], signed, signed}} {
			if _, err := Assemble(r.plan, list); !errors.Is(err, ErrCertificate) {
				t.Errorf("a certificate of a split run: %v", err)
			}
		}
	}
	b, err := BlameEquivocation(r.plan, firstCommit, secondCommit)
	if err != nil {
		t.Fatal(err)
	}
	wantBlame(t, b, 3, Equivocation)
	if bytes.Equal(confirms[0], confirms[1]) {
		t.Error("both confirmed the same: the attack did not split them")
	}
}
