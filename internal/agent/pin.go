package agent

import (
	"context"
	"slices"
	"sync"

	"milagro.dev/identity"
)

// pin is a domain that is being pinned.
type pin struct {
	domain Domain
	cancel context.CancelFunc

	mu      sync.Mutex // of all below
	tried   bool
	trouble string
}

// supervisePins begins to pin what the plan names, and gives up what it does not.
// The caller holds the lock.
func (a *Agent) supervisePins(ctx context.Context, running *sync.WaitGroup) {
	for d, p := range a.pins {
		if !slices.Contains(a.plan.Domains, d) {
			p.cancel()
			delete(a.pins, d)
		}
	}
	for _, d := range a.plan.Domains {
		if a.pins[d] != nil {
			continue
		}
		life, cancel := context.WithCancel(ctx)
		p := &pin{domain: d, cancel: cancel}
		a.pins[d] = p
		running.Go(func() { a.pin(life, p) })
	}
}

// pin pins the domain of p, for as long as it takes.
func (a *Agent) pin(ctx context.Context, p *pin) {
	for failures := 0; ctx.Err() == nil; failures++ {
		err := a.pinOnce(ctx, p.domain)
		if ctx.Err() != nil {
			return
		}
		p.conclude(err)
		if err == nil {
			a.wakeWards()
			return
		}
		if failures == 0 {
			a.wakeWards() // they need not wait for it
			a.log.Error("domain not pinned", "url", p.domain.URL, "fingerprint", p.domain.Fingerprint, "error", err)
		}
		rest(ctx, backoff(failures, true), nil)
	}
}

func (a *Agent) pinOnce(ctx context.Context, d Domain) error {
	if a.pinned(d.Fingerprint) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
	defer cancel()
	doc, err := a.wallet.Pin(ctx, d.URL, d.Fingerprint)
	if err == nil {
		a.log.Info("domain pinned", "domain", doc.Domain(), "fingerprint", d.Fingerprint)
	}
	return err
}

func (a *Agent) pinned(id identity.DomainID) bool {
	_, err := a.wallet.Domain(id.String())
	return err == nil
}

// pinning reports whether a domain was not yet tried to be pinned.
func (a *Agent) pinning() bool {
	_, pins := a.all()
	return slices.ContainsFunc(pins, func(p *pin) bool {
		tried, _ := p.state()
		return !tried
	})
}

// wakeWards has all who wait to be enrolled try now.
func (a *Agent) wakeWards() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.wards {
		wake(w.enrolSoon)
		wake(w.keepSoon)
	}
}

func (p *pin) conclude(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried, p.trouble = true, ""
	if err != nil {
		p.trouble = err.Error()
	}
}

// state returns whether a try came to its end, and why the domain is not pinned.
func (p *pin) state() (tried bool, trouble string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.tried {
		return false, "not pinned yet"
	}
	return true, p.trouble
}
