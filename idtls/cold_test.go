package idtls

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"milagro.dev/ibs"
)

// bogus returns what the nth of many forgers shows: the binding of a good leaf
// with a device that its signature is not for.
func bogus(good *tls.Certificate, n int) tls.ConnectionState {
	leaf := *good.Leaf
	leaf.Extensions = slices.Clone(leaf.Extensions)
	for i, e := range leaf.Extensions {
		if e.Id.Equal(oid()) {
			e.Value = slices.Clone(e.Value)
			binary.BigEndian.PutUint64(e.Value[64:], uint64(n))
			leaf.Extensions[i] = e
		}
	}
	state := stateOf(good)
	state.PeerCertificates = []*x509.Certificate{&leaf}
	return state
}

// door is a verifier of its own domain whose processors a test may keep busy.
type door struct {
	*verifier
	a      authority
	domain *Domain
}

func newDoor(t testing.TB) *door {
	t.Helper()
	a := newAuthority("example.org")
	own := a.member(t, "/verifier")
	return &door{verifier: &verifier{source: holder{own}, authorize: anyone, role: asClient}, a: a, domain: own.Domain}
}

func (d *door) leaf(t testing.TB, path string) *tls.Certificate {
	t.Helper()
	return forgery{credential: d.a.member(t, path)}.leaf(t)
}

// hold takes every processor that the domain's pairings may have; what it
// returns gives them back.
func (d *door) hold(t testing.TB) (release func()) {
	t.Helper()
	check(t, d.verify(stateOf(d.leaf(t, "/first")))) // makes the slots
	slots := d.domain.proved.cold.slots
	for range cap(slots) {
		slots <- struct{}{}
	}
	return func() {
		for range cap(slots) {
			<-slots
		}
	}
}

// crowd has all states verified at once; wait returns their errors.
func (d *door) crowd(states []tls.ConnectionState) (wait func() []error) {
	var all sync.WaitGroup
	errs := make([]error, len(states))
	for i, s := range states {
		all.Go(func() { errs[i] = d.verify(s) })
	}
	return func() []error { all.Wait(); return errs }
}

func (d *door) strangers(t testing.TB, n int) []tls.ConnectionState {
	t.Helper()
	var states []tls.ConnectionState
	for i := range n {
		states = append(states, stateOf(d.leaf(t, fmt.Sprintf("/stranger/%d", i))))
	}
	return states
}

func TestPeersThatWaitAreVerifiedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		states := d.strangers(t, 8)
		states = append(states, bogus(d.leaf(t, "/forger"), 1))
		release := d.hold(t)
		wait := d.crowd(states)
		synctest.Wait()
		c := &d.domain.proved.cold
		if n := len(c.lanes[strangers].jobs); n != 9 {
			t.Fatalf("%d signatures wait, not 9", n)
		}
		batch := c.take()
		if len(batch) != 9 || len(c.take()) != 0 {
			t.Fatalf("a batch of %d, not 9", len(batch))
		}
		c.lanes[strangers].jobs = batch // as if nobody had taken them
		release()
		for i, err := range wait() {
			if bad := i == 8; bad != errors.Is(err, ibs.ErrSignature) || bad != (err != nil) {
				t.Errorf("peer %d: %v", i, err)
			}
		}
		if n := len(d.domain.proved.signatures.young); n != 9 { // with the first
			t.Errorf("%d good signatures remembered, not 9", n)
		}
	})
}

// TestTwinsAreVerifiedOnce: many connections of one new peer are one signature.
func TestTwinsAreVerifiedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		good, bad := stateOf(d.leaf(t, "/peer")), bogus(d.leaf(t, "/forger"), 1)
		release := d.hold(t)
		wait := d.crowd(append(slices.Repeat([]tls.ConnectionState{good}, 50), slices.Repeat([]tls.ConnectionState{bad}, 50)...))
		synctest.Wait()
		if n := len(d.domain.proved.cold.lanes[strangers].jobs); n != 2 {
			t.Errorf("%d signatures wait, not 2", n)
		}
		release()
		for i, err := range wait() {
			if (i < 50) != (err == nil) {
				t.Errorf("handshake %d: %v", i, err)
			}
		}
		c := &d.domain.proved.cold
		if len(c.known) != 0 || c.lanes[strangers].waiting != 0 {
			t.Errorf("%d signatures and %d handshakes still wait", len(c.known), c.lanes[strangers].waiting)
		}
	})
}

