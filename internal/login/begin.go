package login

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
)

const (
	// sessionLife is how long a client may take between the two passes.
	sessionLife = 60 * time.Second
	// finishTime bounds what follows a count, whether or not the client waits.
	finishTime = 20 * time.Second
	// maxFinishing bounds the second passes that run at once.
	maxFinishing = 4096
)

// gate is both passes of logins (spec/mpin.md "Login").
type gate struct {
	realm     *realm
	state     *state
	journal   *journal
	outbox    *outbox
	verifier  *verifier
	notary    *notary
	watermark *identity.Watermark
	sessions  int64        // at most
	open      atomic.Int64 // about so many are
	finishing chan struct{}
	clock     func() time.Time
	log       *slog.Logger
	counters  *counters
}

// begin answers the first message with a challenge. Nothing is looked up for the
// name, so that the answer tells nothing about it.
func (g *gate) begin(ctx context.Context, in mpin.BeginRequest, channel mpin.Channel) (mpin.BeginAnswer, error) {
	s, err := g.service(in.Service)
	if err != nil {
		return mpin.BeginAnswer{}, err
	}
	now := g.clock()
	epoch, err := g.epoch(s, in.Epoch, now)
	if err != nil {
		return mpin.BeginAnswer{}, err
	}
	l := mpin.Login{Domain: s.document.ID(), Service: s.id, Origin: s.service.Origin, Name: in.Name, Epoch: epoch, Channel: channel}
	if err := fill(&l, in, s); err != nil {
		return mpin.BeginAnswer{}, err
	}
	u, err := mpin.ParseCommitment(in.U)
	if err != nil {
		return mpin.BeginAnswer{}, problem.New(problem.Malformed, "u is no point of a commitment")
	}
	if g.open.Load() >= g.sessions {
		return mpin.BeginAnswer{}, problem.New(problem.Unavailable, "too many logins are under way")
	}
	challenge := mpin.NewChallenge() // U is fixed
	transcript, err := l.Transcript(u, challenge)
	if err != nil {
		return mpin.BeginAnswer{}, err
	}
	if err := g.state.open(ctx, transcript, now.Add(sessionLife)); err != nil {
		return mpin.BeginAnswer{}, unavailable(err)
	}
	g.open.Add(1)
	return mpin.BeginAnswer{Session: challenge.Session[:], Nonce: challenge.Nonce[:]}, nil
}

func (g *gate) service(id []byte) (*served, error) {
	if len(id) != len(identity.ServiceID{}) || bytes.Equal(id, make([]byte, len(id))) {
		return nil, problem.New(problem.Malformed, "service has %d bytes, or is zero", len(id))
	}
	return g.realm.admit(identity.ServiceID(id))
}

// epoch accepts the epoch of a permit before anything about the name.
func (g *gate) epoch(s *served, b []byte, now time.Time) (identity.Epoch, error) {
	epoch, err := identity.ParseEpoch(b)
	if err != nil {
		return identity.Epoch{}, problem.New(problem.Malformed, "%s", err)
	}
	schedule, _ := s.document.Schedule(identity.Permit) // a document with a service has it
	if err = schedule.Accepts(epoch, unixSeconds(now)); err == nil {
		err = g.watermark.Admit(epoch)
	}
	if err != nil {
		refused := problem.New(problem.WrongEpoch, "%s", err)
		refused.Time = unixSeconds(now)
		return identity.Epoch{}, refused
	}
	return epoch, nil
}

// fill reads the rest of the first message into l.
func fill(l *mpin.Login, in mpin.BeginRequest, s *served) (err error) {
	switch {
	case in.Name.IsZero():
		return problem.New(problem.Malformed, "name is missing")
	case in.Name.Domain() != s.document.Domain():
		return problem.New(problem.NameRefused, "%s does not lie in %s", in.Name, s.document.Domain())
	case in.ChannelKind != l.Channel.Kind():
		return problem.New(problem.Malformed, "channel_kind is %d, this connection's is %d", in.ChannelKind, l.Channel.Kind())
	}
	if l.Device, err = identity.ParseDevice(in.Device); err != nil {
		return problem.New(problem.Malformed, "%s", err)
	}
	if l.Intent, err = mpin.ParseIntent(in.Intent); err != nil {
		return problem.New(problem.Malformed, "%s", err)
	}
	if next, ok := l.Intent.Device(); ok && next == l.Device.Hash() {
		return problem.New(problem.Malformed, "the device that is to follow is the one that logs in")
	}
	return nil
}
