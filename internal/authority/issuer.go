package authority

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/problem"
)

// issued are the purposes that applicants get keys of.
var issued = map[identity.Purpose]bool{identity.Channel: true, identity.Decrypt: true, identity.MPin: true, identity.Permit: true}

// issuer answers requests for shares. The steps and their numbers are those of
// spec/issuance.md "Order at the authority": a step that costs more, or tells
// more, comes later.
type issuer struct {
	self      *self
	state     *state
	documents *documents
	limits    Limits
	clock     func() time.Time
	log       *slog.Logger
	counters  *counters
	roots     *roots

	registrations *registrations
}

// claim is a request on its way through the steps.
type claim struct {
	*dta.Request
	hash    [32]byte
	now     time.Time
	from    netip.Addr
	master  *master             // of the login service; nil for the public master
	basis   string              // what entitles to the key: basisRenewal unless there is evidence
	code    [32]byte            // hash of the one-time code, where that is the basis
	old     identity.DeviceHash // the device to be replaced, where that is the basis
	bearer  *bearer             // whom a token names, where that is the basis
	charged *tally

	registered *registered // what a registration entitles to, where that is the basis
}

// issue answers a sealed request that came from an address with a sealed reply.
func (i *issuer) issue(ctx context.Context, sealed []byte, from netip.Addr) ([]byte, error) {
	domain, err := i.documents.serving()
	if err != nil {
		return nil, err
	}
	now := i.clock()
	request, err := i.open(domain, sealed, now) // 1 to 6
	if err != nil {
		return nil, err
	}
	c := &claim{Request: request, hash: request.Hash(), now: now, from: from, basis: basisRenewal}
	known, err := i.state.reply(ctx, c.hash, now) // 7
	if err != nil || known != nil {
		return known, unavailable(problem.LogUnavailable, err)
	}
	if err := c.admitted(domain); err != nil { // 8, 9
		return nil, err
	}
	if err := i.entitled(ctx, domain, c); err != nil { // 10, 11
		return i.meanwhile(ctx, c, err)
	}
	reply, err := i.multiply(domain, c) // 12
	if err != nil {
		return nil, err
	}
	reply, err = i.record(ctx, c, reply) // 13
	if err != nil {
		return nil, unavailable(problem.LogUnavailable, err)
	}
	i.counters.issued.WithLabelValues(string(c.Key.Purpose), c.basis).Inc()
	i.log.With(append(c.bearer.attributes(), c.registered.attributes()...)...).Info("issued", "purpose", string(c.Key.Purpose), "service", domain.called(serviceBytes(c.Key.Service)),
		"name", c.Key.Name.String(), "epoch", c.Key.Epoch.String(), "basis", c.basis, "request", hexOf(c.hash))
	return reply, nil
}

// open does what needs no record of anybody: whose request it is, when it was
// made, that it opens and that its device signed it.
func (i *issuer) open(domain *served, sealed []byte, now time.Time) (*dta.Request, error) {
	envelope, err := dta.ParseSealedRequest(sealed) // 1
	if err != nil {
		return nil, problem.New(problem.Malformed, "%s", err)
	}
	id := domain.Document.ID()
	switch { // 2
	case envelope.Domain != id:
		return nil, problem.New(problem.WrongDomain, "this authority serves %v", id)
	case envelope.Index != domain.self.Index:
		return nil, problem.New(problem.WrongAuthority, "this is authority %d", domain.self.Index)
	}
	if at := unixSeconds(now); envelope.Time+identity.MaxSkew < at || envelope.Time > at+identity.MaxSkew { // 3
		refused := problem.New(problem.StaleTime, "the request is of %d, here it is %d", envelope.Time, at)
		refused.Time = at
		refused.Signature = dta.SignTime(i.self.signing, id, domain.self.Index, envelope.Hash, at)
		return nil, refused
	}
	request, err := envelope.Open(i.self.opening) // 4, 5, 6
	switch {
	case errors.Is(err, dta.ErrOpen):
		return nil, problem.New(problem.CannotOpen, "")
	case errors.Is(err, identity.ErrPossession):
		return nil, problem.New(problem.Possession, "")
	case err != nil:
		return nil, problem.New(problem.Malformed, "%s", err)
	}
	return request, nil
}

