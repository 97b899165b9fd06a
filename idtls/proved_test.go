package idtls

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

func TestKnownPeersDoNotWaitForPairings(t *testing.T) {
	a := newAuthority("example.org")
	synctest.Test(t, func(t *testing.T) {
		own := a.member(t, "/verifier")
		v := &verifier{source: holder{own}, authorize: anyone, role: asClient}
		known := stateOf(forgery{credential: a.member(t, "/known")}.leaf(t))
		check(t, v.verify(known))
		for range runtime.GOMAXPROCS(0) {
			own.Domain.proved.cold.slots <- struct{}{} // a stranger's bad signature under way
		}
		check(t, v.verify(known))

		stranger := stateOf(forgery{credential: a.member(t, "/stranger")}.leaf(t))
		done := make(chan error)
		go func() { done <- v.verify(stranger) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("a stranger did not wait for its turn: %v", err)
		default:
		}
		<-own.Domain.proved.cold.slots
		check(t, <-done)
	})
}

func TestOnlyGoodSignaturesAreRemembered(t *testing.T) {
	a := newAuthority("example.org")
	own := a.member(t, "/verifier")
	v := &verifier{source: holder{own}, authorize: anyone, role: asClient}
	leaf := forgery{credential: a.member(t, "/peer"), binding: func(b *binding) { b.device[0]++ }}.leaf(t)
	for range 2 {
		if err := v.verify(stateOf(leaf)); failedCheck(err) != CheckSignature {
			t.Fatal(err)
		}
	}
	if n := len(own.Domain.proved.signatures.young); n != 0 {
		t.Fatalf("%d bad signatures remembered", n)
	}
	check(t, v.verify(stateOf(forgery{credential: a.member(t, "/peer")}.leaf(t))))
	if n := len(own.Domain.proved.signatures.young); n != 1 {
		t.Fatalf("%d good signatures remembered, not 1", n)
	}
}

// TestMemoryIsBounded fills the memory many times over; what is asked for
// again and again stays.
func TestMemoryIsBounded(t *testing.T) {
	var p recent
	regular := [32]byte{31: 1}
	p.add(regular)
	for i := range uint64(4 * provedSize) {
		var key [32]byte
		binary.BigEndian.PutUint64(key[:], i+1)
		p.add(key)
		if !p.has(regular) {
			t.Fatalf("a regular was forgotten after %d others", i)
		}
		if n := len(p.young) + len(p.old); n > provedSize {
			t.Fatalf("%d entries", n)
		}
	}
	if p.has([32]byte{7: 1}) {
		t.Fatal("the first of the others was not forgotten")
	}
}

func TestManyConnectionsOfOneNewPeer(t *testing.T) {
	a := newAuthority("example.org")
	v := &verifier{source: holder{a.member(t, "/verifier")}, authorize: anyone, role: asClient}
	state := stateOf(forgery{credential: a.member(t, "/peer")}.leaf(t))
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if err := v.verify(state); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
