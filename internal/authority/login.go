package authority

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
)

// logins answers login servers: it delivers a share of a server key, once two
// operators have approved it, and hears which devices log in no more (spec/mpin.md
// "Server key", "PIN change").
type logins struct {
	self      *self
	state     *state
	documents *documents
	clock     func() time.Time
	log       *slog.Logger
	counters  *counters
}

// notWord words the refusal of what claims to be a login server's word.
func notWord(err error) error {
	switch {
	case errors.Is(err, encoding.ErrEncoding):
		return problem.New(problem.Malformed, "%s", err)
	case errors.Is(err, dta.ErrNoService):
		return problem.New(problem.ServiceUnknown, "")
	}
	return problem.New(problem.Forbidden, "the login server of this service did not sign it")
}

// notice ends everything of a device at a service, enrolled here or not: a code
// that comes later gets it nothing either.
func (l *logins) notice(ctx context.Context, signed []byte) error {
	domain, err := l.documents.published()
	if err == nil {
		err = domain.refused()
	}
	if err != nil {
		return err
	}
	n, err := dta.ParseNotice(domain.Document, signed)
	if err != nil {
		return notWord(err)
	}
	if n.Name.Domain() != domain.Document.Domain() {
		return problem.New(problem.NameRefused, "%s does not lie in %s", n.Name, domain.Document.Domain())
	}
	news, err := l.state.end(ctx, enrolment{name: n.Name, service: n.Service, device: n.Device}, l.clock())
	if err != nil {
		return unavailable(problem.Unavailable, err)
	}
	if news {
		l.log.Info("a login server ended a device", "service", domain.called(n.Service[:]), "name", n.Name.String(), "device", n.Device.String())
	}
	return nil
}

// deliver answers a login server's request for this authority's share of its key.
func (l *logins) deliver(ctx context.Context, signed []byte) ([]byte, error) {
	domain, err := l.documents.serving()
	if err != nil {
		return nil, err
	}
	q, _, err := dta.ParseServerKeyRequest(domain.Document, signed)
	if err != nil {
		return nil, notWord(err)
	}
	now, hash := l.clock(), sha256.Sum256(signed)
	known, err := l.state.reply(ctx, hash, now)
	if err != nil || known != nil {
		return known, unavailable(problem.LogUnavailable, err)
	}
	m, err := l.admitted(domain, q, hash, now)
	if err != nil {
		return nil, err
	}
	d := delivery{now: now, request: hash, act: approvalOf(q.Service, m.service.Generation), service: q.Service, generation: q.Generation}
	if err := l.state.mayDeliver(ctx, d); err != nil {
		return nil, unavailable(problem.LogUnavailable, err)
	}
	if d.reply, err = l.seal(m, q, signed); err != nil {
		return nil, err
	}
	reply, err := l.state.deliver(ctx, d)
	if err != nil {
		return nil, unavailable(problem.LogUnavailable, err)
	}
	l.counters.delivered.Inc()
	l.log.Info("share of a server key delivered", "service", m.service.Name, "request", hexOf(hash))
	return reply, nil
}

// admitted refuses a request that is meant for somebody else, or for another time.
func (l *logins) admitted(domain *served, q dta.ServerKeyRequest, hash [32]byte, now time.Time) (*master, error) {
	at := unixSeconds(now)
	if err := domain.Fresh(at); err != nil {
		return nil, problem.New(problem.NoStamp, "%s", err)
	}
	if q.Index != domain.self.Index {
		return nil, problem.New(problem.WrongAuthority, "this is authority %d", domain.self.Index)
	}
	if q.Time+identity.MaxSkew < at || q.Time > at+identity.MaxSkew {
		refused := problem.New(problem.StaleTime, "the request is of %d, here it is %d", q.Time, at)
		refused.Time = at
		refused.Signature = dta.SignTime(l.self.signing, q.Domain, domain.self.Index, hash, at)
		return nil, refused
	}
	m, err := domain.master(q.Service)
	if err == nil && q.Generation != m.service.Generation {
		err = problem.New(problem.WrongGeneration, "the shares here are of generation %d", m.service.Generation.Counter)
	}
	return m, err
}

// seal makes the share, the one value in G2 that is ever made of a service's
// master, and lets it be opened by the request's own key alone.
func (l *logins) seal(m *master, q dta.ServerKeyRequest, signed []byte) ([]byte, error) {
	share := m.share.ServerShare()
	defer share.Erase()
	reply, err := q.SealServerShare(l.self.signing, signed, share)
	if err != nil { // its X25519 half has low order
		return nil, problem.New(problem.Malformed, "nothing can be sealed to the reply key")
	}
	return reply, nil
}
