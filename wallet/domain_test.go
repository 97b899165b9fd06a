package wallet

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

func TestPinKeepsTheDocument(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w := c.pinned(t)
	for _, ref := range []string{"example.org", c.id().String()} {
		p := must(w.Domain(ref))(t)
		if p.ID != c.id() || p.URL != c.url(1) || p.Published.Document.Revision() != 1 {
			t.Errorf("%s: %+v", ref, p)
		}
	}
	if all := must(c.wallet(t, w.Dir()).Domains())(t); len(all) != 1 || all[0].ID != c.id() {
		t.Errorf("opened again: %v", all)
	}
	must(w.Pin(t.Context(), c.url(2), c.id()))(t)
	if p := must(w.Domain("example.org"))(t); p.URL != c.url(2) {
		t.Errorf("pinned again at another authority: %s", p.URL)
	}
}

func TestPinRefusesAnotherFingerprint(t *testing.T) {
	c, other := newTown(t, 2, 3, day), newTown(t, 2, 3, day)
	w := c.wallet(t, t.TempDir()+"/wallet")
	if _, err := w.Pin(t.Context(), c.url(1), other.id()); !errors.Is(err, dta.ErrDocument) {
		t.Errorf("error = %v", err)
	}
	if _, err := w.Domain("example.org"); !errors.Is(err, ErrNotPinned) {
		t.Errorf("the domain: %v", err)
	}
}

func TestPinRefusesASecondDomainOfTheSameName(t *testing.T) {
	c, other := newTown(t, 2, 3, day), newTown(t, 2, 3, day)
	w := c.pinned(t)
	w.client = other.client()
	if _, err := w.Pin(t.Context(), other.url(1), other.id()); !errors.Is(err, ErrPinned) {
		t.Errorf("error = %v", err)
	}
	if p := must(w.Domain("example.org"))(t); p.ID != c.id() {
		t.Error("the pin was replaced")
	}
}

func TestPinRefusesAStaleDocument(t *testing.T) {
	c := newTown(t, 2, 3, day)
	for title, stamp := range map[string]*dta.Stamp{
		"no stamp":              nil,
		"a stamp of last month": c.stamp(t, c.published.Document, today()-30),
		"a stamp of next month": c.stamp(t, c.published.Document, today()+30),
	} {
		c.published.Stamp = stamp
		w := c.wallet(t, t.TempDir()+"/wallet")
		if _, err := w.Pin(t.Context(), c.url(1), c.id()); !errors.Is(err, dta.ErrStale) || hint(err) == "" {
			t.Errorf("%s: %v", title, err)
		}
	}
}

func TestPinRefusesALowerRevision(t *testing.T) {
	c := newTown(t, 2, 3, day)
	first := c.published
	c.publish(t, c.successor())
	w := c.pinned(t)
	c.published = first
	if _, err := w.Pin(t.Context(), c.url(1), c.id()); !errors.Is(err, ErrRevision) {
		t.Errorf("pin: %v", err)
	}
	if _, err := w.Refresh(t.Context(), "example.org"); !errors.Is(err, ErrRevision) {
		t.Errorf("refresh: %v", err)
	}
	if got := must(w.Domain("example.org"))(t).Published.Document.Revision(); got != 2 {
		t.Errorf("the wallet went back to revision %d", got)
	}
}

func TestAnotherDocumentAtOneRevisionIsKeptAsEvidence(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w := c.pinned(t)
	f := c.fields
	f.Flags = []string{"shared-root"}
	second := c.document(t, f)
	c.authorities[2].shows = second
	_, err := w.Refresh(t.Context(), "example.org")
	conflict, ok := errors.AsType[*ConflictError](err)
	if !ok || !errors.Is(err, ErrConflict) || conflict.Revision != 1 {
		t.Fatalf("error = %v", err)
	}
	for i, want := range []*dta.Published{c.published, second} {
		kept := must(dta.ParsePublished(must(os.ReadFile(conflict.Files[i]))(t)))(t)
		if kept.Document.Hash() != want.Document.Hash() || kept.Verify(c.id()) != nil {
			t.Errorf("evidence %d is another document", i)
		}
	}
	if p := must(w.Domain("example.org"))(t); p.Published.Document.Hash() != c.published.Document.Hash() {
		t.Error("the second document took the place of the first")
	}
	if status := must(w.Status(t.Context(), "example.org"))(t); !errors.Is(status[2].Err, ErrConflict) || status[0].Err != nil {
		t.Errorf("status = %+v", status)
	}
}

func TestRefreshTakesTheHighestThatAnyAuthorityShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w := c.pinned(t)
		c.authorities[0].down = true
		c.authorities[2].shows = c.document(t, c.successor())
		if doc := must(w.Refresh(t.Context(), c.id().String()))(t); doc.Revision() != 2 {
			t.Errorf("revision = %d", doc.Revision())
		}
		c.authorities[1].down, c.authorities[2].down = true, true
		if _, err := w.Refresh(t.Context(), "example.org"); err == nil {
			t.Error("refreshed from nowhere")
		}
	})
}

