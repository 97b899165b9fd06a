package wallet

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/problem"
)

// serveList answers as an authority does; one that serves no list is of an older
// release.
func (b *booth) serveList(w http.ResponseWriter) {
	b.polled++
	if b.list == nil {
		problem.Write(w, problem.New(problem.NotFound, ""))
		return
	}
	json.NewEncoder(w).Encode(map[string][]byte{"list": b.list})
}

// names returns b's signed list of this sequence.
func (b *booth) names(sequence uint64, entries ...dta.Revocation) []byte {
	return dta.Revocations{Domain: b.town.id(), Generation: b.town.generation, Index: b.index, Sequence: sequence,
		Time: uint64(time.Now().Unix()), Entries: entries}.Sign(b.signing)
}

func (b *booth) polls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.polled
}

// serve makes b serve a list.
func (b *booth) serve(list []byte) { b.set(func(b *booth) { b.list = list }) }

// member returns the peer that a source is, and its entry in a list.
func member(t testing.TB, s idtls.Source) (idtls.Peer, dta.Revocation) {
	t.Helper()
	c := must(s.Credential())(t)
	return idtls.Peer{Name: c.Name, Device: c.Device, Epoch: c.Epoch, Domain: c.Domain.ID}, dta.Revocation{Name: c.Name, Device: c.Device}
}

// revokes reports whether a wallet refuses a peer of the town.
func revokes(t testing.TB, w *Wallet, p idtls.Peer) bool {
	t.Helper()
	return must(w.domain("example.org"))(t).tls.Revoked(p)
}

// TestListsOfEnoughAuthoritiesRevoke: n−t+1, so that at 2 of 3 one bad authority
// revokes nobody; at 3 of 3 each one does, as it may refuse the next key.
func TestListsOfEnoughAuthoritiesRevoke(t *testing.T) {
	for _, c := range []struct {
		threshold int
		names     []int // authorities that name the peer
		revoked   bool
	}{
		{2, nil, false}, {2, []int{1}, false}, {2, []int{3}, false}, {2, []int{1, 3}, true}, {2, []int{1, 2, 3}, true},
		{3, nil, false}, {3, []int{2}, true},
	} {
		c := c
		t.Run(fmt.Sprint(c.threshold, c.names), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				town := newTown(t, c.threshold, 3, day)
				web, n := town.enrolled(t)
				peer, entry := member(t, web.Source(n))
				for _, b := range town.authorities {
					b.serve(b.names(1))
					if slices.Contains(c.names, int(b.index)) {
						b.serve(b.names(1, entry))
					}
				}
				api := town.pinned(t)
				check(t, api.RefreshRevocations(t.Context(), "example.org"))
				if got := revokes(t, api, peer); got != c.revoked {
					t.Errorf("revoked %v", got)
				}
				r := must(api.Revocations("example.org"))(t)
				if r.Needed != 4-c.threshold || (len(r.Revoked) == 1) != c.revoked || len(r.Lists) != 3 {
					t.Errorf("%+v", r)
				}
				other := peer
				other.Device[0]++
				if revokes(t, api, other) {
					t.Error("another device of the name is revoked")
				}
			})
		})
	}
}

// TestKeepHearsOfRevocations: every process of the host refuses the device, within
// seconds, and an open connection with it ends.
func TestKeepHearsOfRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		web, webName, stopWeb := c.kept(t)
		defer stopWeb()
		api, apiName, stopAPI := c.kept(t)
		defer stopAPI()
		beside := c.wallet(t, api.Dir()) // another process of the same host
		from, to := web.Source(webName), beside.Source(apiName)
		_, entry := member(t, from)
		check(t, call(t, from, to))
		peer, _ := member(t, from)
		closed, stop := openConnection(t, from, to)
		defer stop()
		for _, b := range c.authorities[:2] {
			b.serve(b.names(uint64(time.Now().UnixMicro()), entry))
		}
		began := time.Now()
		select {
		case <-closed:
		case <-time.After(pollEvery + 3*time.Second):
			t.Error("the connection lives on")
		}
		if took := time.Since(began); took > pollEvery+2*time.Second {
			t.Errorf("it took %v", took)
		}
		if !revokes(t, beside, peer) || call(t, from, to) == nil {
			t.Error("the device is welcome")
		}
	})
}

