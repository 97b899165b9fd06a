package login

import (
	"context"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

// attempt is a login on its way through the second pass.
type attempt struct {
	transcript  mpin.Transcript
	proof       mpin.Proof
	who         subject
	kind        uint8
	now         time.Time
	audit       auditID
	authorities []uint32
	raises      bool // its epoch is the highest so far

	// What count found, before it counted:
	row      row
	standing string // why it can only be refused, or empty

	// What accept found:
	ended   []subject        // devices that it revoked
	pending *problem.Problem // why the PIN change that it intends was not begun
}

// finish judges the second message (spec/mpin.md "Login", 4).
func (g *gate) finish(ctx context.Context, in mpin.FinishRequest, channel mpin.Channel) (mpin.FinishAnswer, error) {
	select {
	case g.finishing <- struct{}{}:
		defer func() { <-g.finishing }()
	default:
		return mpin.FinishAnswer{}, problem.New(problem.Unavailable, "too many logins are under way")
	}
	a, s, err := g.attempted(ctx, in, channel)
	if err != nil {
		return mpin.FinishAnswer{}, err
	}
	// From here on the attempt runs to its end, also if the client has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	if mpin.VerifyDevice(a.transcript, a.proof) != nil {
		return mpin.FinishAnswer{}, g.dispossess(ctx, a)
	}
	counted, err := g.state.count(ctx, a)
	if err != nil {
		return mpin.FinishAnswer{}, unavailable(err)
	}
	g.open.Add(-1)
	if !g.judge(ctx, s, a, counted) {
		return mpin.FinishAnswer{}, g.refuse(ctx, a, counted)
	}
	return g.accept(ctx, s, a)
}

// attempted returns what a second message is about: an open session of this
// connection. It changes nothing.
func (g *gate) attempted(ctx context.Context, in mpin.FinishRequest, channel mpin.Channel) (*attempt, *served, error) {
	if len(in.Session) != mpin.SessionSize || len(in.V) != pairing.G1Size || len(in.Signature) != identity.SignatureSize {
		return nil, nil, problem.New(problem.Malformed, "session, v and signature have %d, %d and %d bytes", mpin.SessionSize, pairing.G1Size, identity.SignatureSize)
	}
	now := g.clock()
	t, err := g.state.session(ctx, in.Session, now)
	if err != nil {
		return nil, nil, unavailable(err)
	}
	l := t.Login()
	s := g.realm.now.Load()
	if err := s.refused(); err != nil {
		return nil, nil, err
	}
	if l.Channel != channel || l.Service != s.id || l.Domain != s.document.ID() || l.Origin != s.service.Origin {
		return nil, nil, problem.New(problem.SessionUnknown, "")
	}
	a := &attempt{transcript: t, who: subjectOf(t), kind: channel.Kind(),
		now: now, audit: g.state.numbers.next(now), authorities: s.indices(), raises: l.Epoch.Start > g.watermark.Highest().Start}
	a.proof = mpin.Proof{V: [pairing.G1Size]byte(in.V), Signature: [identity.SignatureSize]byte(in.Signature)}
	return a, s, nil
}

// dispossess ends the session of a proof that its device did not sign. It counts
// for nobody: a stranger raises no counter.
func (g *gate) dispossess(ctx context.Context, a *attempt) error {
	session := a.transcript.Challenge().Session
	if err := g.state.discard(ctx, session[:]); err != nil {
		return unavailable(err)
	}
	g.open.Add(-1)
	g.counters.login(outcomePossession)
	g.log.Info("login refused", "reason", "possession", "name", a.who.name, "device", a.who.device.String())
	return problem.New(problem.Possession, "")
}

// judge verifies the proof. Whose attempt was not counted is refused whatever it
// is, after the same work.
func (g *gate) judge(ctx context.Context, s *served, a *attempt, c count) bool {
	step(ctx, "pairings")
	if !c.counted {
		g.alone(s, a)
		return false
	}
	if c.streak > 1 || c.total > maxStreak {
		return g.alone(s, a)
	}
	return g.verifier.verify(s, a.transcript, a.proof)
}

// alone verifies the proof beside no other: one that is to be suspected.
func (g *gate) alone(s *served, a *attempt) bool { return g.verifier.suspect(s, a.transcript, a.proof) }

// refuse records the true reason and tells the client none.
func (g *gate) refuse(ctx context.Context, a *attempt, c count) error {
	event, reason := eventRefused, "wrong PIN"
	switch {
	case !c.counted && a.standing == "":
		reason = "locked" // since it was looked at
	case !c.counted:
		reason = a.standing
	case c.streak >= maxStreak || c.total >= maxTotal:
		event = eventLocked
	}
	if err := g.state.refuse(ctx, a, event, reason); err != nil {
		return unavailable(err)
	}
	g.log.Info("login refused", "reason", reason, "event", event, "name", a.who.name, "device", a.who.device.String(), "streak", c.streak, "total", c.total)
	g.counters.login(outcomeRefused)
	return problem.New(problem.LoginRefused, "")
}

// accept makes the acceptance durable, and only then states it.
func (g *gate) accept(ctx context.Context, s *served, a *attempt) (mpin.FinishAnswer, error) {
	l, now := a.transcript.Login(), g.clock()
	accepted, err := g.state.accept(ctx, a, l.Epoch, now)
	if err != nil {
		return mpin.FinishAnswer{}, unavailable(err)
	}
	if !accepted {
		g.log.Info("login refused", "reason", "revoked", "name", a.who.name, "device", a.who.device.String())
		g.counters.login(outcomeRefused)
		return mpin.FinishAnswer{}, problem.New(problem.LoginRefused, "")
	}
	g.watermark.Raise(l.Epoch)
	g.counters.login(outcomeAccepted)
	g.log.Info("login accepted", "name", a.who.name, "device", a.who.device.String(), "channel_kind", a.kind)
	if len(a.ended) > 0 {
		g.ended(a, now)
	}
	if a.pending != nil {
		return mpin.FinishAnswer{}, a.pending
	}
	return g.notary.answer(s, l, now)
}

// ended keeps revocations that followed from a login also beside the database.
func (g *gate) ended(a *attempt, now time.Time) {
	for _, who := range a.ended {
		g.log.Info("revoked", "name", who.name, "device", who.device.String(), "by", a.who.device.String())
	}
	if err := g.journal.add(now, a.ended...); err != nil {
		g.log.Error("revocation is in the database alone", "error", err) // until the next reconciliation
	}
	g.outbox.wake()
}

// refusedIntent words for the audit that a PIN change was not begun.
func (a *attempt) refusedIntent() string {
	if a.pending == nil {
		return ""
	}
	return "PIN change refused: another is pending"
}
