package wallet

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/idtls"
)

const (
	pinFile      = "pin"
	documentFile = "document"
)

// Pinned is a domain that the wallet trusts, with its highest verified document.
type Pinned struct {
	ID        identity.DomainID
	URL       string // where it was pinned
	Published *dta.Published
}

// domain is a pinned domain as it was read from the disk.
type domain struct {
	Pinned
	tls   *idtls.Domain
	files [2]fs.FileInfo // pin and document
}

// ConflictError says that the domain's master signed two documents of one
// revision, for which more than t−1 of its authorities must be bad. It wraps
// ErrConflict.
type ConflictError struct {
	Domain   string
	Revision uint64
	Files    [2]string // both, as they were published
}

// Error names domain, revision and files.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: domain %s, revision %d: %s and %s", ErrConflict, e.Domain, e.Revision, e.Files[0], e.Files[1])
}

// Unwrap returns ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// Hint returns what to do next.
func (e *ConflictError) Hint() string {
	return "authorities of this domain signed both: show the two files to its operators, and trust neither until they explain"
}

// Pin fetches the document of domain id from the authority at url and stores
// it, if with nothing but id it proves genuine and fresh. Errors wrap
// dta.ErrDocument, dta.ErrStale, ErrPinned when a domain of that name has another
// fingerprint here, ErrRevision and ErrConflict.
func (w *Wallet) Pin(ctx context.Context, url string, id identity.DomainID) (*dta.Document, error) {
	doc, err := w.pin(ctx, url, id)
	if err != nil {
		return nil, fmt.Errorf("pin %s: %w", url, err)
	}
	return doc, nil
}