func TestWhoeverFindsTheLaneFullIsRefusedAsBusy(t *testing.T) {
	d := newDoor(t)
	known, familiar := d.a.member(t, "/known"), d.a.member(t, "/familiar")
	knownState := stateOf(forgery{credential: known}.leaf(t))
	check(t, d.verify(knownState))
	check(t, d.verify(stateOf(forgery{credential: familiar}.leaf(t))))
	d.domain.proved.cold.lanes[strangers].waiting = maxWaiting
	err := d.verify(stateOf(d.leaf(t, "/stranger")))
	if !errors.Is(err, ErrBusy) || failedCheck(err) != CheckSignature {
		t.Errorf("a stranger too many: %v", err)
	}
	if err := d.verify(knownState); err != nil {
		t.Errorf("a peer that was verified before: %v", err)
	}
	if err := d.verify(stateOf(forgery{credential: familiar}.leaf(t))); err != nil {
		t.Errorf("a familiar peer with a new leaf: %v", err)
	}
	d.domain.proved.cold.lanes[strangers].waiting = maxWaiting - 1
	check(t, d.verify(stateOf(d.leaf(t, "/stranger"))))
}

// TestForgersDoNotSpoilTheBatchesOfFamiliarPeers lets peers whose name was seen
// before wait among forgers, as when an epoch begins in a flood.
func TestForgersDoNotSpoilTheBatchesOfFamiliarPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		var states []tls.ConnectionState
		forged := d.leaf(t, "/forger")
		for i := range 200 {
			states = append(states, bogus(forged, i))
		}
		for i := range wholeBatch {
			c := d.a.member(t, fmt.Sprintf("/familiar/%d", i))
			check(t, d.verify(stateOf(forgery{credential: c}.leaf(t))))
			states = append(states, stateOf(forgery{credential: c}.leaf(t)))
		}
		release := d.hold(t)
		wait := d.crowd(states)
		synctest.Wait()
		c := &d.domain.proved.cold
		c.lanes[strangers].learn(64, 64) // the flood is known
		a, b := c.take(), c.take()
		if len(a) > len(b) {
			a, b = b, a
		}
		if len(a) != 1 || a[0].lane != &c.lanes[strangers] || len(b) != wholeBatch || b[0].lane != &c.lanes[familiars] {
			t.Errorf("in two turns, %d and %d signatures are verified: one forger and all familiar peers should be", len(a), len(b))
		}
		for _, batch := range [][]*job{a, b} {
			batch[0].lane.jobs = append(batch, batch[0].lane.jobs...)
		}
		release()
		for i, err := range wait() {
			if (i >= 200) != (err == nil) {
				t.Errorf("peer %d: %v", i, err)
			}
		}
		if n := c.lanes[familiars].limit(); n != ibs.MaxBatch {
			t.Errorf("batches of familiar peers have come down to %d", n)
		}
	})
}

// TestAbusedFamiliarityEnds: one bad signature in a peer's name and device, and
// they wait with the strangers, until the peer itself comes again.
func TestAbusedFamiliarityEnds(t *testing.T) {
	d := newDoor(t)
	c := d.a.member(t, "/peer")
	leaf := func() tls.ConnectionState { return stateOf(forgery{credential: c}.leaf(t)) }
	stolen := bindingOf(t, forgery{credential: c}.leaf(t))
	abuse := stateOf(forgery{credential: c, content: func([]byte) []byte { return stolen }}.leaf(t))
	familiar := func() bool { return len(d.domain.proved.familiar.young) == 1 }
	check(t, d.verify(leaf()))
	if !familiar() {
		t.Fatal("a verified peer is not familiar")
	}
	if err := d.verify(abuse); !errors.Is(err, ibs.ErrSignature) {
		t.Fatal(err)
	}
	if familiar() {
		t.Error("still familiar after a bad signature")
	}
	check(t, d.verify(leaf()))
	if !familiar() {
		t.Error("not familiar again")
	}
}

