package wallet

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// kept opens a wallet with a name enrolled and kept renewed until stop.
func (c *town) kept(t *testing.T) (w *Wallet, n identity.Name, stop func()) {
	t.Helper()
	w, n = c.enrolled(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Keep(ctx, n) }()
	return w, n, func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("keep: %v", err)
		}
	}
}

// call makes one handshake between two sources.
func call(t *testing.T, from, to idtls.Source) error {
	t.Helper()
	return callAs(t, from, to, idtls.Member("example.org"))
}

func callAs(t *testing.T, from, to idtls.Source, welcome idtls.Authorizer) error {
	t.Helper()
	client, server := must(idtls.ClientConfig(from, welcome))(t), must(idtls.ServerConfig(to, welcome))(t)
	client.ServerName = "peer.example"
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error)
	go func() {
		_, err := tls.Server(b, server).Write([]byte{1})
		done <- err
	}()
	_, err := io.ReadFull(tls.Client(a, client), make([]byte, 1)) // a refusal comes after the handshake
	return errors.Join(err, <-done)
}

func TestKeepCrossesShortEpochsWithoutARefusedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 10)
		web, webName, stopWeb := c.kept(t)
		defer stopWeb()
		time.Sleep(3700 * time.Millisecond)
		api, apiName, stopAPI := c.kept(t)
		defer stopAPI()
		from, to := web.Source(webName), api.Source(apiName)
		epochs := map[identity.Epoch]bool{}
		for range 300 {
			if err := call(t, from, to); err != nil {
				t.Fatalf("at %v: %v", time.Now().Unix(), err)
			}
			epochs[must(from.Credential())(t).Epoch] = true
			time.Sleep(170 * time.Millisecond)
		}
		if len(epochs) < 5 {
			t.Errorf("crossed %d epochs", len(epochs))
		}
		if held := must(web.held(webName, identity.Channel))(t); len(held) > 4 {
			t.Errorf("%d keys on the disk", len(held))
		}
	})
}

func TestKeepHasTheNextKeyBeforeItsEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n, stop := c.kept(t)
		defer stop()
		source := w.Source(n)
		for range 3 * 24 {
			time.Sleep(time.Hour)
			now := w.now()
			if got, want := must(source.Credential())(t).Epoch, identity.EpochAt(now, day); got != want {
				t.Fatalf("at %d the epoch is %v, not %v", now, got, want)
			}
		}
		// Asked once when enrolling and once an epoch: nobody is pestered.
		if asked := c.authorities[0].count(); asked > 6 {
			t.Errorf("an authority was asked %d times", asked)
		}
	})
}

func TestKeepOutlastsAnOutageShorterThanTheLastQuarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n, stop := c.kept(t)
		defer stop()
		source := w.Source(n)
		time.Sleep(17 * time.Hour)
		for _, b := range c.authorities {
			b.set(func(b *booth) { b.down = true })
		}
		time.Sleep(6 * time.Hour)
		must(source.Credential())(t)
		for _, b := range c.authorities {
			b.set(func(b *booth) { b.down = false })
		}
		time.Sleep(time.Hour + time.Minute)
		if got := must(source.Credential())(t).Epoch; got != identity.EpochAt(w.now(), day) {
			t.Errorf("epoch = %v", got)
		}
	})
}

func TestKeepGoesOnWithAnAuthorityDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 10)
		w, n, stop := c.kept(t)
		defer stop()
		c.authorities[1].set(func(b *booth) { b.down = true })
		source := w.Source(n)
		for range 60 {
			time.Sleep(time.Second)
			if err := call(t, source, source); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestKeepOutlivesAnAuthorityWhoseClockIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 3, 3, 20)
		w, n, stop := c.kept(t)
		defer stop()
		c.authorities[1].set(func(b *booth) { b.skew = -2 * time.Second })
		source := w.Source(n)
		for range 90 {
			time.Sleep(time.Second)
			must(source.Credential())(t)
		}
	})
}

func TestRevokedNameStopsWithItsEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 10)
		w, n, stop := c.kept(t)
		defer stop()
		for _, b := range c.authorities[:2] {
			b.set(func(b *booth) { b.revoked = true })
		}
		source := w.Source(n)
		must(source.Credential())(t)
		time.Sleep(3*10*time.Second + time.Second) // this epoch, perhaps the next, and the skew
		if _, err := source.Credential(); !errors.Is(err, ErrNoKey) || hint(err) == "" {
			t.Errorf("error = %v", err)
		}
	})
}

