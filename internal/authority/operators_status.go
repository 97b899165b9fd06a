package authority

import (
	"context"

	"milagro.dev/internal/encoding"
)

// describe adds to status who approves here and what waits.
func (o *operators) describe(ctx context.Context, status *Status) error {
	status.Services, status.Operators, status.Approvals = []ServiceState{}, []OperatorKey{}, []Approval{}
	all, err := o.state.operators(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		status.Operators = append(status.Operators, OperatorKey{Name: one.name, Key: HexHash(one.key)})
	}
	waiting, err := o.state.waiting(ctx, o.clock())
	if err != nil {
		return err
	}
	domain := o.documents.served.Load()
	for _, p := range waiting {
		status.Approvals = append(status.Approvals, Approval{Operator: p.operator, Act: string(p.act), Subject: domain.about(p.approved), Expires: p.expires.UTC()})
	}
	return nil
}

// about words what an approval is about: the name of a service or of an operator.
func (s *served) about(a approved) string {
	if a.act == actServerKey {
		return s.called(a.subject[:32])
	}
	return encoding.Open(a.subject, operatorLabel).String(maxOperatorApproval)
}

// services returns how the domain's login services are here.
func (o *operators) services(ctx context.Context, domain *served) ([]ServiceState, error) {
	list := []ServiceState{}
	for _, s := range domain.Document.Services() {
		id := domain.Document.ServiceID(s)
		state := ServiceState{Name: s.Name, Origin: s.Origin, Service: HexHash(id), Generation: s.Generation.Bytes(),
			Fingerprint: s.CardFingerprint(), Needed: needApprovals}
		if m := domain.services[id]; m != nil && m.fault != nil {
			state.Why = m.fault.Error()
		}
		var err error
		if state.Approved, state.Delivered, err = o.state.progress(ctx, id, approvalOf(id, s.Generation), o.clock()); err != nil {
			return nil, err
		}
		list = append(list, state)
	}
	return list, nil
}
