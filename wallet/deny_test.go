package wallet

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// TestDeniedPeerIsRefusedWithinASecond: by every process on the directory, and on
// connections that are open.
func TestDeniedPeerIsRefusedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		web, webName := c.enrolled(t)
		from := web.Source(webName)
		peer, _ := member(t, from)
		for what, d := range map[string]Denial{"its name": {Name: peer.Name}, "its device": {Device: peer.Device},
			"both": {Name: peer.Name, Device: peer.Device, Reason: "stolen"}} {
			api, apiName := c.enrolled(t)
			operator := c.wallet(t, api.Dir()) // another process
			to := api.Source(apiName)
			check(t, call(t, from, to))
			closed, stop := openConnection(t, from, to)
			check(t, operator.Deny(t.Context(), d))
			began := time.Now()
			<-closed
			if took := time.Since(began); took > time.Second+denyLook {
				t.Errorf("%s: the connection lived for %v", what, took)
			}
			stop()
			if call(t, from, to) == nil {
				t.Errorf("%s: the peer is welcome", what)
			}
			check(t, operator.Allow(t.Context(), Denial{Name: d.Name, Device: d.Device}))
			time.Sleep(denyLook)
			if err := call(t, from, to); err != nil {
				t.Errorf("%s: off the list: %v", what, err)
			}
		}
	})
}

func TestDenialNamesWhomItMeans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n := c.enrolled(t)
		peer, _ := member(t, w.Source(n))
		otherName, otherDevice := peer, peer
		otherName.Name = name(t, "spiffe://example.org/web/below")
		otherDevice.Device[0]++
		for what, k := range map[string]struct {
			entry        Denial
			name, device bool // another name, another device
		}{
			"a name":   {Denial{Name: peer.Name}, false, true},
			"a device": {Denial{Device: peer.Device}, true, false},
			"both":     {Denial{Name: peer.Name, Device: peer.Device}, false, false},
		} {
			check(t, w.Deny(t.Context(), k.entry))
			if !revokes(t, w, peer) || revokes(t, w, otherName) != k.name || revokes(t, w, otherDevice) != k.device {
				t.Errorf("%s: %v %v %v", what, revokes(t, w, peer), revokes(t, w, otherName), revokes(t, w, otherDevice))
			}
			check(t, w.Allow(t.Context(), k.entry))
		}
		// A pair stays denied when the name is allowed.
		check(t, w.Deny(t.Context(), Denial{Name: peer.Name, Device: peer.Device}))
		if err := w.Allow(t.Context(), Denial{Name: peer.Name}); !errors.Is(err, ErrNotDenied) {
			t.Error(err)
		}
		if !revokes(t, w, peer) {
			t.Error("another entry went")
		}
	})
}

