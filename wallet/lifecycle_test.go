package wallet

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

func TestKeepCrossesAChangeOfEpochLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 20)
		w, n, stop := c.kept(t)
		defer stop()
		source := w.Source(n)
		time.Sleep(7 * time.Second)
		f := c.successor()
		last := identity.EpochAt(w.now(), 20).Next()
		f.Schedules = map[identity.Purpose]identity.Schedule{
			identity.Channel: {Length: 10, PreviousLength: 20, PreviousLastStart: last.Start},
		}
		c.revise(t, f)
		must(w.Refresh(t.Context(), "example.org"))(t)
		for range 80 {
			time.Sleep(time.Second)
			if err := call(t, source, source); err != nil {
				t.Fatalf("at %d: %v", w.now(), err)
			}
		}
		if got := must(source.Credential())(t).Epoch.Length; got != 10 {
			t.Errorf("length = %d", got)
		}
	})
}

func TestOnlyOldChannelKeysAreErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 2, 100)
		w, n := c.enrolled(t)
		must(w.Enrol(t.Context(), n, identity.Decrypt, c.register()))(t)
		for range 6 {
			time.Sleep(100 * time.Second)
			must(w.Renew(t.Context(), n))(t)
		}
		current := identity.EpochAt(w.now(), 100)
		channel := must(w.held(n, identity.Channel))(t)
		if len(channel) > 4 || !slices.Contains(channel, current) || channel[0].End() > current.Start {
			t.Errorf("channel keys at %v: %v", current, channel)
		}
		if decrypt := must(w.held(n, identity.Decrypt))(t); len(decrypt) < 7 {
			t.Errorf("decrypt keys: %v", decrypt)
		}
	})
}

func TestDecryptKeysAreNeverAskedForAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 2, 100)
		w, n, stop := c.kept(t)
		defer stop()
		must(w.Enrol(t.Context(), n, identity.Decrypt, c.register()))(t)
		for range 30 {
			time.Sleep(10 * time.Second)
			if r, err := w.Renew(t.Context(), n); err != nil {
				t.Fatalf("%v: %s", err, r.Text())
			}
			held := must(w.held(n, identity.Decrypt))(t)
			if last := held[len(held)-1]; last != identity.EpochAt(w.now(), 100) {
				t.Fatalf("at %d the last decrypt key is of %v", w.now(), last)
			}
		}
	})
}

func TestTwoDomainsInOneWallet(t *testing.T) {
	a, b := newTown(t, 2, 2, day), newTown(t, 2, 3, day)
	f := b.fields
	f.Domain = "example.com"
	b.revise(t, f)
	w, web := a.enrolled(t)
	w.client = b.client()
	must(w.Pin(t.Context(), b.url(1), b.id()))(t)
	shop := name(t, "spiffe://example.com/web")
	must(w.Enrol(t.Context(), shop, identity.Channel, b.register()))(t)
	for n, c := range map[identity.Name]*town{web: a, shop: b} {
		if got := must(w.Source(n).Credential())(t); got.Domain.ID != c.id() || got.Name != n {
			t.Errorf("%v: credential of %v in %v", n, got.Name, got.Domain.ID)
		}
	}
	if must(w.Show(web))(t).Device == must(w.Show(shop))(t).Device {
		t.Error("two names share a device key")
	}
	if err := call(t, w.Source(web), w.Source(shop)); err == nil {
		t.Error("a call across domains was accepted")
	}
}

func TestNamesThatDifferByCaseAreApart(t *testing.T) {
	w := newTown(t, 2, 2, day).pinned(t)
	lower, upper := w.nameDir(name(t, "spiffe://example.org/web")), w.nameDir(name(t, "spiffe://example.org/Web"))
	if strings.EqualFold(lower, upper) {
		t.Errorf("both are in %s", lower)
	}
}

func TestASourceSaysWhatIsMissing(t *testing.T) {
	w := newTown(t, 2, 2, day).pinned(t)
	for n, want := range map[string]error{"spiffe://example.org/web": ErrNotEnrolled, "spiffe://example.com/web": ErrNotEnrolled} {
		if _, err := w.Source(name(t, n)).Credential(); !errors.Is(err, want) || !strings.Contains(hint(err), "milagro enrol "+n) {
			t.Errorf("%s: %v, hint %q", n, err, hint(err))
		}
	}
	if _, err := w.Renew(t.Context(), name(t, "spiffe://example.org/web")); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("renew: %v", err)
	}
}

func TestASourceAsksTheDiskOnlyNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 2, day)
		w, n := c.pinned(t), name(t, "spiffe://example.org/web")
		source := w.Source(n)
		if _, err := source.Credential(); !errors.Is(err, ErrNotEnrolled) {
			t.Error(err)
		}
		must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
		if _, err := source.Credential(); !errors.Is(err, ErrNotEnrolled) {
			t.Errorf("looked again at once: %v", err)
		}
		time.Sleep(anxiousLook)
		must(source.Credential())(t)
	})
}

// journal collects log lines of many goroutines.
type journal struct {
	mu sync.Mutex
	bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.Buffer.Write(b)
}

func TestSecretsReachNeitherLogsNorErrorsNorReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 10)
		var all journal
		w := must(Open(Config{Dir: t.TempDir() + "/wallet", Client: c.client(),
			Logger: slog.New(slog.NewTextHandler(&all, &slog.HandlerOptions{Level: slog.LevelDebug}))}))(t)
		must(w.Pin(t.Context(), c.url(1), c.id()))(t)
		n, codes := name(t, "spiffe://example.org/web"), c.register()
		c.authorities[0].lies, c.authorities[1].revoked = true, true
		r, err := w.Enrol(t.Context(), n, identity.Channel, codes)
		all.WriteString(err.Error() + r.Text())
		c.authorities[1].revoked = false
		r = must(w.Enrol(t.Context(), n, identity.Channel, codes))(t)
		all.WriteString(r.Text())
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		c.authorities[2].set(func(b *booth) { b.revoked = true })
		if err := w.Keep(ctx, n); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if !strings.Contains(all.String(), "keys not renewed") {
			t.Error("the log says nothing of the failed renewals")
		}
		for what, secret := range secretsOf(t, w, n, codes) {
			for _, text := range []string{string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret)} {
				if strings.Contains(all.String(), text) {
					t.Errorf("%s is in the open", what)
				}
			}
		}
	})
}

func secretsOf(t *testing.T, w *Wallet, n identity.Name, codes map[uint32]dta.Code) map[string][]byte {
	t.Helper()
	device := must(parseDeviceKey(must(os.ReadFile(w.deviceFile(n)))(t)))(t)
	secrets := map[string][]byte{"device key": must(device.Bytes())(t)}
	for _, k := range must(w.Show(n))(t).Keys {
		b := must(os.ReadFile(k.Path))(t)
		secrets["key of epoch "+k.Epoch.String()] = must(parseKey(b))(t).private.Expose()
	}
	for _, code := range codes {
		secrets["code "+code.String()] = []byte(code.Canonical()[2:])
	}
	return secrets
}
