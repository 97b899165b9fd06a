package agent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"milagro.dev/identity"
	"milagro.dev/wallet"
)

// look looks at every name, and tells the service manager what has changed.
func (a *Agent) look() {
	wards, pins := a.all()
	var lacks []string
	waiting := false
	for _, w := range wards {
		w.look()
		lack, tried := w.state()
		if lack != "" {
			lacks = append(lacks, fmt.Sprintf("%v: %s", w.name, lack))
			waiting = waiting || !tried
		}
	}
	for _, p := range pins {
		tried, trouble := p.state()
		if trouble != "" {
			lacks = append(lacks, fmt.Sprintf("domain at %s: %s", p.domain.URL, trouble))
		}
		waiting = waiting || !tried
	}
	a.tell(summary(len(wards), lacks), waiting && time.Since(a.began) < roundAtMost)
}

// all returns the names that are kept and the domains that are pinned, in order.
func (a *Agent) all() ([]*ward, []*pin) {
	a.mu.Lock()
	defer a.mu.Unlock()
	wards := make([]*ward, 0, len(a.wards))
	for _, w := range a.wards {
		wards = append(wards, w)
	}
	slices.SortFunc(wards, func(v, w *ward) int { return cmp.Compare(v.name.String(), w.name.String()) })
	pins := make([]*pin, 0, len(a.pins))
	for _, p := range a.pins {
		pins = append(pins, p)
	}
	slices.SortFunc(pins, func(p, q *pin) int { return cmp.Compare(p.domain.URL, q.domain.URL) })
	return wards, pins
}

// summary says in a line how all names are.
func summary(names int, lacks []string) string {
	if len(lacks) == 0 {
		return fmt.Sprintf("%d names, all with their keys", names)
	}
	return fmt.Sprintf("%d names; lacking: %s", names, strings.Join(lacks, "; "))
}

// tell gives the service manager a new status. That the agent is ready it says once
// the first round of tries is over, whatever came of it: a host whose keys still
// hold boots although the authorities are down.
func (a *Agent) tell(status string, waiting bool) {
	a.mu.Lock()
	same, up := status == a.status, a.up
	a.status = status
	a.up = up || !waiting
	ready := a.up
	a.mu.Unlock()
	var err error
	switch {
	case ready && !up:
		err = a.notify.Ready(status)
	case !same:
		err = a.notify.Status(status)
	}
	if err != nil {
		a.log.Warn("the service manager was not told", "error", err)
	}
}

// Status returns in a line how all names are, as the service manager is told.
func (a *Agent) Status() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}

// state returns what the name lacks, and whether that was tried to be mended.
func (w *ward) state() (lack string, tried bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lack, w.tried
}

// look brings up to date what is known of the name, and logs when it has lost what
// it needs and when it has it again. A name that has all is not looked at each time.
func (w *ward) look() {
	w.mu.Lock()
	settled := w.lack == "" && !w.dirty && !w.looked.IsZero() && time.Since(w.looked) < lookEvery
	w.dirty = w.dirty && settled
	w.mu.Unlock()
	if settled {
		return
	}
	outlook, lack := w.examine()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looked, w.outlook, w.lack = time.Now(), outlook, lack
	switch {
	case lack != "" && w.tried && !w.told && slices.ContainsFunc(outlook, func(o wallet.Outlook) bool { return o.Ever }):
		// Of one that was never enrolled it was said why.
		w.told = true
		w.agent.log.Warn("lacks what its peers accept", "name", w.name, "lack", lack)
	case lack == "" && w.told:
		w.told = false
		w.agent.log.Info("has all it needs again", "name", w.name)
	}
}

// examine asks the wallet, for as long as the disk takes.
func (w *ward) examine() (outlook []wallet.Outlook, lack string) {
	outlook, err := w.agent.wallet.Outlook(w.name)
	if err != nil && !errors.Is(err, wallet.ErrNotEnrolled) {
		return nil, err.Error()
	}
	_, wanted := w.means()
	var lacks []string
	if errors.Is(err, wallet.ErrNotEnrolled) && len(wanted) == 0 {
		lacks = append(lacks, "not enrolled")
	}
	for _, p := range unheld(outlook, wanted) {
		lacks = append(lacks, w.notEnrolled(p))
	}
	for _, o := range outlook {
		if o.Ever || !slices.Contains(wanted, o.Purpose) {
			lacks = append(lacks, w.noKey(o))
		}
	}
	return outlook, strings.Join(slices.DeleteFunc(lacks, func(s string) bool { return s == "" }), "; ")
}

// notEnrolled says that the name is not enrolled for p, and why if that is known.
func (w *ward) notEnrolled(p identity.Purpose) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("not enrolled for %s", p)
	if why := w.trouble[p]; why != "" {
		text += ": " + why
	}
	return text
}

// noKey says what is wrong with the keys of o, if anything is. A channel key is read
// as a handshake would read it.
func (w *ward) noKey(o wallet.Outlook) string {
	what := string(o.Purpose) + " key"
	if o.Service != "" {
		what = "permit for " + o.Service
	}
	if o.Now.IsZero() {
		return "no " + what + " for the present time"
	}
	if o.Purpose != identity.Channel {
		return ""
	}
	if _, err := w.source.Credential(); err != nil {
		return "no " + what + ": " + err.Error()
	}
	return ""
}
