package wallet

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

func TestOutlookFollowsTheEpochs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 3600) // the skew is 300 s
		w, n := c.enrolled(t)
		first := identity.EpochAt(w.now(), 3600)
		look := func(at time.Duration) Outlook {
			t.Helper()
			time.Sleep(time.Until(time.Unix(int64(first.Start), 0).Add(at)))
			all := must(w.Outlook(n))(t)
			if len(all) != 1 || all[0].Purpose != identity.Channel || !all[0].Ever {
				t.Fatalf("outlook %+v", all)
			}
			return all[0]
		}
		if o := look(time.Minute); o.Now != first || o.Ahead {
			t.Errorf("in the first epoch: %+v", o)
		}
		if o := look(time.Hour + 299*time.Second); o.Now != first {
			t.Errorf("within the skew: %+v", o)
		}
		if o := look(time.Hour + 301*time.Second); !o.Now.IsZero() {
			t.Errorf("after it: %+v", o)
		}
		time.Sleep(48 * time.Minute)
		must(w.Renew(t.Context(), n))(t) // the second epoch's and, in its last quarter, the third's
		if o := look(2*time.Hour - time.Minute); o.Now != first.Next() || !o.Ahead {
			t.Errorf("with both in hand: %+v", o)
		}
	})
}

func TestOutlookOfWhoHasNothing(t *testing.T) {
	c := newTown(t, 2, 2, day)
	w, n := c.pinned(t), name(t, "spiffe://example.org/web")
	if _, err := w.Outlook(n); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("not enrolled: %v", err)
	}
	if _, err := w.Outlook(name(t, "spiffe://example.com/web")); !errors.Is(err, ErrNotPinned) {
		t.Errorf("not pinned: %v", err)
	}
	codes := c.register()
	for _, b := range c.authorities {
		b.set(func(b *booth) { b.revoked = true })
	}
	if _, err := w.Enrol(t.Context(), n, identity.Channel, codes); !errors.Is(err, dta.ErrThreshold) {
		t.Fatal(err)
	}
	if all := must(w.Outlook(n))(t); len(all) != 1 || all[0].Ever || !all[0].Now.IsZero() || all[0].Ahead {
		t.Errorf("begun and never granted: %+v", all)
	}
}

func TestKeepTellsOfEachTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, 100)
		w, n := c.enrolled(t)
		var mu sync.Mutex
		var told []Renewal
		kept := must(Open(Config{Dir: w.Dir(), Client: c.client(), Renewed: func(r Renewal) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, r)
		}}))(t)
		go kept.Keep(t.Context(), n)
		time.Sleep(200 * time.Second)
		for _, b := range c.authorities {
			b.set(func(b *booth) { b.revoked = true })
		}
		time.Sleep(200 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		good := slices.IndexFunc(told, func(r Renewal) bool { return r.Err != nil })
		if good < 2 {
			t.Fatalf("told of %d renewals before a failure", good)
		}
		for i, r := range told {
			if r.Name != n || r.Report == nil || len(r.Report.Keys) == 0 || r.Again <= 0 || (r.Err != nil) != (i >= good) {
				t.Errorf("renewal %d: %+v", i, r)
			}
		}
		if bad := told[len(told)-1]; !errors.Is(bad.Err, dta.ErrThreshold) || bad.Report.Keys[0].Authorities[0].Outcome != Refused {
			t.Errorf("the last: %+v", bad)
		}
	})
}