func TestKeepRefusesAnUnknownName(t *testing.T) {
	w := newTown(t, 2, 2, day).pinned(t)
	if err := w.Keep(t.Context(), name(t, "spiffe://example.org/web")); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("error = %v", err)
	}
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	for _, length := range []time.Duration{10 * time.Second, 24 * time.Hour, 365 * 24 * time.Hour} {
		high := max(min(length/16, 10*time.Minute), time.Second)
		for failures := range 100 {
			if pause := backoff(length, failures); pause < 50*time.Millisecond || pause > high {
				t.Errorf("epoch of %v, %d failures: %v", length, failures, pause)
			}
		}
		if backoff(length, 99) < high/2 {
			t.Errorf("epoch of %v: the pause stays short", length)
		}
	}
}

func TestDevicesDoNotAllRenewAtOnce(t *testing.T) {
	seen := map[time.Duration]bool{}
	for i := range 100 {
		device := identity.DeviceHash{byte(i)}.String()
		delay := spread(device, 24*time.Hour)
		if delay < 0 || delay > 90*time.Minute || delay != spread(device, 24*time.Hour) {
			t.Errorf("delay = %v", delay)
		}
		seen[delay] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 devices have %d delays", len(seen))
	}
	if spread("x", 1<<62) < 0 {
		t.Error("the longest epoch overflows")
	}
}

func TestSourceShowsTheCurrentKeyOrElseWhatPeersAccept(t *testing.T) {
	s := identity.Schedule{Length: 10} // so the skew is 10 s too
	at := func(starts ...uint64) (epochs []identity.Epoch) {
		for _, start := range starts {
			epochs = append(epochs, identity.Epoch{Start: start, Length: 10})
		}
		return epochs
	}
	for _, k := range []struct {
		held []identity.Epoch
		now  uint64
		want uint64
		ok   bool
	}{
		{at(10, 20, 30), 25, 20, true},
		{at(10, 20, 30), 30, 30, true},
		{at(10, 20), 30, 20, true},
		{at(10, 20), 40, 20, true},
		{at(10, 20), 41, 0, false},
		{at(10, 30), 25, 30, true},
		{at(40), 25, 0, false},
		{nil, 25, 0, false},
	} {
		if got, ok := best(s, k.now, k.held); ok != k.ok || got.Start != k.want {
			t.Errorf("at %d of %v: %v, %v", k.now, k.held, got, ok)
		}
	}
}

func TestSourceSeesWhatAnotherProcessRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 100)
		w, n := c.enrolled(t)
		source := c.wallet(t, w.Dir()).Source(n)
		first := must(source.Credential())(t)
		time.Sleep(time.Duration(int64(first.Epoch.End())-time.Now().Unix()) * time.Second)
		if got := must(source.Credential())(t); got != first {
			t.Error("there is another credential already")
		}
		must(w.Renew(t.Context(), n))(t)
		time.Sleep(anxiousLook)
		second := must(source.Credential())(t)
		if second.Epoch != first.Epoch.Next() {
			t.Errorf("epoch = %v", second.Epoch)
		}
		time.Sleep(3 * time.Second)
		if again := must(source.Credential())(t); again != second {
			t.Error("the same key gave another credential: its leaf would be made again")
		}
	})
}

func TestSourceFollowsTheDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n := c.enrolled(t)
		source := w.Source(n)
		before := must(source.Credential())(t)
		f := c.successor()
		f.Suites = []byte{1, 2}
		c.publish(t, f)
		must(w.Refresh(t.Context(), "example.org"))(t)
		time.Sleep(settledLook)
		if after := must(source.Credential())(t); len(after.Domain.Suites) != 2 || after.Epoch != before.Epoch {
			t.Errorf("suites = %v", after.Domain.Suites)
		}
	})
}

func TestSourceKeepsACredentialThroughTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n := c.enrolled(t)
		source := w.Source(n)
		must(source.Credential())(t)
		path := filepath.Join(w.nameDir(n), enrolmentFile)
		check(t, os.WriteFile(path, []byte("?"), 0o600))
		time.Sleep(2 * settledLook)
		must(source.Credential())(t)
		time.Sleep(2 * 24 * time.Hour)
		if _, err := source.Credential(); !errors.Is(err, ErrDamaged) {
			t.Errorf("when the key has ended: %v", err)
		}
	})
}

func TestHighestEpochSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 100)
		w, n, stop := c.kept(t)
		source := w.Source(n)
		for range 50 {
			time.Sleep(10 * time.Second)
			must(source.Credential())(t)
		}
		stop()
		last := must(source.Credential())(t).Epoch
		again := must(c.wallet(t, w.Dir()).domain("example.org"))(t)
		if got := again.tls.Watermark.Highest(); got != last {
			t.Errorf("highest epoch = %v, want %v", got, last)
		}
		if err := again.tls.Watermark.Admit(identity.Epoch{Start: last.Start - 200, Length: 100}); err == nil {
			t.Error("a clock set back revives a key")
		}
	})
}
