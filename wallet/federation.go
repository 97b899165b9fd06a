package wallet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// Federate returns a source like Source(n) with which peers of other pinned
// domains are accepted too, each under the names that its patterns match
// (idtls.Federate). It follows their documents as Source follows that of n, and
// a domain whose pin is gone is accepted no longer. An error wraps ErrNotPinned if
// the wallet does not trust one of the domains, or says which pattern lies in
// another domain than the one it is for.
func (w *Wallet) Federate(n identity.Name, foreign map[string][]identity.Pattern) (idtls.Source, error) {
	f := &federation{wallet: w}
	for _, domain := range slices.Sorted(maps.Keys(foreign)) {
		m := ally{domain: domain, names: slices.Clone(foreign[domain])}
		if err := w.checkAlly(n, m); err != nil {
			return nil, fmt.Errorf("federate %v with %s: %w", n, domain, err)
		}
		f.allies = append(f.allies, m)
	}
	return idtls.Federate(w.Source(n), f.domains), nil
}

// checkAlly refuses what would federate nothing: somebody meant otherwise.
func (w *Wallet) checkAlly(n identity.Name, m ally) error {
	if m.domain == n.Domain() {
		return errors.New("that is its own domain, all of whose names are known")
	}
	if len(m.names) == 0 {
		return errors.New("no names that the domain may vouch for")
	}
	for _, p := range m.names {
		if p.Domain() != m.domain {
			return fmt.Errorf("pattern %v lies in another domain", p)
		}
	}
	_, err := w.domain(m.domain)
	return err
}

// federation is the foreign domains of one source.
type federation struct {
	wallet *Wallet
	allies []ally

	gate gate // one looks at a time
	list atomic.Pointer[[]idtls.Foreign]
}

// ally is a foreign domain and the names that it may vouch for.
type ally struct {
	domain string
	names  []identity.Pattern
	tls    *idtls.Domain // that of the last good look; the gate's
	err    error         // of the last look; the gate's
}

// domains is called in handshakes: it waits for the disk at most, and mostly
// for nothing.
func (f *federation) domains() []idtls.Foreign {
	f.gate.pass(settledLook, f.look)
	return *f.list.Load()
}

// look brings f up to date with the disk; the gate calls it. A trouble is no
// reason to give up a document that was good; that the pin is gone is one.
func (f *federation) look() {
	list := make([]idtls.Foreign, 0, len(f.allies))
	for i := range f.allies {
		m := &f.allies[i]
		d, err := f.wallet.domain(m.domain)
		switch {
		case err == nil:
			m.tls = d.tls
		case errors.Is(err, ErrNotPinned):
			m.tls = nil
		}
		if err != nil && (m.err == nil || m.err.Error() != err.Error()) {
			f.wallet.log.Warn("foreign domain not read", "domain", m.domain, "last good document still holds", m.tls != nil, "error", err)
		}
		m.err = err
		if m.tls != nil {
			list = append(list, idtls.Foreign{Domain: m.tls, Names: m.names})
		}
	}
	f.list.Store(&list)
}