func TestDenyListIsReadBackInOrder(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w := c.pinned(t)
	web, device := name(t, "spiffe://example.org/web"), identity.DeviceHash{7}
	for _, d := range []Denial{{Name: web, Reason: "first"}, {Device: device}, {Name: web, Device: device}, {Name: web, Reason: "again"}} {
		check(t, w.Deny(t.Context(), d))
	}
	all := must(c.wallet(t, w.Dir()).Denied())(t)
	if len(all) != 3 || !all[0].sameAs(Denial{Device: device}) || all[1].Reason != "again" || !all[2].sameAs(Denial{Name: web, Device: device}) {
		t.Errorf("%+v", all)
	}
	if since := time.Since(all[1].Time); since < 0 || since > time.Minute {
		t.Errorf("entered %v ago", since)
	}
	for what, d := range map[string]Denial{"nobody": {}, "a long reason": {Name: web, Reason: strings.Repeat("x", 257)}, "no text": {Name: web, Reason: "\xff"}} {
		if err := w.Deny(t.Context(), d); !errors.Is(err, ErrDenial) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestDamagedDenyListFailsClosed: the last good list holds; where there was none,
// nobody is welcome, and the error says why.
func TestDamagedDenyListFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n := c.enrolled(t)
		peer, _ := member(t, w.Source(n))
		other := peer
		other.Name = name(t, "spiffe://example.org/other")
		check(t, w.Deny(t.Context(), Denial{Name: peer.Name}))
		if !revokes(t, w, peer) || revokes(t, w, other) {
			t.Fatal("the list does not hold")
		}
		good := must(os.ReadFile(w.denyPath()))(t)
		for what, bad := range map[string][]byte{"garbage": []byte("{}"), "cut": good[:len(good)-3], "empty": {}, "huge": make([]byte, maxFile+1),
			"one letter": []byte(strings.Replace(string(good), "web", "wed", 1))} {
			check(t, os.WriteFile(w.denyPath(), bad, 0o600))
			time.Sleep(time.Second)
			if !revokes(t, w, peer) || revokes(t, w, other) {
				t.Errorf("%s: the last good list does not hold", what)
			}
			must(w.Source(n).Credential())(t)
			if err := w.Deny(t.Context(), Denial{Name: other.Name}); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: entered into a damaged list: %v", what, err)
			}
			fresh := c.wallet(t, w.Dir())
			if _, err := fresh.Source(n).Credential(); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), w.denyPath()) {
				t.Errorf("%s: credential: %v", what, err)
			}
			if !revokes(t, fresh, other) {
				t.Errorf("%s: without a good list somebody is welcome", what)
			}
			check(t, os.WriteFile(w.denyPath(), good, 0o600))
			time.Sleep(time.Second)
			if _, err := fresh.Source(n).Credential(); err != nil || !revokes(t, fresh, peer) || revokes(t, fresh, other) {
				t.Errorf("%s: repaired: %v", what, err)
			}
		}
		check(t, os.Chmod(w.denyPath(), 0o644))
		if _, err := c.wallet(t, w.Dir()).Source(n).Credential(); !errors.Is(err, ErrPermissions) {
			t.Error(err)
		}
	})
}

func TestFullDiskKeepsTheOldDenyList(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w := c.pinned(t)
	first := Denial{Name: name(t, "spiffe://example.org/a")}
	check(t, w.Deny(t.Context(), first))
	OnDisk(w, func(operation string) error {
		if operation == "write "+denyFile {
			return syscall.ENOSPC
		}
		return nil
	})
	if err := w.Deny(t.Context(), Denial{Name: name(t, "spiffe://example.org/b")}); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if all := must(c.wallet(t, w.Dir()).Denied())(t); len(all) != 1 || !all[0].sameAs(first) {
		t.Errorf("%+v", all)
	}
}

func peerWith(device identity.DeviceHash) idtls.Peer { return idtls.Peer{Device: device} }

func TestDenyListIsBounded(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w := c.pinned(t)
	var many []Denial
	for i := range 10_000 {
		many = append(many, Denial{Device: identity.DeviceHash{byte(i), byte(i >> 8), 1}, Reason: fmt.Sprint("lost on truck ", i)})
	}
	check(t, w.changeDenied(t.Context(), func([]Denial) ([]Denial, error) { return many[:6_000], nil }))
	if !w.denies(peerWith(many[0].Device)) || w.denies(peerWith(many[9_999].Device)) {
		t.Error("the list does not hold")
	}
	err := w.changeDenied(t.Context(), func([]Denial) ([]Denial, error) { return many, nil })
	if err == nil || !strings.Contains(err.Error(), "the deny list is full") {
		t.Error(err)
	}
	if all := must(w.Denied())(t); len(all) != 6_000 {
		t.Errorf("%d entries", len(all))
	}
}

// TestRevokedTouchesNoDisk: handshakes and sweeps call it, as often as they like.
func TestRevokedTouchesNoDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n := c.enrolled(t)
		peer, _ := member(t, w.Source(n))
		revoked := must(w.domain("example.org"))(t).tls.Revoked
		revoked(peer) // which looks
		check(t, os.RemoveAll(w.Dir()))
		for range 10_000 {
			if revoked(peer) { // time stands still
				t.Fatal("revoked")
			}
		}
		if n := testing.AllocsPerRun(100, func() { revoked(peer) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
