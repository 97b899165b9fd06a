package authority

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// maxRevisionStep is how far above its predecessor a revision may be.
const maxRevisionStep = 1000

var (
	errNoDocument   = errors.New("no domain document yet")
	errOtherShare   = errors.New("the sealed share does not fit what is public of it")
	errEquivocation = errors.New("the domain has signed two documents of one revision")
	errNotNamed     = errors.New("the domain document does not name this authority")
)

// documents holds the rules of spec/document.md for one authority: what it
// approves, signs and serves.
type documents struct {
	self  *self
	state *state
	vault *vault
	clock func() time.Time
	log   *slog.Logger
	// changed wakes the collector of stamps; it holds one token.
	changed chan struct{}

	// mu is held while a share of a signature is given and while the served
	// document changes, so that no stamp overtakes a higher document.
	mu     sync.Mutex
	served atomic.Pointer[served]
}

// served is the domain as this authority serves it. It does not change; a new
// document or stamp makes a new one.
type served struct {
	*dta.Published
	self  dta.Authority
	share keys.MasterShare
	fault error // why no key is issued, in words for strangers
	// services are the shares of the M-Pin services' masters.
	services map[identity.ServiceID]*master
}

// serving returns what may be issued from, or refuses.
func (d *documents) serving() (*served, error) {
	s, err := d.published()
	if err != nil {
		return nil, err
	}
	if s.fault != nil {
		return nil, problem.New(problem.Unavailable, "%s", s.fault)
	}
	return s, nil
}

// refused is not nil when the document may not even be shown as the domain's.
func (s *served) refused() error {
	if errors.Is(s.fault, errEquivocation) {
		return problem.New(problem.Unavailable, "%s", s.fault)
	}
	return nil
}

// published returns the document that is served, share or not.
func (d *documents) published() (*served, error) {
	s := d.served.Load()
	if s.Published == nil {
		return nil, problem.New(problem.NotActive, "")
	}
	return s, nil
}

// reload serves the highest document that is stored. The caller holds mu, or is
// the only one.
func (d *documents) reload(ctx context.Context) error {
	highest, err := d.state.highest(ctx)
	if err != nil {
		return err
	}
	next := &served{fault: errNoDocument}
	if len(highest) > 0 {
		next = d.open(highest)
	}
	d.served.Store(next)
	select {
	case d.changed <- struct{}{}:
	default:
	}
	return nil
}

// open finds this authority in the highest document and checks its share
// against the one that is public there (R10, R37).
func (d *documents) open(highest []*dta.Published) *served {
	next := &served{Published: highest[0]}
	document := next.Document
	at := slices.IndexFunc(document.Authorities(), func(a dta.Authority) bool { return a.Ed25519.Equal(d.self.card.Ed25519) })
	if len(highest) > 1 {
		next.fault = errEquivocation
		return next
	}
	if at < 0 {
		next.fault = errNotNamed
		return next
	}
	next.self = document.Authorities()[at]
	share, err := d.vault.load(document.Generation())
	if err == nil && (share.Index() != next.self.Index || !share.Public().Equal(next.self.Public)) {
		err = errOtherShare
	}
	if err != nil {
		d.log.Error("no key is issued", "error", err)
		next.fault = shareFault(err)
		return next
	}
	next.share = share
	next.services = d.masters(document, next.self.Index)
	return next
}

// parse reads a document from the wire.
func parse(b []byte) (*dta.Document, error) {
	document, err := dta.ParseDocument(b)
	if err != nil {
		return nil, problem.New(problem.Malformed, "%s", err)
	}
	return document, nil
}

// agree records that the operator agrees to a document.
func (d *documents) agree(ctx context.Context, b []byte) (*dta.Document, error) {
	document, err := parse(b)
	if err != nil {
		return nil, err
	}
	current, err := d.published()
	if err != nil {
		return nil, err
	}
	if err := d.follows(current, document); err != nil {
		return nil, err
	}
	return document, unavailable(problem.Unavailable, d.state.agree(ctx, document, d.clock()))
}

// approve returns this authority's approval of a document, after making durable
// that it approves no other of this or a lower revision.
func (d *documents) approve(ctx context.Context, b []byte) ([]byte, error) {
	document, err := parse(b)
	if err != nil {
		return nil, err
	}
	index, err := d.mayApprove(ctx, document)
	if err != nil {
		return nil, err
	}
	if err := d.state.approve(ctx, document, d.clock()); err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	d.log.Info("document approved", "revision", document.Revision(), "hash", fmt.Sprintf("%x", document.Hash()))
	return dta.SignApproval(d.self.signing, index, document), nil
}

