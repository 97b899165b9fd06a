package wallet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"milagro.dev/dta"
)

const (
	// patience is how long Refresh waits for other authorities once one has
	// shown a genuine document.
	patience = time.Second
	// statusTimeout is how long Status waits for an authority.
	statusTimeout = 5 * time.Second
)

// AuthorityStatus is what one authority shows of a domain.
type AuthorityStatus struct {
	Index uint32
	Name  string
	URL   string
	// Up says that it answered with a genuine document of the domain; then
	// Revision is that document's, and StampDay its stamp's, 0 without one.
	Up       bool
	Revision uint64
	StampDay uint32
	// Err is nil if the authority is up and its document is neither stale,
	// older than ours nor in conflict with it.
	Err error
}

// view is what came from one URL.
type view struct {
	authority dta.Authority
	published *dta.Published
	err       error
}

// Refresh asks all authorities of a domain, given by name or fingerprint, for
// its document and keeps the highest one that is genuine. An authority that is
// silent, or behind, is no error as long as one shows a document that is not
// older than ours. Errors wrap ErrNotPinned, ErrRevision and ErrConflict.
func (w *Wallet) Refresh(ctx context.Context, ref string) (*dta.Document, error) {
	d, err := w.find(ref)
	if err != nil {
		return nil, err
	}
	if err := w.refresh(ctx, d); err != nil {
		return nil, fmt.Errorf("refresh %s: %w", d.tls.Name, err)
	}
	d, err = w.domain(d.tls.Name)
	if err != nil {
		return nil, err
	}
	return d.Published.Document, nil
}

func (w *Wallet) refresh(ctx context.Context, d *domain) error {
	return w.acceptAny(ctx, d, w.collect(ctx, d))
}

// acceptAny keeps the highest genuine document of those that came.
func (w *Wallet) acceptAny(ctx context.Context, d *domain, views []view) error {
	dir := w.domainDir(d.tls.Name)
	unlock, err := w.lock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	good := false
	var errs []error
	for _, v := range views {
		err := v.err
		if err == nil {
			err = w.accept(dir, d.ID, v.published)
		}
		if errors.Is(err, ErrConflict) {
			return err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.authority.URL, err))
		}
		good = good || err == nil
	}
	if good {
		return nil
	}
	return errors.Join(errs...)
}

// collect fetches the document from every authority at once, and from where
// the domain was pinned: all addresses in an old document may be gone.
func (w *Wallet) collect(ctx context.Context, d *domain) []view {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sources := d.Published.Document.Authorities()
	if !slices.ContainsFunc(sources, func(a dta.Authority) bool { return a.URL == d.URL }) {
		sources = append(sources, dta.Authority{URL: d.URL})
	}
	answers := make(chan view)
	for _, a := range sources {
		go func() { answers <- w.view(ctx, d, a) }()
	}
	var views []view
	for range sources {
		v := <-answers
		if v.err == nil && ctx.Err() == nil {
			timer := time.AfterFunc(patience, cancel)
			defer timer.Stop()
		}
		views = append(views, v)
	}
	return views
}

func (w *Wallet) view(ctx context.Context, d *domain, a dta.Authority) view {
	p, err := w.client.Domain(ctx, a.URL)
	if err == nil {
		err = p.Verify(d.ID)
	}
	return view{authority: a, published: p, err: err}
}

// Status asks every authority of a domain, given by name or fingerprint, what
// it serves. It stores nothing but evidence. The error wraps ErrNotPinned.
func (w *Wallet) Status(ctx context.Context, ref string) ([]AuthorityStatus, error) {
	d, err := w.find(ref)
	if err != nil {
		return nil, err
	}
	authorities := d.Published.Document.Authorities()
	answers := make(chan AuthorityStatus)
	for _, a := range authorities {
		go func() { answers <- w.status(ctx, d, a) }()
	}
	var all []AuthorityStatus
	for range authorities {
		all = append(all, <-answers)
	}
	slices.SortFunc(all, func(a, b AuthorityStatus) int { return cmp.Compare(a.Index, b.Index) })
	return all, nil
}

func (w *Wallet) status(ctx context.Context, d *domain, a dta.Authority) AuthorityStatus {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s := AuthorityStatus{Index: a.Index, Name: a.Name, URL: a.URL}
	v := w.view(ctx, d, a)
	if v.err != nil {
		s.Err = v.err
		return s
	}
	s.Up, s.Revision = true, v.published.Document.Revision()
	if v.published.Stamp != nil {
		s.StampDay = v.published.Stamp.Day
	}
	if s.Err = v.published.Fresh(w.now()); s.Err == nil {
		_, s.Err = w.newer(d.Published, v.published)
	}
	return s
}