// admitted refuses what is issued to nobody, or not now.
func (c *claim) admitted(domain *served) error {
	document := domain.Document
	if err := c.ofGeneration(domain); err != nil { // 8
		return err
	}
	if c.Key.Name.Domain() != document.Domain() { // 9
		return problem.New(problem.NameRefused, "%s does not lie in %s", c.Key.Name, document.Domain())
	}
	schedule, scheduled := document.Schedule(c.Key.Purpose)
	if !issued[c.Key.Purpose] || !scheduled && c.Key.Purpose != identity.MPin {
		return problem.New(problem.PurposeRefused, "purpose %.32q", string(c.Key.Purpose)).
			WithAdvice("channel and decrypt are issued, where the domain document has epochs for them; mpin and permit, for its login services")
	}
	if err := c.IdentityKey().Check(); err != nil {
		return problem.New(problem.Malformed, "%s", err)
	}
	switch c.Key.Purpose {
	case identity.Decrypt:
		return c.notAhead(schedule)
	case identity.MPin:
		return c.knownChannel()
	case identity.Permit:
		if len(c.Evidence) > 0 {
			return problem.New(problem.Malformed, "a permit is renewed by the device key alone, without evidence")
		}
	}
	if err := schedule.Issuable(c.Key.Epoch, c.Key.Purpose, unixSeconds(c.now)); err != nil {
		return problem.New(problem.WrongEpoch, "%s", err)
	}
	return nil
}

// ofGeneration refuses requests for shares that are not those here, and finds the
// master of a login service.
func (c *claim) ofGeneration(domain *served) (err error) {
	generation := domain.Document.Generation()
	if c.Key.Purpose.Service() {
		if c.master, err = domain.master(c.Key.Service); err != nil {
			return err
		}
		generation = c.master.service.Generation
	}
	if c.Generation != generation {
		return problem.New(problem.WrongGeneration, "the shares here are of generation %d", generation.Counter)
	}
	return nil
}

// notAhead admits epochs of a decrypt key: the current one and those before,
// which open what was sealed then. How far before, entitled decides.
func (c *claim) notAhead(schedule identity.Schedule) error {
	if err := schedule.Admits(c.Key.Epoch); err != nil {
		return problem.New(problem.WrongEpoch, "%s", err)
	}
	if c.Key.Epoch.Start > unixSeconds(c.now) {
		return problem.New(problem.WrongEpoch, "keys of purpose decrypt are not issued ahead")
	}
	return nil
}

// entitled finds out why this device may have this key: by fresh evidence, or
// because it is enrolled. Whoever is not enrolled is counted before anything is
// looked up for him.
func (i *issuer) entitled(ctx context.Context, domain *served, c *claim) error {
	st, err := i.state.standing(ctx, c.Request)
	if err != nil {
		return err
	}
	if len(c.Evidence) > 0 || !st.enrolled || st.revoked || c.Key.Purpose == identity.MPin { // 10
		charged := i.limits.Strangers.tally(c.now, stranger(c.from))
		if err := i.state.charge(ctx, charged, c.now); err != nil {
			return err
		}
		c.charged = &charged
	}
	switch { // 11
	case st.revoked:
		return problem.New(problem.Revoked, "")
	case st.enrolled && c.Key.Purpose == identity.MPin:
		return problem.New(problem.AlreadyEnrolled, "")
	case len(c.Evidence) > 0:
		return i.evident(ctx, domain, c)
	case !st.enrolled:
		return problem.New(problem.NotEnrolled, "")
	case c.Key.Purpose == identity.Decrypt && c.Key.Epoch.End() <= unixSeconds(st.since):
		return problem.New(problem.WrongEpoch, "this device was enrolled after %v", c.Key.Epoch).
			WithAdvice("an older key needs a new one-time code")
	}
	return nil
}