func TestRefreshKeepsTheLatestStamp(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w := c.pinned(t)
	doc := c.published.Document
	before := must(w.domain("example.org"))(t)
	stampDay := func() uint32 { return must(w.Domain("example.org"))(t).Published.Stamp.Day }
	for title, k := range map[string]struct{ shown, want uint32 }{
		"yesterday's": {today() - 1, today()}, "one from the far future": {today() + 30, today()},
	} {
		c.published = &dta.Published{Document: doc, Signature: c.published.Signature, Stamp: c.stamp(t, doc, k.shown)}
		must(w.Refresh(t.Context(), "example.org"))(t)
		if got := stampDay(); got != k.want {
			t.Errorf("%s: stamp of day %d, want %d", title, got, k.want)
		}
	}
	c.published = &dta.Published{Document: doc, Signature: c.published.Signature, Stamp: c.stamp(t, doc, today()+1)}
	must(w.Refresh(t.Context(), "example.org"))(t)
	if got := stampDay(); got != today()+1 {
		t.Errorf("tomorrow's: stamp of day %d", got)
	}
	if after := must(w.domain("example.org"))(t); after.tls != before.tls {
		t.Error("a new stamp forgets which peers were verified")
	}
}

func TestRefreshIsSeenByOtherProcesses(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w := c.pinned(t)
	other := c.wallet(t, w.Dir())
	before := must(other.domain("example.org"))(t)
	c.publish(t, c.successor())
	must(w.Refresh(t.Context(), "example.org"))(t)
	after := must(other.domain("example.org"))(t)
	if after.Published.Document.Revision() != 2 || after.tls == before.tls {
		t.Error("the other process has the old document")
	}
	if after.tls.Watermark != before.tls.Watermark {
		t.Error("the watermark was forgotten")
	}
}

func TestStatusNamesEachAuthority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, other := newTown(t, 2, 4, day), newTown(t, 2, 2, day)
		w := c.pinned(t)
		c.authorities[1].down = true
		c.authorities[2].shows = other.published
		old := *c.published
		old.Stamp = nil
		c.authorities[3].shows = &old
		start := time.Now()
		status := must(w.Status(t.Context(), "example.org"))(t)
		if took := time.Since(start); took > statusTimeout {
			t.Errorf("took %v", took)
		}
		up := []bool{status[0].Up, status[1].Up, status[2].Up, status[3].Up}
		if !slices.Equal(up, []bool{true, false, false, true}) {
			t.Errorf("up = %v", up)
		}
		if status[0].Err != nil || status[0].StampDay != today() || status[0].Revision != 1 {
			t.Errorf("authority 1: %+v", status[0])
		}
		if !errors.Is(status[2].Err, dta.ErrDocument) || !errors.Is(status[3].Err, dta.ErrStale) {
			t.Errorf("authority 3: %v, authority 4: %v", status[2].Err, status[3].Err)
		}
	})
}

func TestUnknownDomainsAreRefused(t *testing.T) {
	w := newTown(t, 2, 2, day).pinned(t)
	for _, ref := range []string{"example.com", identity.DomainID{7}.String()} {
		if _, err := w.Domain(ref); !errors.Is(err, ErrNotPinned) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	for _, ref := range []string{"", ".", "..", "../names", "/", "a/b"} {
		if _, err := w.Domain(ref); err == nil {
			t.Errorf("%q is a domain", ref)
		}
	}
}

func TestADamagedDomainHidesNoOther(t *testing.T) {
	c, other := newTown(t, 2, 2, day), newTown(t, 2, 2, day)
	f := other.fields
	f.Domain = "example.com"
	other.publish(t, f)
	w := c.pinned(t)
	w.client = other.client()
	must(w.Pin(t.Context(), other.url(1), other.id()))(t)
	path := filepath.Join(w.domainDir("example.org"), pinFile)
	check(t, os.WriteFile(path, []byte("?"), 0o600))
	all, err := c.wallet(t, w.Dir()).Domains()
	if len(all) != 1 || all[0].ID != other.id() {
		t.Errorf("domains = %v", all)
	}
	if at, ok := errors.AsType[*FileError](err); !ok || at.Path != path || !errors.Is(err, ErrDamaged) {
		t.Errorf("error = %v", err)
	}
}

func TestADocumentInAnotherDomainsPlaceIsDamage(t *testing.T) {
	c := newTown(t, 2, 2, day)
	w := c.pinned(t)
	check(t, os.Rename(w.domainDir("example.org"), w.domainDir("example.com")))
	if _, err := w.Domain("example.com"); !errors.Is(err, ErrDamaged) {
		t.Errorf("error = %v", err)
	}
}
