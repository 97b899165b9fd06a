package wallet

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/idtls"
)

const (
	// pollEvery is how often Keep asks the authorities for their lists, at most.
	pollEvery = 10 * time.Second
	// listLook is how often the lists on the disk are looked at, when somebody asks.
	listLook = 250 * time.Millisecond
	// storeEvery is how often a list is stored that says nothing new but its time.
	storeEvery = 60
)

// ErrSequence says that an authority's list of revocations is older than one that
// the wallet holds, or another with the same sequence.
var ErrSequence = errors.New("list of revocations is not newer than the one in the wallet")

// Revocations is what a domain's authorities say of revoked devices, as far as
// the wallet has heard (spec/revocations.md).
type Revocations struct {
	// Needed is n−t+1: a device is revoked when so many lists name it.
	Needed int
	// Revoked are those devices, in order of names.
	Revoked []dta.Revocation
	// Lists has one element for each authority, in order.
	Lists []RevocationList
	// Bound is how long a channel of a revoked device lives where no list is heard.
	Bound time.Duration
}

// RevocationList is the newest list of one authority. Sequence is 0 if there is
// none.
type RevocationList struct {
	Index    uint32
	Name     string // of the authority
	Sequence uint64
	Entries  int
	Age      time.Duration // since the authority made it, by its clock and ours
}

// RevocationBound returns how long, at most, a channel of a device outlives its
// revocation by n−t+1 authorities where nobody hears of it: the epoch, the quarter
// of an epoch by which the next one's key is fetched ahead, and the skew. While a
// domain changes the length of its epochs it is that of the longer one.
func RevocationBound(s identity.Schedule) time.Duration {
	length := max(s.Length, s.PreviousLength)
	return seconds(length) + seconds(length/4) + seconds(min(length, identity.MaxSkew))
}

// Revocations returns what the wallet holds of a domain, given by name or
// fingerprint; nobody is asked. An error wraps ErrNotPinned.
func (w *Wallet) Revocations(ref string) (*Revocations, error) {
	d, err := w.find(ref)
	if err != nil {
		return nil, err
	}
	l := w.listed(d.tls.Name)
	l.gate.open()
	l.follow(w)
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	document := d.Published.Document
	r := &Revocations{Needed: document.RevokedBy(), Revoked: l.revokedInOrder(), Bound: RevocationBound(d.tls.Schedule)}
	for _, a := range document.Authorities() {
		one := RevocationList{Index: a.Index, Name: a.Name}
		if list := l.lists[a.Index]; list != nil {
			one.Sequence, one.Entries = list.Sequence, len(list.Entries)
			one.Age = w.clock().Sub(time.Unix(int64(min(list.Time, 1<<40)), 0))
		}
		r.Lists = append(r.Lists, one)
	}
	return r, nil
}

