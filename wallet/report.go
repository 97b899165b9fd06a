package wallet

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// Outcome is what became of one authority's part of a key.
type Outcome string

const (
	// OK is a good share.
	OK Outcome = "ok"
	// Silent is no answer in time.
	Silent Outcome = "silent"
	// Refused is an authority's refusal.
	Refused Outcome = "refused"
	// Lying is a false share with the authority's signature under it.
	Lying Outcome = "lying"
	// Altered is an answer that its authority did not sign, or not for this
	// request: whoever carried it may have made it.
	Altered Outcome = "altered"
	// Skipped is an authority for which there was no code or token.
	Skipped Outcome = "skipped"
)

// Report says what an enrolment or renewal did.
type Report struct {
	Name   identity.Name
	Device identity.DeviceHash
	Keys   []KeyReport // one for each key that was asked for
}

// KeyReport says what became of one key.
type KeyReport struct {
	Purpose     identity.Purpose
	Service     string            // of the purposes mpin and permit
	Epoch       identity.Epoch    // none for mpin
	Authorities []AuthorityReport // in order of indices
	// Err is nil if the key is in the wallet. It wraps dta.ErrThreshold when
	// too few shares were good.
	Err error
}

// AuthorityReport says what one authority did.
type AuthorityReport struct {
	Index   uint32
	Name    string
	URL     string
	Outcome Outcome
	// Detail says why, and Hint what to do about it; empty if there is nothing to say.
	Detail string
	Hint   string
	// Evidence is the file that convicts a lying authority, offline.
	Evidence string
}

// Text returns the report as lines for people.
func (r *Report) Text() string {
	var b strings.Builder
	for _, k := range r.Keys {
		fmt.Fprintf(&b, "%s %s: %s\n", r.Name, k.which(), k.result())
		for _, a := range k.Authorities {
			fmt.Fprintf(&b, "  authority %d (%s): %s%s\n", a.Index, a.Name, a.Outcome, a.detail())
		}
	}
	return b.String()
}

// which says in words what key k is about.
func (k KeyReport) which() string {
	text := string(k.Purpose) + " key"
	if k.Service != "" {
		text += " for " + k.Service
	}
	if !k.Epoch.IsZero() {
		text += " " + date(k.Epoch.Start) + " to " + date(k.Epoch.End())
	}
	return text
}

func date(unix uint64) string { return time.Unix(int64(unix), 0).UTC().Format(time.RFC3339) }

func (k KeyReport) result() string {
	if k.Err != nil {
		return "not obtained"
	}
	return "in the wallet"
}

func (a AuthorityReport) detail() string {
	text := ""
	if a.Detail != "" {
		text = ": " + a.Detail
	}
	if a.Evidence != "" {
		text += "; evidence in " + a.Evidence
	}
	return text
}

// report turns what dta says of the authorities into a report, and keeps the
// evidence against those that lied.
func (w *Wallet) report(d *domain, outcomes []dta.Outcome) ([]AuthorityReport, error) {
	var all []AuthorityReport
	var errs []error
	for _, o := range outcomes {
		a := AuthorityReport{Index: o.Authority.Index, Name: o.Authority.Name, URL: o.Authority.URL, Outcome: outcomeOf(o)}
		if o.Err != nil {
			a.Detail = o.Err.Error()
			a.Hint = hint(o.Err)
		}
		if len(o.Evidence) > 0 {
			// The first lie of a generation convicts: a liar does not fill the disk.
			name := fmt.Sprintf("false-share-%d-%d", d.Published.Document.Generation().Counter, a.Index)
			path, err := w.keepEvidence(d.tls.Name, name, o.Evidence)
			a.Evidence = path
			errs = append(errs, err)
		}
		all = append(all, a)
	}
	return all, errors.Join(errs...)
}

func outcomeOf(o dta.Outcome) Outcome {
	_, refused := errors.AsType[*problem.Problem](o.Err)
	switch {
	case o.Err == nil:
		return OK
	case len(o.Evidence) > 0 && errors.Is(o.Err, keys.ErrShare):
		return Lying
	case refused:
		return Refused
	case errors.Is(o.Err, dta.ErrCode), errors.Is(o.Err, ErrNoToken):
		return Skipped
	case errors.Is(o.Err, dta.ErrReply):
		return Altered
	}
	return Silent
}

// hint returns the advice that err carries, or nothing.
func hint(err error) string {
	var advice interface{ Hint() string }
	if errors.As(err, &advice) {
		return advice.Hint()
	}
	return ""
}
