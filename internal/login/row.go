package login

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

// registrar makes rows (spec/mpin.md "Rows").
type registrar struct {
	realm *realm
	state *state
	clock func() time.Time
	log   *slog.Logger
}

// enrol makes the row of a device that shows t statements; of one that has a row it
// changes nothing.
func (r *registrar) enrol(ctx context.Context, in mpin.RowRequest) error {
	s := r.realm.now.Load()
	if !s.listed {
		return s.refused()
	}
	now := r.clock()
	if at := unixSeconds(now); in.Time+identity.MaxSkew < at || in.Time > at+identity.MaxSkew {
		refused := problem.New(problem.StaleTime, "the request is of %d, here it is %d", in.Time, at)
		refused.Time = at
		return refused
	}
	if len(in.Statements) > dta.MaxAuthorities {
		return problem.New(problem.Malformed, "more than %d statements", dta.MaxAuthorities)
	}
	device, err := mpin.Service{Domain: s.document.ID(), ID: s.id, Origin: s.service.Origin}.VerifyRow(in)
	switch {
	case errors.Is(err, identity.ErrPossession):
		return problem.New(problem.Possession, "")
	case err != nil:
		return problem.New(problem.Malformed, "%s", err)
	}
	statement, err := s.enrolment(device.Hash(), in.Statements)
	if err != nil {
		return r.refuse(ctx, statement, device.Hash(), err)
	}
	who := subject{s.id, statement.Name.String(), device.Hash()}
	p, err := r.state.place(ctx, who)
	if err != nil {
		return unavailable(err)
	}
	if p.row.known && !p.replaced {
		return nil
	}
	made, err := r.state.enrol(ctx, who, statement.ChannelKind, now)
	if errors.Is(err, problem.RowRefused) {
		return r.refuse(ctx, statement, device.Hash(), err)
	}
	if err != nil {
		return unavailable(err)
	}
	if made {
		r.log.Info("row made", "name", who.name, "device", who.device.String(), "channel_kind", statement.ChannelKind)
	}
	return nil
}

// refuse records a refusal, if any authority has vouched for the name in it.
func (r *registrar) refuse(ctx context.Context, statement dta.Statement, device identity.DeviceHash, refused error) error {
	r.log.Info("row refused", "name", statement.Name.String(), "device", device.String(), "reason", refused.Error())
	if statement.Name.IsZero() {
		return refused
	}
	err := r.state.note(ctx, decision{id: r.state.numbers.next(r.clock()), name: statement.Name.String(), device: device, event: eventRowRefused,
		reason: refused.Error(), stranger: true})
	if err != nil {
		return unavailable(err)
	}
	return refused
}

// enrolment returns what t statements agree on. With an error it returns the first
// of them that an authority signed, if there is one.
func (s *served) enrolment(device identity.DeviceHash, signed [][]byte) (first dta.Statement, err error) {
	authorities, count := s.document.Authorities(), 0
	for _, b := range signed {
		statement, rest, ok := whose(authorities, b)
		if !ok {
			return first, problem.New(problem.RowRefused, "a statement is none of an authority of this domain, or they are not in order")
		}
		if count++; count == 1 {
			first = statement
		}
		if err := s.states(statement, device); err != nil {
			return first, err
		}
		if statement.Name != first.Name || statement.ChannelKind != first.ChannelKind {
			return first, problem.New(problem.RowRefused, "the statements differ")
		}
		authorities = rest
	}
	if count < s.document.Threshold() {
		return first, problem.New(problem.RowRefused, "%d statements, %d are needed", count, s.document.Threshold())
	}
	return first, nil
}

// whose returns a statement that one of the authorities signed, and those after it:
// no index counts twice.
func whose(authorities []dta.Authority, signed []byte) (dta.Statement, []dta.Authority, bool) {
	for i, a := range authorities {
		if statement, err := dta.ParseStatement(a, signed); err == nil {
			return statement, authorities[i+1:], true
		}
	}
	return dta.Statement{}, nil, false
}

// states refuses a statement that is not about a login of this device here.
func (s *served) states(e dta.Statement, device identity.DeviceHash) error {
	switch {
	case e.Domain != s.document.ID() || e.Service != s.id || e.Purpose != identity.MPin:
		return problem.New(problem.RowRefused, "a statement is for another domain, service or purpose")
	case e.Generation != s.service.Generation:
		return problem.New(problem.RowRefused, "a statement is of generation %d, the service's is %d", e.Generation.Counter, s.service.Generation.Counter)
	case e.Device != device:
		return problem.New(problem.RowRefused, "a statement is for another device")
	case e.Name.Domain() != s.document.Domain():
		return problem.New(problem.RowRefused, "a statement is for a name of another domain")
	case e.ChannelKind > 1:
		return problem.New(problem.RowRefused, "a statement has channel kind %d", e.ChannelKind)
	}
	return nil
}