// RefreshRevocations asks every authority of a domain, given by name or
// fingerprint, for its list and keeps those that are genuine and newer. Keep does
// so by itself. The error names each authority whose list was not taken, and
// wraps ErrSequence or dta.ErrRevocations; the other lists are in force nevertheless.
func (w *Wallet) RefreshRevocations(ctx context.Context, ref string) error {
	d, err := w.find(ref)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	authorities := d.Published.Document.Authorities()
	errs := make([]error, len(authorities))
	var all sync.WaitGroup
	for i, a := range authorities {
		all.Go(func() {
			signed, err := w.client.Revocations(ctx, a.URL)
			if err == nil {
				err = w.keepList(ctx, d, a.Index, signed)
			}
			if err != nil {
				errs[i] = fmt.Errorf("authority %d: %w", a.Index, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// followRevocations refreshes the lists of a domain, now and again, until the
// function that it returns is called. However many names of a domain are kept, its
// authorities are asked by one of them.
func (w *Wallet) followRevocations(ctx context.Context, domain string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			w.poll(ctx, domain)
			select {
			case <-ctx.Done():
			case <-time.After(pollEvery - rand.N(pollEvery/4)):
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// poll asks unless another has, or is just asking.
func (w *Wallet) poll(ctx context.Context, domain string) {
	l := w.listed(domain)
	if !l.polling.mu.TryLock() {
		return
	}
	defer l.polling.mu.Unlock()
	if l.polling.recent(pollEvery / 2) {
		return
	}
	l.polling.looked.Store(time.Now().UnixNano())
	err := w.RefreshRevocations(ctx, domain)
	if ctx.Err() != nil {
		return
	}
	said := ""
	if err != nil {
		said = err.Error()
	}
	if said != l.said && said != "" {
		w.log.Warn("lists of revocations not refreshed", "domain", domain, "error", err)
	}
	l.said = said
}

// keepList takes an authority's signed list if it is genuine and newer: it is in
// force here at once, also when the disk is full, and in other processes when
// it is stored.
func (w *Wallet) keepList(ctx context.Context, d *domain, index uint32, signed []byte) error {
	next, err := dta.ParseRevocations(d.Published.Document, index, signed)
	if err != nil {
		return err
	}
	dir := w.domainDir(d.tls.Name)
	unlock, err := w.lock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := w.readList(d, index)
	if err != nil && !missing(err) {
		w.log.Warn("list of revocations replaced", "domain", d.tls.Name, "authority", index, "error", err)
	}
	if err := follows(old, next); err != nil {
		return err
	}
	if err := w.listed(d.tls.Name).take(w, d.Published.Document, next); err != nil {
		return err
	}
	if old != nil && slices.Equal(old.Entries, next.Entries) && next.Time >= old.Time && next.Time-old.Time < storeEvery {
		return nil
	}
	return w.disk.replace(w.listPath(d, index), signed)
}

// follows returns an error that wraps ErrSequence unless next may take the place of old.
func follows(old, next *dta.Revocations) error {
	switch {
	case old == nil || next.Sequence > old.Sequence:
		return nil
	case next.Sequence < old.Sequence:
		return fmt.Errorf("%w: sequence %d after %d", ErrSequence, next.Sequence, old.Sequence)
	case next.Time != old.Time || !slices.Equal(next.Entries, old.Entries):
		return fmt.Errorf("%w: two lists of sequence %d", ErrSequence, next.Sequence)
	}
	return nil
}

func (w *Wallet) listPath(d *domain, index uint32) string {
	return filepath.Join(w.domainDir(d.tls.Name), fmt.Sprintf("revocations-%d", index))
}

// readList reads a list and verifies it again: a damaged one has no good signature.
func (w *Wallet) readList(d *domain, index uint32) (*dta.Revocations, error) {
	path := w.listPath(d, index)
	b, err := w.disk.read(path)
	if err != nil {
		return nil, err
	}
	list, err := dta.ParseRevocations(d.Published.Document, index, b)
	if err != nil {
		return nil, damaged(path, err)
	}
	return list, nil
}

// listings are the lists of each domain, in memory.
type listings struct {
	mu  sync.Mutex // of all
	all map[string]*listed
}

// listed follows the lists of one domain, on the disk and as they come. Handshakes
// and the sweeps over open connections look at a set that does not change.
type listed struct {
	domain  string
	gate    gate
	revoked atomic.Pointer[map[dta.Revocation]struct{}]

	polling gate
	said    string // by the last poll; polling guards it

	// The gate guards all below.
	document [32]byte
	lists    map[uint32]*dta.Revocations // by index
	files    map[uint32]fs.FileInfo
}

func (w *Wallet) listed(domain string) *listed {
	w.listings.mu.Lock()
	defer w.listings.mu.Unlock()
	l := w.listings.all[domain]
	if l == nil {
		l = &listed{domain: domain}
		if w.listings.all == nil {
			w.listings.all = map[string]*listed{}
		}
		w.listings.all[domain] = l
	}
	return l
}

// revoked returns what an idtls.Domain asks of each peer: whether the wallet's own
// list denies it, or n−t+1 authorities have revoked it.
func (w *Wallet) revoked(domain string) func(idtls.Peer) bool {
	l := w.listed(domain)
	return func(p idtls.Peer) bool {
		if w.denies(p) {
			return true
		}
		l.follow(w)
		revoked := l.revoked.Load()
		if revoked == nil {
			return false
		}
		_, named := (*revoked)[dta.Revocation{Name: p.Name, Device: p.Device}]
		return named
	}
}

func (l *listed) follow(w *Wallet) { l.gate.pass(listLook, func() { l.look(w) }) }

// look reads the lists that were replaced on the disk. One that does not read is as
// one that was never heard: the newest in memory holds, and Keep stores the next.
func (l *listed) look(w *Wallet) {
	d, err := w.domain(l.domain)
	if err != nil {
		return // the source says so
	}
	changed := l.renew(d.Published.Document)
	for _, a := range d.Published.Document.Authorities() {
		info, err := os.Stat(w.listPath(d, a.Index))
		if err != nil || l.files[a.Index] != nil && sameFile(l.files[a.Index], info) {
			continue
		}
		list, err := w.readList(d, a.Index)
		if err != nil && !errors.Is(err, ErrDamaged) {
			continue // it is read again
		}
		l.files[a.Index] = info
		if err != nil {
			w.log.Warn("list of revocations not read", "domain", l.domain, "authority", a.Index, "error", err)
		} else if held := l.lists[a.Index]; held == nil || list.Sequence > held.Sequence {
			l.lists[a.Index], changed = list, true
		}
	}
	if changed {
		l.count(d.Published.Document)
	}
}

// take puts a list in force that came and is genuine under document d. An error
// wraps ErrSequence.
func (l *listed) take(w *Wallet, d *dta.Document, next *dta.Revocations) error {
	l.gate.mu.Lock()
	defer l.gate.mu.Unlock()
	l.look(w)
	if l.document != d.Hash() {
		return nil // a newer document came meanwhile: the list is read from the disk and judged by it
	}
	if err := follows(l.lists[next.Index], next); err != nil {
		return err
	}
	l.lists[next.Index] = next
	l.count(d)
	return nil
}

// renew drops what was read under another document, and reports whether it did:
// keys, generation and n−t+1 may be others. The files are read again.
func (l *listed) renew(d *dta.Document) bool {
	if hash := d.Hash(); l.document != hash {
		l.document, l.lists, l.files = hash, map[uint32]*dta.Revocations{}, map[uint32]fs.FileInfo{}
		return true
	}
	return false
}

// count names whom enough lists name: n−t+1, so that fewer than t bad authorities
// cannot keep the others from it.
func (l *listed) count(d *dta.Document) {
	named := map[dta.Revocation]int{}
	for _, list := range l.lists {
		for _, e := range list.Entries {
			named[e]++
		}
	}
	revoked := map[dta.Revocation]struct{}{}
	for e, by := range named {
		if by >= d.RevokedBy() {
			revoked[e] = struct{}{}
		}
	}
	l.revoked.Store(&revoked)
}

func (l *listed) revokedInOrder() []dta.Revocation {
	revoked := l.revoked.Load()
	if revoked == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(*revoked), func(a, b dta.Revocation) int {
		return cmp.Or(cmp.Compare(a.Name.String(), b.Name.String()), bytes.Compare(a.Device[:], b.Device[:]))
	})
}