// openConnection connects two sources, watched by the server's; closed is when the
// server's end is.
func openConnection(t *testing.T, from, to idtls.Source) (closed chan struct{}, stop func()) {
	t.Helper()
	welcome := idtls.Member("example.org")
	client, server := must(idtls.ClientConfig(from, welcome))(t), must(idtls.ServerConfig(to, welcome))(t)
	a, b := net.Pipe()
	dialled, accepted := tls.Client(a, client), tls.Server(b, server)
	done := make(chan error)
	go func() { done <- accepted.Handshake() }()
	check(t, errors.Join(dialled.Handshake(), <-done))
	unwatch, err := idtls.Watch(accepted, accepted.ConnectionState(), to)
	check(t, err)
	closed = make(chan struct{})
	go func() {
		accepted.Read(make([]byte, 1))
		close(closed)
	}()
	return closed, func() {
		unwatch()
		a.Close()
		<-closed
	}
}

func TestListsNeverGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 3, 3, day)
		web, n := c.enrolled(t)
		peer, entry := member(t, web.Source(n))
		w, b := c.pinned(t), c.authorities[0]
		for _, other := range c.authorities[1:] {
			other.serve(other.names(1))
		}
		b.serve(b.names(7, entry))
		check(t, w.RefreshRevocations(t.Context(), "example.org"))
		for what, list := range map[string][]byte{"an older list": b.names(6), "another list of the same sequence": b.names(7)} {
			b.serve(list)
			for who, w := range map[string]*Wallet{"this process": w, "the next": c.wallet(t, w.Dir())} {
				if err := w.RefreshRevocations(t.Context(), "example.org"); !errors.Is(err, ErrSequence) || !strings.Contains(err.Error(), "authority 1") {
					t.Errorf("%s, %s: %v", what, who, err)
				}
				if !revokes(t, w, peer) {
					t.Errorf("%s, %s: the device is welcome again", what, who)
				}
			}
		}
		b.serve(b.names(8))
		check(t, w.RefreshRevocations(t.Context(), "example.org"))
		if revokes(t, w, peer) {
			t.Error("a newer list does not count")
		}
	})
}

// TestForgedListsChangeNothing: an authority speaks for itself, its domain and its
// generation; anybody may answer at its address.
func TestForgedListsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, other := newTown(t, 3, 3, day), newTown(t, 3, 3, day)
		web, n := c.enrolled(t)
		peer, entry := member(t, web.Source(n))
		w, b := c.pinned(t), c.authorities[0]
		b.serve(b.names(1))
		generation := dta.Revocations{Domain: c.id(), Generation: keysGeneration(2), Index: 1, Sequence: 9, Entries: []dta.Revocation{entry}}
		for what, list := range map[string][]byte{
			"of another authority":  c.authorities[1].names(9, entry),
			"of another domain":     other.authorities[0].names(9, entry),
			"of another generation": generation.Sign(b.signing),
			"garbage":               []byte("garbage"),
			"a huge one":            make([]byte, 2<<20),
			"empty":                 {},
		} {
			b.serve(list)
			if err := w.RefreshRevocations(t.Context(), "example.org"); err == nil || !strings.Contains(err.Error(), "authority 1: ") {
				t.Errorf("%s: %v", what, err)
			}
			if revokes(t, w, peer) {
				t.Errorf("%s: the device is revoked", what)
			}
		}
		if r := must(w.Revocations("example.org"))(t); r.Lists[0].Sequence != 0 {
			t.Errorf("%+v", r.Lists[0])
		}
	})
}

func TestStoredListsOutlastTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		web, n := c.enrolled(t)
		peer, entry := member(t, web.Source(n))
		w := c.pinned(t)
		for _, b := range c.authorities {
			b.serve(b.names(5, entry))
		}
		check(t, w.RefreshRevocations(t.Context(), "example.org"))
		for _, b := range c.authorities {
			b.serve(nil)
		}
		time.Sleep(time.Hour)
		again := c.wallet(t, w.Dir())
		if !revokes(t, again, peer) {
			t.Error("a stored list does not count")
		}
		r := must(again.Revocations("example.org"))(t)
		if l := r.Lists[2]; l.Sequence != 5 || l.Entries != 1 || l.Age.Truncate(time.Second) != time.Hour || l.Index != 3 || l.Name != "operator 3" {
			t.Errorf("%+v", l)
		}
		// A damaged file is as a list that was never heard; the next one replaces it.
		path := again.listPath(must(again.domain("example.org"))(t), 1)
		check(t, os.WriteFile(path, []byte("damaged"), 0o600))
		time.Sleep(time.Second)
		if !revokes(t, again, peer) {
			t.Error("what is in memory does not count")
		}
		fresh := c.wallet(t, w.Dir())
		if r := must(fresh.Revocations("example.org"))(t); r.Lists[0].Sequence != 0 || r.Lists[1].Sequence != 5 || len(r.Revoked) != 1 {
			t.Errorf("%+v", r)
		}
		for _, b := range c.authorities {
			b.serve(b.names(6, entry))
		}
		check(t, fresh.RefreshRevocations(t.Context(), "example.org"))
		if r := must(c.wallet(t, w.Dir()).Revocations("example.org"))(t); r.Lists[0].Sequence != 6 {
			t.Errorf("%+v", r)
		}
	})
}

// TestFullDiskKeepsTheOldList: the new one is in force as long as the process lives.
func TestFullDiskKeepsTheOldList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 3, 3, day)
		web, n := c.enrolled(t)
		peer, entry := member(t, web.Source(n))
		for _, b := range c.authorities {
			b.serve(b.names(1))
		}
		w := c.pinned(t)
		check(t, w.RefreshRevocations(t.Context(), "example.org"))
		c.authorities[0].serve(c.authorities[0].names(2, entry))
		OnDisk(w, func(operation string) error {
			if strings.HasPrefix(operation, "write revocations-1") {
				return syscall.ENOSPC
			}
			return nil
		})
		if err := w.RefreshRevocations(t.Context(), "example.org"); !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
		if !revokes(t, w, peer) {
			t.Error("this process does not count it")
		}
		if r := must(c.wallet(t, w.Dir()).Revocations("example.org"))(t); r.Lists[0].Sequence != 1 {
			t.Errorf("on the disk is %+v", r.Lists[0])
		}
	})
}

// TestListsAreWrittenSeldom: a day of polling does not wear out a disk.
func TestListsAreWrittenSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n := c.enrolled(t)
		writes := 0
		OnDisk(w, func(operation string) error {
			if operation == "write revocations-1" {
				writes++
			}
			return nil
		})
		for range 60 {
			c.authorities[0].serve(c.authorities[0].names(uint64(time.Now().UnixMicro())))
			_ = w.RefreshRevocations(t.Context(), n.Domain()) // the others serve none
			time.Sleep(10 * time.Second)
		}
		if writes > 11 {
			t.Errorf("%d writes in ten minutes", writes)
		}
		if r := must(w.Revocations(n.Domain()))(t); r.Lists[0].Age > 10*time.Second {
			t.Errorf("%+v", r.Lists[0])
		}
	})
}

// TestOneNameOfADomainPolls: twenty names of a host are no twenty times the load.
func TestOneNameOfADomainPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n := c.enrolled(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		done := make(chan error)
		for range 5 {
			go func() { done <- w.Keep(ctx, n) }()
		}
		for range 5 {
			<-done
		}
		if asked := c.authorities[0].polls(); asked < 55 || asked > 130 {
			t.Errorf("asked %d times in ten minutes", asked)
		}
	})
}

func TestRevocationBoundIsEpochPrefetchAndSkew(t *testing.T) {
	for _, c := range []struct {
		schedule identity.Schedule
		want     time.Duration
	}{
		{identity.Schedule{Length: day}, 30*time.Hour + 5*time.Minute},
		{identity.Schedule{Length: 10}, 22 * time.Second},
		{identity.Schedule{Length: 3600, PreviousLength: day}, 30*time.Hour + 5*time.Minute},
	} {
		if got := RevocationBound(c.schedule); got != c.want {
			t.Errorf("%+v: %v", c.schedule, got)
		}
	}
}
