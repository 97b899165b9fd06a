package agent

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"milagro.dev/identity"
	"milagro.dev/wallet"
)

// Outline returns a line for each domain and each name, what would be done about it.
// It asks nobody and changes nothing. The error names what could not be done now.
func (a *Agent) Outline() ([]string, error) {
	var steps []string
	var errs []error
	for _, d := range a.plan.Domains {
		step := fmt.Sprintf("domain at %s: would be pinned as %v", d.URL, d.Fingerprint)
		if p, err := a.wallet.Domain(d.Fingerprint.String()); err == nil {
			step = fmt.Sprintf("domain at %s: pinned, %s", d.URL, p.Published.Document.Domain())
		} else if !errors.Is(err, wallet.ErrNotPinned) {
			errs = append(errs, err)
		}
		steps = append(steps, step)
	}
	if _, err := a.wallet.Kept(); err != nil {
		errs = append(errs, err)
	}
	a.mu.Lock()
	wanted := a.wanted()
	a.mu.Unlock()
	for _, n := range sorted(wanted) {
		step, err := a.outline(n)
		steps = append(steps, fmt.Sprintf("%v: %s", n.Name, step))
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: %w", n.Name, err))
		}
	}
	return steps, errors.Join(errs...)
}

// outline says what would be done about one name.
func (a *Agent) outline(n Name) (string, error) {
	outlook, err := a.wallet.Outlook(n.Name)
	if err != nil && !errors.Is(err, wallet.ErrNotEnrolled) && !errors.Is(err, wallet.ErrNotPinned) {
		return "cannot be kept", err
	}
	var steps []string
	for _, o := range outlook {
		steps = append(steps, "would renew "+keyWords(o))
	}
	var errs []error
	for _, p := range unheld(outlook, n.Purposes) {
		steps = append(steps, fmt.Sprintf("would be enrolled for %s with %v", p, n.Means))
		errs = append(errs, n.Means.Check(n.Name, p))
	}
	if len(steps) == 0 {
		return "would wait until somebody enrols it", nil
	}
	return strings.Join(steps, "; "), errors.Join(errs...)
}

func keyWords(o wallet.Outlook) string {
	what := fmt.Sprintf("its %s key", o.Purpose)
	if o.Purpose == identity.Permit {
		what = "its permit for " + o.Service
	}
	if o.Now.IsZero() {
		return what + ", of which there is none now"
	}
	return fmt.Sprintf("%s, which ends at %s", what, time.Unix(int64(o.Now.End()), 0).UTC().Format(time.RFC3339))
}