// meanwhile returns the answer that the same request got since step 7, sent
// twice at once: it is the one that spent the code. Otherwise refused stands.
func (i *issuer) meanwhile(ctx context.Context, c *claim, refused error) ([]byte, error) {
	reply, err := i.state.reply(ctx, c.hash, c.now)
	if err != nil || reply == nil {
		return nil, unavailable(problem.LogUnavailable, refused)
	}
	return reply, unavailable(problem.LogUnavailable, i.state.refund(ctx, c.charged))
}

// evident looks at the evidence; record consumes it.
func (i *issuer) evident(ctx context.Context, domain *served, c *claim) error {
	if err := domain.Fresh(unixSeconds(c.now)); err != nil {
		return problem.New(problem.NoStamp, "%s", err)
	}
	kind, err := dta.EvidenceKind(c.Evidence)
	if err == nil && kind == basisSuccession && c.Key.Purpose == identity.MPin {
		return i.succeeds(ctx, domain, c)
	}
	if err == nil && kind == basisVoucher && c.Key.Purpose == identity.MPin {
		return i.registers(ctx, domain, c)
	}
	if err == nil && kind == basisToken && c.Key.Purpose != identity.MPin {
		return i.tokened(ctx, domain, c)
	}
	return i.coded(ctx, domain, c)
}

// coded looks at a one-time code.
func (i *issuer) coded(ctx context.Context, domain *served, c *claim) error {
	code, err := dta.ParseCodeEvidence(c.Evidence)
	switch {
	case errors.Is(err, encoding.ErrEncoding):
		return problem.New(problem.Malformed, "%s", err)
	case err != nil:
		return problem.New(problem.CodeUnknown, "")
	case code.Index() != domain.self.Index:
		return problem.New(problem.CodeWrongAuthority, "the code is authority %d's, this is authority %d", code.Index(), domain.self.Index)
	}
	c.basis, c.code = basisCode, code.Hash()
	return i.state.lookAt(ctx, c.code, c.Key, c.now)
}

// multiply makes the sealed reply. The point is computed here, from the fields:
// no point or hash that somebody sent is ever multiplied (R17).
func (i *issuer) multiply(domain *served, c *claim) ([]byte, error) {
	point, err := c.IdentityKey().Point()
	if err != nil {
		return nil, err
	}
	reply, err := c.answer(domain, point)
	if err != nil {
		return nil, err
	}
	if c.basis != basisRenewal {
		reply.Statement = dta.StatementFor(c.Request, unixSeconds(c.now)).Sign(i.self.signing)
	}
	sealed, err := reply.Seal(i.self.signing, c.ReplyKey)
	if err != nil { // its X25519 half has low order
		return nil, problem.New(problem.Malformed, "nothing can be sealed to the reply key")
	}
	return sealed, nil
}

// answer makes the share, with a proof where it cannot be proved by pairing.
func (c *claim) answer(domain *served, point pairing.G1) (*dta.Reply, error) {
	if c.master == nil {
		return dta.ReplyTo(c.Request, domain.share.Issue(point)), nil
	}
	share := c.master.share.Issue(point)
	reply := dta.ReplyTo(c.Request, share)
	proof, err := c.master.share.Prove(reply.ProofStatement(point, c.master.public), share)
	if err != nil {
		return nil, err
	}
	reply.Proof = proof.Bytes()
	return reply, nil
}

// record makes the issuance durable: after it, and never before, the reply may
// leave.
func (i *issuer) record(ctx context.Context, c *claim, reply []byte) ([]byte, error) {
	name, device := c.Key.Name.String(), c.Device.Hash()
	limit := i.limits.Renewals.tally(c.now, "renewal", name, string(c.Key.Purpose), device.String(), hexOf(c.Key.Service))
	if c.basis != basisRenewal {
		limit = i.limits.Enrolments.tally(c.now, "enrolment", name)
	}
	return i.state.record(ctx, issuance{claim: c, limit: limit, reply: reply})
}
