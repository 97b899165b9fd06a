package authority

import (
	"context"
	"log/slog"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

const (
	// maxRegister is the greatest number of names in one call.
	maxRegister = 1000
	// maxCodeLife is how long a code may wait for its use.
	maxCodeLife = 90 * 24 * time.Hour
)

// registrar is what the operator does with names: make codes, revoke, list.
type registrar struct {
	state     *state
	documents *documents
	clock     func() time.Time
	log       *slog.Logger
}

// register makes a one-time code for each name. All are stored or none; the
// codes themselves are in the answer and nowhere else.
func (r *registrar) register(ctx context.Context, names []identity.Name, purpose identity.Purpose, expires time.Time) ([]Registration, error) {
	domain, err := r.documents.serving()
	if err != nil {
		return nil, err
	}
	now := r.clock()
	if err := registrable(domain, names, purpose); err != nil {
		return nil, err
	}
	if !expires.After(now) || expires.After(now.Add(maxCodeLife)) {
		return nil, problem.New(problem.Malformed, "codes expire between now and %s from now", maxCodeLife)
	}
	answer, stored := make([]Registration, len(names)), make([]pending, len(names))
	for i, name := range names {
		code := dta.NewCode(domain.self.Index)
		answer[i] = Registration{Name: name, Code: code.Canonical()}
		stored[i] = pending{hash: code.Hash(), name: name, purpose: purpose, expires: expires}
	}
	if err := r.state.addCodes(ctx, stored, now); err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	r.log.Info("names registered", "count", len(names), "purpose", string(purpose))
	return answer, nil
}

func registrable(domain *served, names []identity.Name, purpose identity.Purpose) error {
	if len(names) == 0 || len(names) > maxRegister {
		return problem.New(problem.Malformed, "1 to %d names in one call, not %d", maxRegister, len(names))
	}
	if _, issued := domain.Document.Schedule(purpose); !issued || purpose != identity.Channel && purpose != identity.Decrypt {
		return problem.New(problem.PurposeRefused, "purpose %.32q", string(purpose)).
			WithAdvice("channel or decrypt, where the domain document has epochs for it")
	}
	for _, name := range names {
		if name.Domain() != domain.Document.Domain() {
			return problem.New(problem.NameRefused, "%s does not lie in %s", name, domain.Document.Domain())
		}
	}
	return nil
}

// revoke ends the enrolment of one device under a name, or, without a device, of
// all, and then voids the name's unused codes too.
func (r *registrar) revoke(ctx context.Context, name identity.Name, device *identity.DeviceHash) (Revoked, error) {
	var which []byte
	if device != nil {
		which = device[:]
	}
	revoked, err := r.state.revoke(ctx, name, which)
	if err != nil {
		return Revoked{}, unavailable(problem.Unavailable, err)
	}
	r.log.Info("revoked", "name", name.String(), "enrolments", revoked.Enrolments)
	return revoked, nil
}