// TestBadSignaturesCostNoMoreThanSingly counts pairings, in batches as the lane
// sizes them, of crowds in which enemies stand where they like.
func TestBadSignaturesCostNoMoreThanSingly(t *testing.T) {
	pattern := func(good, bad int) []bool { // whether each is bad
		return append(make([]bool, good), slices.Repeat([]bool{true}, bad)...)
	}
	for _, x := range []struct {
		name  string
		crowd []bool
		most  float64 // pairings for each
	}{
		{"all good", pattern(64, 0), 0.02},
		{"all bad", pattern(0, 64), 1.02},
		{"one bad of 64", pattern(63, 1), 0.25},
		{"one bad of 16", pattern(15, 1), 0.6},
		{"every other one", pattern(1, 1), 1.3},
		{"three bad of four", pattern(1, 3), 1.3},
		{"good until batches are whole, then bad", pattern(63, 64), 1.1},
	} {
		var l lane
		queue := slices.Repeat(x.crowd, 64*200/len(x.crowd))
		total, pairings := len(queue), 0
		for len(queue) > 0 {
			n := min(l.limit(), len(queue))
			bad := 0
			for _, b := range queue[:n] {
				if b {
					bad++
				}
			}
			pairings += bisections(queue[:n])
			l.learn(n, bad)
			queue = queue[n:]
		}
		cost := float64(pairings) / float64(total)
		t.Logf("%s: %.3f pairings for each", x.name, cost)
		if cost > x.most {
			t.Errorf("%s: %.3f pairings for each, more than %.2f", x.name, cost, x.most)
		}
	}
}

// bisections is how often ibs.VerifyBatch verifies to find the bad ones.
func bisections(batch []bool) int {
	if len(batch) == 1 || !slices.Contains(batch, true) {
		return 1
	}
	half := len(batch) / 2
	return 1 + bisections(batch[:half]) + bisections(batch[half:])
}

// TestPairingsAtOnceAreBounded never lets more run than there are processors.
func TestPairingsAtOnceAreBounded(t *testing.T) {
	d := newDoor(t)
	release := d.hold(t)
	if n := cap(d.domain.proved.cold.slots); n != runtime.GOMAXPROCS(0) {
		t.Errorf("%d pairings may run at once on %d processors", n, runtime.GOMAXPROCS(0))
	}
	release()
}

// TestStormOfStrangers is many new peers at once, some of them forgers, without
// any hand on the processors.
func TestStormOfStrangers(t *testing.T) {
	d := newDoor(t)
	states := d.strangers(t, 100)
	forged := d.leaf(t, "/forger")
	for i := range 20 {
		states[5*i] = bogus(forged, i)
	}
	for i, err := range d.crowd(states)() {
		if bad := i%5 == 0; bad != errors.Is(err, ibs.ErrSignature) || bad != (err != nil) {
			t.Errorf("peer %d: %v", i, err)
		}
	}
}

// TestDomainsVerifyApart: two domains wait for nothing of each other, and a
// signature that is good under one master is not under another.
func TestDomainsVerifyApart(t *testing.T) {
	d, other := newDoor(t), newDoor(t)
	state := stateOf(d.leaf(t, "/peer"))
	check(t, d.verify(state))
	other.domain.ID, other.domain.proved = d.domain.ID, proved{}
	other.domain.once.Do(func() {}) // a fingerprint that is not its own
	if err := other.verify(state); !errors.Is(err, ibs.ErrSignature) {
		t.Fatalf("under another master: %v", err)
	}
}
