package authority

import (
	"bytes"
	"context"
	"slices"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
)

// mayApprove refuses a document that follows neither from a plan nor from an
// agreement of the operator.
func (d *documents) mayApprove(ctx context.Context, document *dta.Document) (index uint32, err error) {
	current := d.served.Load()
	if current.Published == nil {
		return d.isFirst(ctx, document)
	}
	if current.self.Index == 0 {
		return 0, problem.New(problem.Unavailable, "%s", current.fault)
	}
	if current.Document.Hash() == document.Hash() {
		return current.self.Index, nil
	}
	planned, err := d.isNext(ctx, current, document)
	if err != nil || planned {
		return current.self.Index, err
	}
	if err := d.follows(current, document); err != nil {
		return 0, err
	}
	agreed, err := d.state.agreed(ctx, document.Hash())
	if err != nil {
		return 0, unavailable(problem.Unavailable, err)
	}
	if !agreed {
		return 0, problem.New(problem.Forbidden, "the operator of authority %d has not agreed to this document", current.self.Index)
	}
	return current.self.Index, nil
}

// isFirst accepts the one document that follows, byte for byte, from a plan to
// which the operator agreed and from its certificate, once the trial passed.
func (d *documents) isFirst(ctx context.Context, document *dta.Document) (index uint32, err error) {
	masters, err := d.state.certified(ctx)
	if err != nil {
		return 0, unavailable(problem.Unavailable, err)
	}
	for _, m := range masters {
		if m.plan.Kind() != dkg.Public || !m.tried {
			continue
		}
		first, err := dta.FirstDocument(m.plan, m.certificate)
		if err != nil {
			return 0, err
		}
		if bytes.Equal(first.Bytes(), document.Bytes()) {
			return m.index, nil
		}
	}
	return 0, problem.New(problem.Forbidden, "the document does not follow from a ceremony whose trial passed here")
}

// isNext reports whether a document follows, byte for byte, from the current one
// and a plan for an M-Pin service, to which the operator agreed and whose trial
// passed here.
func (d *documents) isNext(ctx context.Context, current *served, document *dta.Document) (bool, error) {
	if document.Revision() != current.Document.Revision()+1 {
		return false, nil
	}
	masters, err := d.state.certified(ctx)
	if err != nil {
		return false, unavailable(problem.Unavailable, err)
	}
	for _, m := range masters {
		if m.plan.Kind() != dkg.Pin || !m.tried {
			continue
		}
		next, err := dta.NextDocument(current.Document, m.plan, m.certificate)
		if err == nil && bytes.Equal(next.Bytes(), document.Bytes()) { // else it is a plan for another document
			return true, nil
		}
	}
	return false, nil
}

// follows refuses a document that cannot succeed the one that is served. Shares
// stay as they are: no ceremony of today changes them.
func (d *documents) follows(current *served, next *dta.Document) error {
	now := current.Document
	hash := now.Hash()
	switch {
	case next.ID() != now.ID():
		return problem.New(problem.WrongDomain, "the document is of domain %v", next.ID())
	case next.Revision() <= now.Revision() || next.Revision() > now.Revision()+maxRevisionStep:
		return problem.New(problem.CeremonyState, "revision %d cannot follow revision %d", next.Revision(), now.Revision())
	case !bytes.Equal(next.Predecessor(), hash[:]):
		return problem.New(problem.CeremonyState, "the document does not name revision %d as its predecessor", now.Revision())
	case next.Generation() != now.Generation() || next.Threshold() != now.Threshold() || !sameShares(now, next):
		return problem.New(problem.WrongGeneration, "the document changes the shares of the master")
	case !sameServices(now, next):
		return problem.New(problem.Forbidden, "the document changes the domain's M-Pin services").
			WithAdvice("a service is added by its ceremony: 'milagro ceremony plan --login'")
	}
	return nil
}

func sameServices(a, b *dta.Document) bool {
	return slices.EqualFunc(a.Services(), b.Services(), dta.Service.Equal)
}

func sameShares(a, b *dta.Document) bool {
	return slices.EqualFunc(a.Authorities(), b.Authorities(), func(x, y dta.Authority) bool { return x.Public.Equal(y.Public) })
}
