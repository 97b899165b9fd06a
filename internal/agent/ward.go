package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/problem"
	"milagro.dev/wallet"
)

// enrolTimeout bounds one enrolment.
const enrolTimeout = 2 * time.Minute

// ward is a name that an agent looks after.
type ward struct {
	agent     *Agent
	name      identity.Name
	source    idtls.Source
	cancel    context.CancelFunc
	enrolSoon chan struct{}
	keepSoon  chan struct{}

	mu      sync.Mutex // of all below
	config  Name
	tried   bool                        // a first try came to its end
	unknown map[identity.Purpose]bool   // the authorities have forgotten this device
	trouble map[identity.Purpose]string // why it is not enrolled
	said    map[string]string           // what was logged last, by subject
	renewed time.Time                   // zero if not since the agent began
	dirty   bool                        // something changed since it was looked at
	looked  time.Time
	outlook []wallet.Outlook
	lack    string // what it lacks; empty if it has all its keys
	told    bool   // that it lacks something was logged
}

func newWard(a *Agent, config Name) *ward {
	return &ward{agent: a, name: config.Name, config: config, source: a.wallet.Source(config.Name),
		enrolSoon: make(chan struct{}, 1), keepSoon: make(chan struct{}, 1), unknown: map[identity.Purpose]bool{},
		trouble: map[identity.Purpose]string{}, said: map[string]string{}}
}

// configure gives the ward what the plan says of it now.
func (w *ward) configure(n Name) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.config = n
}

// means returns how the name is enrolled, nil if not by this agent, and for what.
func (w *ward) means() (Means, []identity.Purpose) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.config.Means, w.config.Purposes
}

// run looks after the name until ctx ends.
func (w *ward) run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { w.enrol(ctx) })
	both.Go(func() { w.keep(ctx) })
	both.Wait()
}

// keep renews what the wallet holds of the name.
func (w *ward) keep(ctx context.Context) {
	for ctx.Err() == nil {
		if w.begun() {
			w.agent.wallet.Keep(ctx, w.name) // it has told already, or the name is gone
		}
		if ctx.Err() == nil {
			rest(ctx, lookEvery, w.keepSoon)
		}
	}
}

// begun reports whether there is something to renew. Before the first key there is
// not: an authority counts it against us when an unknown device asks.
func (w *ward) begun() bool {
	all, err := w.agent.wallet.Outlook(w.name)
	if err != nil {
		return false
	}
	means, _ := w.means()
	return means == nil || slices.ContainsFunc(all, func(o wallet.Outlook) bool { return o.Ever })
}

// enrol enrols the name for what it lacks, until ctx ends.
func (w *ward) enrol(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		pause := lookEvery
		purposes, err := w.lacking()
		if err == nil && len(purposes) > 0 {
			sent, err := w.enrolAll(ctx, purposes)
			if err != nil {
				pause = backoff(failures, sent)
				failures++
			} else {
				failures = 0
			}
		}
		if !errors.Is(err, wallet.ErrNotPinned) || !w.agent.pinning() {
			w.hasTried()
		}
		rest(ctx, pause, w.enrolSoon)
	}
}

// lacking returns the purposes that the name is to be enrolled for.
func (w *ward) lacking() ([]identity.Purpose, error) {
	means, purposes := w.means()
	if means == nil {
		return nil, nil
	}
	outlook, err := w.agent.wallet.Outlook(w.name)
	if err != nil && !errors.Is(err, wallet.ErrNotEnrolled) {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	lacking := unheld(outlook, purposes)
	for _, p := range purposes {
		if w.unknown[p] && means.Again() && !slices.Contains(lacking, p) {
			lacking = append(lacking, p)
		}
	}
	return lacking, nil
}

// unheld returns the purposes of which there was never a key.
func unheld(outlook []wallet.Outlook, purposes []identity.Purpose) []identity.Purpose {
	return slices.DeleteFunc(slices.Clone(purposes), func(p identity.Purpose) bool {
		return slices.ContainsFunc(outlook, func(o wallet.Outlook) bool { return o.Purpose == p && o.Ever })
	})
}

// enrolAll tries each purpose once, and says whether anything was sent in one that
// failed.
func (w *ward) enrolAll(ctx context.Context, purposes []identity.Purpose) (sent bool, err error) {
	means, _ := w.means()
	if means == nil {
		return false, nil
	}
	var errs []error
	for _, p := range purposes {
		limited, cancel := context.WithTimeout(ctx, enrolTimeout)
		report, err := means.Enrol(limited, w.agent.wallet, w.name, p)
		cancel()
		if ctx.Err() != nil {
			return sent, ctx.Err()
		}
		w.enrolled(p, report, err)
		sent = sent || err != nil && report != nil
		errs = append(errs, err)
	}
	return sent, errors.Join(errs...)
}

// enrolled takes down what came of an enrolment.
func (w *ward) enrolled(p identity.Purpose, report *wallet.Report, err error) {
	w.agent.counters.enrolment(w.name, report, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	subject := "enrolment for " + string(p)
	w.dirty = true
	if err != nil {
		w.trouble[p] = err.Error()
		if w.changed(subject, outcome(report, err)) {
			w.agent.log.Error("not enrolled", "name", w.name, "purpose", p, "error", err)
		}
		return
	}
	delete(w.trouble, p)
	delete(w.unknown, p)
	delete(w.said, subject)
	w.agent.log.Info("enrolled", "name", w.name, "purpose", p)
	wake(w.keepSoon)
	wake(w.agent.poked)
}

// renewed takes down what came of a renewal.
func (a *Agent) renewed(r wallet.Renewal) {
	a.mu.Lock()
	w := a.wards[r.Name]
	a.mu.Unlock()
	if w == nil {
		return // just now no longer kept
	}
	a.counters.renewal(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried, w.dirty = true, true
	const subject = "renewal"
	text := outcome(r.Report, r.Err)
	if r.Err != nil {
		w.forgotten(r.Report)
		if w.changed(subject, text) {
			a.log.Error("keys not renewed", "name", w.name, "error", r.Err)
		}
		return
	}
	w.renewed = a.clock()
	for _, k := range r.Report.Keys {
		a.log.Info("key renewed", "name", w.name, "purpose", k.Purpose, "epoch", k.Epoch.String())
		delete(w.unknown, k.Purpose)
	}
	if w.changed(subject, text) && text != "" {
		a.log.Warn("renewed without some authorities", "name", w.name, "outcomes", text)
	}
}

// forgotten notes for which keys authorities say that the device is not enrolled:
// one that lost its memory does. Who holds the lock calls it.
func (w *ward) forgotten(report *wallet.Report) {
	if report == nil {
		return
	}
	for _, k := range report.Keys {
		if errors.Is(k.Err, problem.NotEnrolled) && !w.unknown[k.Purpose] {
			w.unknown[k.Purpose] = true
			wake(w.enrolSoon)
		}
	}
}

// changed reports whether there is something else to say on a subject than there
// was last time. Who holds the lock calls it.
func (w *ward) changed(subject, text string) bool {
	before := w.said[subject]
	w.said[subject] = text
	return before != text
}

func (w *ward) hasTried() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried = true
}
