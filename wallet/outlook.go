package wallet

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"

	"milagro.dev/identity"
)

// Outlook is how long a name has keys for one purpose.
type Outlook struct {
	Purpose identity.Purpose
	Service string // of permits
	// Now is the epoch of the key to use: the current one, or the newest that others
	// still accept. The zero Epoch stands for none.
	Now identity.Epoch
	// Ahead says that the key of the epoch after the current one is in hand.
	Ahead bool
	// Ever says that there was a key of this purpose once: there is a file of one.
	Ever bool
}

// Outlook returns what the wallet holds for each purpose that a name is enrolled
// for and for each of its logins. It looks at names of files, and reads no key: Show
// does that. Errors wrap ErrNotEnrolled if there is neither, and ErrNotPinned.
func (w *Wallet) Outlook(n identity.Name) ([]Outlook, error) {
	d, err := w.domain(n.Domain())
	if err != nil {
		return nil, err
	}
	logins := w.loginsOf(n)
	record, err := w.enrolment(n)
	if err != nil && (len(logins) == 0 || !errors.Is(err, ErrNotEnrolled)) {
		return nil, err
	}
	var all []Outlook
	for _, purpose := range record.Purposes {
		held, err := w.held(n, purpose)
		if err != nil {
			return nil, err
		}
		all = append(all, w.outlook(d, Outlook{Purpose: purpose}, held))
	}
	for _, a := range logins {
		held, err := w.heldPermits(filepath.Join(a.dir, a.record.key()))
		if err != nil {
			return nil, err
		}
		all = append(all, w.outlook(d, Outlook{Purpose: identity.Permit, Service: a.record.Service}, held))
	}
	return all, nil
}

// outlook completes o, of whose purpose the epochs held are in hand.
func (w *Wallet) outlook(d *domain, o Outlook, held []identity.Epoch) Outlook {
	o.Ever = len(held) > 0
	schedule, ok := d.Published.Document.Schedule(o.Purpose)
	if !ok {
		return o // the domain has ceased to issue such keys
	}
	o.Now, _ = best(schedule, w.now(), held)
	o.Ahead = slices.Contains(held, schedule.Following(w.now()))
	return o
}

// Kept returns the names for which Keep has something to do, in order of their text:
// those that are enrolled and those of logins. What does not read is left out and
// named in the error.
func (w *Wallet) Kept() ([]identity.Name, error) {
	names, err := w.Names()
	accounts, loginsErr := w.accounts()
	for _, a := range accounts {
		names = append(names, a.record.Name)
	}
	slices.SortFunc(names, func(a, b identity.Name) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(names), errors.Join(err, loginsErr)
}
