package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
	"milagro.dev/wallet"
)

const (
	// faultyRefresh is how often, at most, a server that cannot serve looks whether
	// it can now.
	faultyRefresh = time.Second
	// refreshTimeout bounds one look for a newer document.
	refreshTimeout = 20 * time.Second
)

// served is what the server goes by at one moment. It does not change.
type served struct {
	document *dta.Document // nil without a domain
	// published is the document as it is shown, with its signature and stamp.
	published *dta.Published
	service   dta.Service // as the document lists it
	id        identity.ServiceID
	listed    bool // the document has the service, with this server's key and origin
	key       keys.ServerKey
	keyed     bool  // key is that of the service
	fault     error // why nobody logs in, in words for strangers
}

// realm is the domain document that the server has, and what follows from it.
type realm struct {
	self    *self
	domain  string
	wallet  *wallet.Wallet
	keyring *keyring
	courier *courier
	log     *slog.Logger
	every   time.Duration
	now     atomic.Pointer[served]
}

// run keeps the document new and the server key here until ctx ends.
func (r *realm) run(ctx context.Context) {
	for {
		r.refresh(ctx)
		r.reload()
		if s := r.now.Load(); s.listed && !s.keyed {
			r.courier.fetch(ctx, s)
			r.reload()
		}
		wait := r.every
		if r.now.Load().fault != nil {
			wait = min(wait, faultyRefresh)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// refresh asks the authorities for a newer document. Logins go on without.
func (r *realm) refresh(ctx context.Context) {
	p, err := r.pinned()
	if err != nil {
		return // reload says why
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if _, err := r.wallet.Refresh(ctx, p.ID.String()); err != nil && ctx.Err() == nil {
		r.log.Warn("domain document not refreshed", "error", err)
	}
}

// pinned returns the domain that the server trusts.
func (r *realm) pinned() (*wallet.Pinned, error) {
	if r.domain != "" {
		return r.wallet.Domain(r.domain)
	}
	all, err := r.wallet.Domains()
	switch {
	case len(all) == 1:
		return all[0], nil
	case len(all) > 1:
		return nil, errSeveral
	case err != nil:
		return nil, err
	}
	return nil, wallet.ErrNotPinned
}

var errSeveral = errors.New("several domains are pinned: say which")

// reload goes by what is on the disk now.
func (r *realm) reload() {
	was, is := r.now.Load(), r.look()
	r.now.Store(is)
	if text(was.fault) == text(is.fault) {
		return
	}
	if is.fault != nil {
		r.log.Error("nobody logs in", "why", is.fault.Error())
		return
	}
	r.log.Info("logins are served", "service", is.service.Name, "revision", is.document.Revision())
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (r *realm) look() *served {
	s := new(served)
	p, err := r.pinned()
	if err != nil {
		s.fault = pinFault(err)
		return s
	}
	s.published, s.document = p.Published, p.Published.Document
	card := r.self.card
	service, ok := s.document.Service(card.Service)
	s.service, s.id = service, s.document.ServiceID(service)
	switch {
	case !ok:
		s.id = identity.ServiceID{}
		s.fault = fmt.Errorf("the domain document of %s lists no service %s", s.document.Domain(), card.Service)
	case !service.LoginKey.Equal(card.Ed25519):
		s.fault = fmt.Errorf("the domain document lists service %s with another login server's key", card.Service)
	case service.Origin != card.Origin:
		s.fault = fmt.Errorf("the domain document lists service %s at %s, this login server is for %s", card.Service, service.Origin, card.Origin)
	default:
		s.listed = true
		r.unlock(s)
	}
	return s
}

// unlock gives s the server key, from memory if that still fits.
func (r *realm) unlock(s *served) {
	if was := r.now.Load(); was != nil && was.keyed && was.same(s) {
		s.key, s.keyed = was.key, true
		return
	}
	var err error
	if s.key, err = r.keyring.load(s); err != nil {
		s.fault = r.courier.missing(s, err)
		return
	}
	s.keyed = true
}

func pinFault(err error) error {
	switch {
	case errors.Is(err, wallet.ErrNotPinned):
		return errors.New("no domain is pinned yet")
	case errors.Is(err, errSeveral):
		return errSeveral
	}
	return errors.New("the pinned domain cannot be read")
}

// admit returns what a login at a service goes by, or refuses.
func (r *realm) admit(id identity.ServiceID) (*served, error) {
	s := r.now.Load()
	if s.id != (identity.ServiceID{}) && s.id != id {
		return nil, problem.New(problem.ServiceUnknown, "this is the login server of service %s", s.service.Name)
	}
	return s, s.refused()
}

// refused returns the fault as a refusal.
func (s *served) refused() error {
	if s.fault == nil {
		return nil
	}
	return problem.New(problem.Unavailable, "%s", s.fault)
}

// same reports whether both are keyed with the same server key.
func (s *served) same(o *served) bool {
	return s.id == o.id && s.service.Generation == o.service.Generation
}

// indices returns the indices of the domain's authorities.
func (s *served) indices() (all []uint32) {
	for _, a := range s.document.Authorities() {
		all = append(all, a.Index)
	}
	return all
}
