package wallet

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"milagro.dev/identity"
)

// Enrolment is what the wallet has of one name.
type Enrolment struct {
	Name   identity.Name
	Domain identity.DomainID
	Device identity.DeviceHash
	// Purposes are those that the authorities were asked for.
	Purposes []identity.Purpose
	Keys     []HeldKey // by purpose, then oldest first
}

// HeldKey is one key in the wallet.
type HeldKey struct {
	Purpose identity.Purpose
	Epoch   identity.Epoch
	Path    string
	// Err is nil if the key reads well and is what the domain's master issues.
	Err error
}

// Names returns the names that the wallet has enrolled, in order of their text.
// Enrolments that do not read are left out and named in the error.
func (w *Wallet) Names() ([]identity.Name, error) {
	entries, err := os.ReadDir(w.namesDir())
	if err != nil {
		return nil, fileError(w.namesDir(), err)
	}
	var names []identity.Name
	var errs []error
	for _, e := range entries {
		path := filepath.Join(w.namesDir(), e.Name(), enrolmentFile)
		r, err := readRecord[enrolmentRecord](w.disk, path)
		switch {
		case missing(err): // interrupted before it began, or forgotten
		case err != nil:
			errs = append(errs, err)
		default:
			names = append(names, r.Name)
		}
	}
	slices.SortFunc(names, func(a, b identity.Name) int { return cmp.Compare(a.String(), b.String()) })
	return names, errors.Join(errs...)
}

// Show returns what the wallet has of a name and verifies every key of it. An
// error wraps ErrNotEnrolled or ErrNotPinned, or is a *FileError.
func (w *Wallet) Show(n identity.Name) (*Enrolment, error) {
	r, err := w.enrolment(n)
	if err != nil {
		return nil, err
	}
	d, err := w.domain(n.Domain())
	if err != nil {
		return nil, err
	}
	device, err := identity.ParseDeviceHash(r.Device)
	if err != nil {
		return nil, err
	}
	e := &Enrolment{Name: n, Domain: d.ID, Device: device, Purposes: r.Purposes}
	for _, purpose := range r.Purposes {
		held, err := w.held(n, purpose)
		if err != nil {
			return nil, err
		}
		for _, epoch := range held {
			e.Keys = append(e.Keys, w.showKey(d, keyOf(d, n, device, purpose, epoch)))
		}
	}
	return e, nil
}

func (w *Wallet) showKey(d *domain, k identity.Key) HeldKey {
	private, err := w.load(d, k)
	private.Erase()
	return HeldKey{Purpose: k.Purpose, Epoch: k.Epoch, Path: w.keyFile(k), Err: err}
}

// Forget erases everything the wallet has of a name but its logins (ForgetLogin):
// its keys, its enrolment and, if the wallet made it, its device key. It is how a revoked device makes
// room for a new one. What is damaged is erased as well.
func (w *Wallet) Forget(ctx context.Context, n identity.Name) error {
	dir := w.nameDir(n)
	unlock, err := w.lockName(ctx, n)
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fileError(dir, err)
	}
	// The enrolment goes last: as long as it is there, Forget is not done and no
	// other device key takes the place of the one that is gone.
	slices.SortFunc(entries, func(a, b os.DirEntry) int {
		return cmp.Compare(strings.Count(a.Name(), enrolmentFile), strings.Count(b.Name(), enrolmentFile))
	})
	for _, e := range entries {
		if e.Name() == lockFile {
			continue
		}
		if err := w.disk.erase(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
