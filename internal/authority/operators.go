package authority

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"log/slog"
	"slices"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

const (
	// needApprovals is how many different operators decide together.
	needApprovals = 2
	// approvalLife is how long an approval waits for the second and for its use.
	approvalLife = 7 * 24 * time.Hour

	operatorLabel         = "milagro/v1 operator"
	operatorApprovalLabel = "milagro/v1 operator approval"
	maxOperatorApproval   = 1 << 10
)

// act is what operators approve two together.
type act string

const (
	actServerKey act = "server-key"
	actOperator  act = "operator"
)

// approved is an act with what it is about (spec/mpin.md "Operators").
type approved struct {
	act     act
	subject []byte
}

// approvalOf is the approval that the delivery of a service's server key wants.
func approvalOf(service identity.ServiceID, generation keys.Generation) approved {
	return approved{actServerKey, slices.Concat(service[:], generation.Bytes())}
}

func (a approved) hash() [32]byte { return sha256.Sum256(a.subject) }

// body is what an operator of the authority with this key signs.
func (a approved) body(authority ed25519.PublicKey, time uint64) []byte {
	return encoding.LP(operatorApprovalLabel, authority, []byte(a.act), a.subject, encoding.U64(time))
}

// operator is one of those who decide here.
type operator struct {
	name string
	key  ed25519.PublicKey
}

// approved is what others approve of who becomes an operator.
func (o operator) approved() approved {
	return approved{actOperator, encoding.LP(operatorLabel, []byte(o.name), o.key)}
}

// among reports whether o is one of those already; a second one with his name or
// his key is refused: two approvals would be one person's.
func (o operator) among(all []operator) (bool, error) {
	for _, other := range all {
		switch name, key := other.name == o.name, other.key.Equal(o.key); {
		case name && key:
			return true, nil
		case name:
			return false, problem.New(problem.Forbidden, "there is another operator of this name")
		case key:
			return false, problem.New(problem.Forbidden, "the key is that of operator %s", other.name)
		}
	}
	return false, nil
}

// approval is an operator's signed word, verified.
type approval struct {
	operator operator
	body     []byte
	signed   []byte
}

// hash identifies an approval, whoever shows it and how often.
func (a approval) hash() [32]byte { return sha256.Sum256(slices.Concat(a.operator.key, a.body)) }

// operators holds what two people must approve.
type operators struct {
	self      *self
	state     *state
	documents *documents
	clock     func() time.Time
	log       *slog.Logger
}

// readApproval reads an approval for this authority, of now, and what it approves.
func (o *operators) readApproval(ctx context.Context, signed []byte) (approval, approved, error) {
	e, err := encoding.ParseEnvelope(signed, maxOperatorApproval)
	if err != nil {
		return approval{}, approved{}, problem.New(problem.Malformed, "%s", err)
	}
	r := encoding.Open(e.Body, operatorApprovalLabel)
	authority := r.Fixed(ed25519.PublicKeySize)
	what := approved{act: act(r.String(maxOperatorApproval)), subject: r.Bytes(maxOperatorApproval)}
	at := r.U64()
	if err := r.Close(); err != nil {
		return approval{}, approved{}, problem.New(problem.Malformed, "%s", err)
	}
	if !o.self.card.Ed25519.Equal(ed25519.PublicKey(authority)) {
		return approval{}, approved{}, problem.New(problem.Forbidden, "the approval is for another authority")
	}
	if now := unixSeconds(o.clock()); at+identity.MaxSkew < now || at > now+identity.MaxSkew {
		return approval{}, approved{}, problem.New(problem.StaleTime, "the approval is of %d, here it is %d", at, now)
	}
	all, err := o.state.operators(ctx)
	if err != nil {
		return approval{}, approved{}, unavailable(problem.Unavailable, err)
	}
	who := slices.IndexFunc(all, func(one operator) bool { return e.Verify(one.key) == nil })
	if who < 0 {
		return approval{}, approved{}, problem.New(problem.Forbidden, "no operator of this authority signed it").
			WithAdvice("'milagro dta operator list' shows who is one")
	}
	return approval{operator: all[who], body: e.Body, signed: signed}, what, nil
}

// enter makes somebody an operator, or takes the approvals that he still needs.
func (o *operators) enter(ctx context.Context, in operatorRequest) (OperatorEntry, error) {
	one := operator{name: in.Name, key: ed25519.PublicKey(in.Key[:])}
	if err := dkg.CheckName(in.Name); err != nil {
		return OperatorEntry{}, problem.New(problem.Malformed, "an operator's name is 1 to 64 printable ASCII characters")
	}
	if in.Key == (HexHash{}) {
		return OperatorEntry{}, problem.New(problem.Malformed, "the operator's key is missing")
	}
	var approvals []approval
	for _, signed := range in.Approvals {
		given, what, err := o.readApproval(ctx, signed)
		if err != nil {
			return OperatorEntry{}, err
		}
		if what.act != actOperator || !bytes.Equal(what.subject, one.approved().subject) {
			return OperatorEntry{}, problem.New(problem.Malformed, "the approval is for something else")
		}
		approvals = append(approvals, given)
	}
	given, entered, err := o.state.enter(ctx, one, approvals, o.clock())
	if err != nil {
		return OperatorEntry{}, unavailable(problem.Unavailable, err)
	}
	if entered {
		o.log.Info("operator entered", "operator", one.name, "key", hexOf(in.Key))
	}
	return OperatorEntry{Entered: entered, Approved: given, Needed: needApprovals}, nil
}

// approve takes an operator's approval of the delivery of a server key.
func (o *operators) approve(ctx context.Context, signed []byte) (Approved, error) {
	domain, err := o.documents.serving()
	if err != nil {
		return Approved{}, err
	}
	given, what, err := o.readApproval(ctx, signed)
	if err != nil {
		return Approved{}, err
	}
	service, err := domain.deliverable(what)
	if err != nil {
		return Approved{}, err
	}
	n, err := o.state.approveAct(ctx, what, given, o.clock())
	if err != nil {
		return Approved{}, unavailable(problem.Unavailable, err)
	}
	o.log.Info("operator approved the delivery of a server key", "operator", given.operator.name, "service", service)
	return Approved{Service: service, Approved: n, Needed: needApprovals}, nil
}

// deliverable returns the name of the service whose server key an approval is
// about, in the generation that is served.
func (s *served) deliverable(what approved) (string, error) {
	const size = len(identity.ServiceID{}) + keys.GenerationSize
	if what.act != actServerKey || len(what.subject) != size {
		return "", problem.New(problem.Malformed, "the approval is for something else")
	}
	m, err := s.master(identity.ServiceID(what.subject[:len(identity.ServiceID{})]))
	if err != nil {
		return "", err
	}
	if !bytes.Equal(what.subject[len(identity.ServiceID{}):], m.service.Generation.Bytes()) {
		return "", problem.New(problem.WrongGeneration, "the shares here are of generation %d", m.service.Generation.Counter)
	}
	return m.service.Name, nil
}