// giveShare returns this authority's share of a document's signature, in return
// for the approvals of a quorum.
func (d *documents) giveShare(ctx context.Context, b []byte, approvals [][]byte) ([]byte, error) {
	document, err := parse(b)
	if err != nil {
		return nil, err
	}
	index, err := d.mayApprove(ctx, document)
	if err != nil {
		return nil, err
	}
	// The keys of those whose approval counts are the current ones, not those
	// that the document brings.
	voters := document.Authorities()
	if current := d.served.Load(); current.Published != nil {
		voters = current.Document.Authorities()
	}
	if err := dta.VerifyApprovals(voters, document, approvals); err != nil {
		return nil, problem.New(problem.Forbidden, "%s", err)
	}
	share, err := d.vault.load(document.Generation())
	if err == nil && (share.Index() != index || !share.Public().Equal(document.Authorities()[index-1].Public)) {
		err = errOtherShare
	}
	if err != nil {
		return nil, problem.New(problem.Unavailable, "%s", shareFault(err))
	}
	defer share.Erase()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.state.share(ctx, document); err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	return share.Issue(document.Point()).Expose(), nil
}

// activate takes a fully signed document. Its signature is the master's own: no
// further permission is needed.
func (d *documents) activate(ctx context.Context, b, signature []byte) error {
	document, err := parse(b)
	if err != nil {
		return err
	}
	if err := document.VerifySignature(signature); err != nil {
		return problem.New(problem.Malformed, "%s", err)
	}
	return d.adopt(ctx, &dta.Published{Document: document, Signature: signature})
}

// adopt keeps a document whose signature was verified, and serves it if it is
// the highest. A second one of a revision is kept as evidence: then both are refused.
func (d *documents) adopt(ctx context.Context, p *dta.Published) error {
	if err := d.isOurs(ctx, p.Document); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if current := d.served.Load(); current.Published != nil && p.Document.Revision() < current.Document.Revision() {
		return problem.New(problem.CeremonyState, "revision %d is served, revision %d comes too late",
			current.Document.Revision(), p.Document.Revision())
	}
	if err := d.state.keep(ctx, p.Document, p.Signature, d.clock()); err != nil {
		return unavailable(problem.Unavailable, err)
	}
	if err := d.reload(ctx); err != nil {
		return unavailable(problem.Unavailable, err)
	}
	current := d.served.Load()
	if errors.Is(current.fault, errEquivocation) {
		d.log.Error("the domain has signed two documents of one revision", "revision", p.Document.Revision())
		return problem.New(problem.CeremonyState, "%s", errEquivocation).WithAdvice("more than t-1 authorities are bad: compare both documents with the other operators")
	}
	d.log.Info("document served", "revision", current.Document.Revision(), "domain", current.Document.Domain())
	return nil
}

// isOurs refuses documents of other domains: ours is the one that is served or,
// before the first, one for whose master a certificate was seen.
func (d *documents) isOurs(ctx context.Context, document *dta.Document) error {
	if current := d.served.Load(); current.Published != nil {
		if current.Document.ID() != document.ID() {
			return problem.New(problem.WrongDomain, "this authority serves %v", current.Document.ID())
		}
		return nil
	}
	masters, err := d.state.certified(ctx)
	if err != nil {
		return unavailable(problem.Unavailable, err)
	}
	for _, m := range masters {
		if m.plan.Domain() == document.Domain() && bytes.Equal(m.certificate.MasterBytes(), document.Master().Bytes()) {
			return nil
		}
	}
	return problem.New(problem.CeremonyState, "no certificate of this domain's master was seen here")
}

// stampShare returns this authority's share of a day's stamp, for the highest
// document that it holds: for today and, in the last quarter of a day, for tomorrow.
func (d *documents) stampShare(ctx context.Context, day uint32) (dta.StampShare, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.serving()
	if err != nil {
		return dta.StampShare{}, err
	}
	if today := d.today(); day != today && day != d.latestDay() {
		return dta.StampShare{}, problem.New(problem.WrongEpoch, "day %d is not stamped now, today is %d", day, today)
	}
	above, err := d.state.sharedAbove(ctx, s.Document.Revision())
	if err != nil {
		return dta.StampShare{}, unavailable(problem.Unavailable, err)
	}
	if above {
		return dta.StampShare{}, problem.New(problem.CeremonyState, "a share was given for a document above revision %d", s.Document.Revision()).
			WithAdvice("deliver the higher document")
	}
	hash := s.Document.Hash()
	return dta.StampShare{Revision: s.Document.Revision(), Hash: hash[:], Day: day, Index: s.self.Index,
		Share: s.share.Issue(s.Document.FreshPoint(day)).Expose()}, nil
}

func (d *documents) today() uint32 { return dta.Day(unixSeconds(d.clock())) }

// latestDay is the last day that is stamped now.
func (d *documents) latestDay() uint32 {
	day := identity.Schedule{Length: 86_400}.Current(unixSeconds(d.clock()))
	if day.LastQuarter(unixSeconds(d.clock())) {
		return dta.Day(day.Next().Start)
	}
	return dta.Day(day.Start)
}

// stamped serves a stamp that was just made.
func (d *documents) stamped(ctx context.Context, stamp *dta.Stamp) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.state.addStamp(ctx, stamp); err != nil {
		return err
	}
	current := d.served.Load()
	if current.Published == nil || current.Document.Hash() != stamp.Hash {
		return nil
	}
	next := *current
	next.Published = &dta.Published{Document: current.Document, Signature: current.Signature, Stamp: stamp}
	d.served.Store(&next)
	return nil
}