func (w *Wallet) pin(ctx context.Context, url string, id identity.DomainID) (*dta.Document, error) {
	p, err := w.client.Domain(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := p.Verify(id); err != nil {
		return nil, err
	}
	if err := p.Fresh(w.now()); err != nil {
		return nil, &advised{err, "its authorities stamp it every day: see 'milagro dta status' there, and check this clock"}
	}
	dir := w.domainDir(p.Document.Domain())
	if err := w.disk.makeDir(dir); err != nil {
		return nil, err
	}
	unlock, err := w.lock(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := w.writePin(dir, pinRecord{Domain: p.Document.Domain(), Fingerprint: id, URL: url}); err != nil {
		return nil, err
	}
	if err := w.accept(dir, id, p); err != nil {
		return nil, err
	}
	return p.Document, nil
}

// writePin comes before the document: one without a pin would be trusted by nobody.
func (w *Wallet) writePin(dir string, pin pinRecord) error {
	path := filepath.Join(dir, pinFile)
	pin.Format = pin.format()
	old, err := readRecord[pinRecord](w.disk, path)
	switch {
	case missing(err):
		return writeRecord(w.disk, path, pin)
	case err != nil:
		return err
	case old.Fingerprint != pin.Fingerprint:
		return &advised{fmt.Errorf("%w: %s is pinned as %v", ErrPinned, old.Domain, old.Fingerprint),
			"compare both with the domain's operators; if the new one is right, use another wallet directory"}
	case old.URL != pin.URL:
		return writeRecord(w.disk, path, pin)
	}
	return nil
}

// accept stores next, which was verified, if it is newer than the document in
// dir, whose lock the caller holds.
func (w *Wallet) accept(dir string, id identity.DomainID, next *dta.Published) error {
	path := filepath.Join(dir, documentFile)
	old, err := w.readDocument(path, id)
	if err != nil && !missing(err) {
		return err
	}
	if err == nil {
		newer, err := w.newer(old, next)
		if err != nil || !newer {
			return err
		}
	}
	b, err := json.Marshal(next)
	if err != nil {
		return fileError(path, err)
	}
	return w.disk.replace(path, b)
}

// newer reports whether next is to take the place of old.
func (w *Wallet) newer(old, next *dta.Published) (bool, error) {
	was, is := old.Document.Revision(), next.Document.Revision()
	switch {
	case is > was:
		return true, nil
	case is < was:
		return false, &advised{fmt.Errorf("%w: revision %d after %d", ErrRevision, is, was),
			"this authority has not heard of the newer document, or somebody replays an old one: ask another"}
	case old.Document.Hash() != next.Document.Hash():
		return false, w.conflict(old, next)
	case next.Stamp == nil:
		return false, nil
	}
	// Only a fresh stamp: one from the future would block all that come before it.
	if next.Fresh(w.now()) != nil {
		return false, nil
	}
	return old.Fresh(w.now()) != nil || next.Stamp.Day > old.Stamp.Day, nil
}

// conflict keeps both documents as evidence.
func (w *Wallet) conflict(old, next *dta.Published) error {
	e := &ConflictError{Domain: old.Document.Domain(), Revision: old.Document.Revision()}
	for i, p := range []*dta.Published{old, next} {
		b, err := json.Marshal(p)
		if err != nil {
			return err
		}
		hash := p.Document.Hash()
		name := fmt.Sprintf("document-%d-%s", e.Revision, hex.EncodeToString(hash[:8]))
		if e.Files[i], err = w.keepEvidence(e.Domain, name, b); err != nil {
			return errors.Join(e, err)
		}
	}
	return e
}

// readDocument reads a document and verifies it again: a damaged one has no
// good signature.
func (w *Wallet) readDocument(path string, id identity.DomainID) (*dta.Published, error) {
	b, err := w.disk.read(path)
	if err != nil {
		return nil, err
	}
	p, err := dta.ParsePublished(b)
	if err == nil {
		err = p.Verify(id)
	}
	if err != nil {
		return nil, damaged(path, err)
	}
	return p, nil
}

// Domains returns the pinned domains in order of their names. Those that do
// not read are left out and named in the error.
func (w *Wallet) Domains() ([]*Pinned, error) {
	entries, err := os.ReadDir(w.domainsDir())
	if err != nil {
		return nil, fileError(w.domainsDir(), err)
	}
	var pinned []*Pinned
	var errs []error
	for _, e := range entries {
		d, err := w.domain(e.Name())
		if errors.Is(err, ErrNotPinned) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		pinned = append(pinned, &d.Pinned)
	}
	return pinned, errors.Join(errs...)
}

// Domain returns the pinned domain with this name or this fingerprint; an
// error wraps ErrNotPinned or is a *FileError.
func (w *Wallet) Domain(ref string) (*Pinned, error) {
	d, err := w.find(ref)
	if err != nil {
		return nil, err
	}
	return &d.Pinned, nil
}

func (w *Wallet) find(ref string) (*domain, error) {
	id, err := identity.ParseDomainID(ref)
	if err != nil {
		return w.domain(ref)
	}
	all, err := w.Domains()
	for _, p := range all {
		if p.ID == id {
			return w.domain(p.Published.Document.Domain())
		}
	}
	return nil, errors.Join(notPinned(ref), err)
}

func notPinned(ref string) error {
	return &advised{fmt.Errorf("%w: %s", ErrNotPinned, ref), "milagro domain pin URL --fingerprint milagro1…"}
}

// domain returns the pinned domain of that name. It reads the disk again only
// if its files were replaced, by this process or another.
func (w *Wallet) domain(name string) (*domain, error) {
	if err := identity.CheckDomain(name); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.domains[name]
	var files [2]fs.FileInfo
	for i, file := range []string{pinFile, documentFile} {
		path := filepath.Join(w.domainDir(name), file)
		info, err := os.Stat(path)
		if missing(err) {
			return nil, notPinned(name)
		}
		if err != nil {
			return nil, fileError(path, err)
		}
		files[i] = info
	}
	if known != nil && sameFile(known.files[0], files[0]) && sameFile(known.files[1], files[1]) {
		return known, nil
	}
	d, err := w.readDomain(name, known)
	if err != nil {
		return nil, err
	}
	d.files = files
	w.domains[name] = d
	return d, nil
}

func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// readDomain reads a domain that was known as it says, or not at all.
func (w *Wallet) readDomain(name string, known *domain) (*domain, error) {
	dir := w.domainDir(name)
	pin, err := readRecord[pinRecord](w.disk, filepath.Join(dir, pinFile))
	if err != nil {
		return nil, err
	}
	p, err := w.readDocument(filepath.Join(dir, documentFile), pin.Fingerprint)
	if err != nil {
		return nil, err
	}
	if p.Document.Domain() != name {
		return nil, damaged(dir, fmt.Errorf("it holds domain %s", p.Document.Domain()))
	}
	d := &domain{Pinned: Pinned{ID: pin.Fingerprint, URL: pin.URL, Published: p}}
	if known != nil && known.Published.Document.Hash() == p.Document.Hash() {
		d.tls = known.tls // it remembers peers whose bindings it has verified
		return d, nil
	}
	var watermark *identity.Watermark
	if known != nil {
		watermark = known.tls.Watermark
	} else if watermark, err = w.readWatermark(dir); err != nil {
		return nil, err
	}
	schedule, _ := p.Document.Schedule(identity.Channel) // every document has it
	d.tls = &idtls.Domain{ID: pin.Fingerprint, Name: name, Master: p.Document.Master(), Schedule: schedule,
		Suites: p.Document.Suites(), Watermark: watermark, Revoked: w.revoked(name)}
	return d, nil
}
