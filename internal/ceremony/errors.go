package ceremony

import (
	"errors"
	"fmt"
	"strings"

	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
)

// Fault is a failure at one authority, as far as the coordinator can tell; only
// Blame proves something to others.
type Fault struct {
	Index uint32
	Name  string
	Step  string
	// Blame convicts an authority, perhaps another than Index, which found it;
	// nil where nothing is proved.
	Blame []byte
	err   error
}

// Error names the authority and the step.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s: authority %d (%s): %v", f.Step, f.Index, f.Name, f.err)
}

// Unwrap returns what the authority, or the network, answered.
func (f *Fault) Unwrap() error { return f.err }

func (c *Coordinator) fault(step string, index uint32, err error) error {
	if err == nil {
		return nil
	}
	f := &Fault{Index: index, Name: c.Plan.Cards()[index-1].Name, Step: step, err: err}
	var refused *problem.Problem
	if errors.As(err, &refused) {
		f.Blame = refused.Blame
	}
	return f
}

// Conviction says that a message proves an authority's fault.
type Conviction struct {
	Verdict *dkg.Verdict
	// File shows it to everybody (dkg.Judge).
	File []byte
	err  error
}

// Error names the culprit and the offence.
func (e *Conviction) Error() string {
	return fmt.Sprintf("authority %d (%s) is at fault: %s", e.Verdict.Index, e.Verdict.Name, e.Verdict.Offence)
}

// Unwrap returns the Fault in which the accusation came.
func (e *Conviction) Unwrap() error { return e.err }

// Hint returns what to do next.
func (e *Conviction) Hint() string {
	return "nothing was made; show the blame file to the other operators before they run this plan again, or plan without the culprit"
}

// Stuck says that some authorities have confirmed a run that others have lost,
// too few of these to prove by their aborts that it can have no certificate.
type Stuck struct {
	Confirmed []uint32
	Lost      []uint32
	err       error
}

// Error says who is where.
func (e *Stuck) Error() string {
	return fmt.Sprintf("this run can neither finish nor be given up: confirmed by authorities %s, lost by authorities %s",
		list(e.Confirmed), list(e.Lost))
}

// Unwrap returns why the confirmations that are missing are.
func (e *Stuck) Unwrap() error { return e.err }

// Hint returns what to do next.
func (e *Stuck) Hint() string {
	return "no key was in use, so none is lost: plan again with the cards in another order, have it signed, and run that plan"
}

// Outdated says that the domain document was revised since a login service's plan
// was made.
type Outdated struct{ err error }

// Error says what does not fit.
func (e *Outdated) Error() string { return e.err.Error() }

// Unwrap returns an error that wraps dta.ErrDocument.
func (e *Outdated) Unwrap() error { return e.err }

// Hint returns what to do next.
func (e *Outdated) Hint() string {
	return "no key was in use, so none is lost: fetch the domain document, plan again from it, have it signed, and run that plan"
}

func list(indices []uint32) string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(indices), "[]")), ", ")
}

// judge turns an accusation in err into a verdict.
func judge(err error) error {
	file := accusation(err)
	if file == nil {
		return err
	}
	verdict, unproved := dkg.Judge(file)
	if unproved != nil {
		return fmt.Errorf("%w; but the file that came with it: %w", err, unproved)
	}
	return &Conviction{Verdict: verdict, File: file, err: err}
}

// accusation returns the first blame file in err's tree.
func accusation(err error) []byte {
	switch e := err.(type) {
	case *Fault:
		return e.Blame
	case interface{ Unwrap() error }:
		return accusation(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if file := accusation(inner); file != nil {
				return file
			}
		}
	}
	return nil
}
