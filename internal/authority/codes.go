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
func (r *registrar) register(ctx context.Context, in registerRequest) ([]Registration, error) {
	domain, err := r.documents.serving()
	if err != nil {
		return nil, err
	}
	now := r.clock()
	service, err := registrable(domain, in)
	if err != nil {
		return nil, err
	}
	if !in.Expires.After(now) || in.Expires.After(now.Add(maxCodeLife)) {
		return nil, problem.New(problem.Malformed, "codes expire between now and %s from now", maxCodeLife)
	}
	answer, stored := make([]Registration, len(in.Names)), make([]pending, len(in.Names))
	for i, name := range in.Names {
		code := dta.NewCode(domain.self.Index)
		answer[i] = Registration{Name: name, Code: code.Canonical()}
		stored[i] = pending{hash: code.Hash(), name: name, purpose: in.Purpose, service: service, expires: in.Expires}
	}
	if err := r.state.addCodes(ctx, stored, now); err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	r.log.Info("names registered", "count", len(in.Names), "purpose", string(in.Purpose))
	return answer, nil
}

// registrable refuses what no code can be for; it returns the service that one of
// purpose mpin is for.
func registrable(domain *served, in registerRequest) (service identity.ServiceID, err error) {
	if len(in.Names) == 0 || len(in.Names) > maxRegister {
		return service, problem.New(problem.Malformed, "1 to %d names in one call, not %d", maxRegister, len(in.Names))
	}
	if service, err = domain.onCode(in.Purpose, in.Service); err != nil {
		return service, err
	}
	for _, name := range in.Names {
		if name.Domain() != domain.Document.Domain() {
			return service, problem.New(problem.NameRefused, "%s does not lie in %s", name, domain.Document.Domain())
		}
	}
	return service, nil
}

// onCode refuses purposes that are not issued on a one-time code, and returns the
// identity of the service, which has a name for purpose mpin and for no other.
func (s *served) onCode(purpose identity.Purpose, service string) (id identity.ServiceID, err error) {
	_, scheduled := s.Document.Schedule(purpose)
	switch {
	case purpose == identity.MPin:
		login, ok := s.Document.Service(service)
		if !ok {
			return id, problem.New(problem.ServiceUnknown, "%.64q", service)
		}
		return s.Document.ServiceID(login), nil
	case service != "":
		return id, problem.New(problem.Malformed, "a login service belongs to purpose mpin")
	case !scheduled || purpose != identity.Channel && purpose != identity.Decrypt:
		return id, problem.New(problem.PurposeRefused, "purpose %.32q", string(purpose)).
			WithAdvice("channel or decrypt, where the domain document has epochs for it; or mpin, for a login service")
	}
	return id, nil
}

// revoke ends the enrolment of one device under a name, or, without a device, of
// all, and then voids the name's unused codes too.
func (r *registrar) revoke(ctx context.Context, name identity.Name, device *identity.DeviceHash) (Revoked, error) {
	var which []byte
	if device != nil {
		which = device[:]
	}
	revoked, err := r.state.revoke(ctx, name, which, r.clock())
	if err != nil {
		return Revoked{}, unavailable(problem.Unavailable, err)
	}
	r.log.Info("revoked", "name", name.String(), "enrolments", revoked.Enrolments)
	return revoked, nil
}
