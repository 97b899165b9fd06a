package authority

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// ceremonies drives this authority's part in making masters: a dkg.Party for
// each plan, in memory, and the two durable steps around it. A share is sealed on
// the disk before its Confirm leaves; Confirm and Abort exclude each other for
// ever. Whoever carries the messages is trusted with nothing.
type ceremonies struct {
	self  *self
	state *state
	vault *vault
	// documents say which domain a plan for a service must fit.
	documents *documents
	clock     func() time.Time
	log       *slog.Logger

	// mu serialises the calls: a Party needs it, and steps are rare.
	mu   sync.Mutex
	live map[[32]byte]*dkg.Party // by plan; what is here has not confirmed
}

func newCeremonies(d *documents, cfg Config) *ceremonies {
	return &ceremonies{self: d.self, state: d.state, vault: d.vault, documents: d, clock: cfg.Clock, log: cfg.Logger, live: map[[32]byte]*dkg.Party{}}
}

// signPlan records that the operator agrees to a plan.
func (c *ceremonies) signPlan(ctx context.Context, b []byte) (signedPlan, error) {
	plan, err := dkg.ParsePlan(b)
	if err != nil {
		return signedPlan{}, problem.New(problem.Malformed, "%s", err)
	}
	p := signedPlan{plan: plan, index: plan.IndexOf(c.self.card)}
	if p.index == 0 {
		return p, problem.New(problem.Forbidden, "the plan does not have this authority's card")
	}
	if err := c.mayBegin(ctx, plan); err != nil {
		return p, err
	}
	if err := c.state.signPlan(ctx, p, c.clock()); err != nil {
		return p, unavailable(problem.Unavailable, err)
	}
	c.log.Info("operator agreed to a plan", "plan", fmt.Sprintf("%x", plan.Hash()), "domain", plan.Domain(), "place", p.index)
	return p, nil
}

// mayBegin refuses a plan that can come to nothing here.
func (c *ceremonies) mayBegin(ctx context.Context, plan *dkg.Plan) error {
	if plan.Kind() == dkg.Public {
		return c.onlyDomain(ctx, plan)
	}
	current := c.documents.served.Load()
	if current.Published == nil {
		return problem.New(problem.NotActive, "")
	}
	if current.serves(c.made(ctx, plan)) { // signed again after all is done
		return nil
	}
	if _, err := dta.FitsPlan(current.Document, plan); err != nil {
		return problem.New(problem.Forbidden, "%s", err).WithAdvice("make a new plan from the domain document that is served")
	}
	return nil
}

// made returns the generation that a plan made here, or none.
func (c *ceremonies) made(ctx context.Context, plan *dkg.Plan) keys.Generation {
	standing, err := c.state.standingRun(ctx, plan.Hash())
	if err != nil || standing == nil {
		return keys.Generation{}
	}
	return standing.generation
}

// onlyDomain refuses a plan for a second domain: an authority serves one.
func (c *ceremonies) onlyDomain(ctx context.Context, plan *dkg.Plan) error {
	masters, err := c.state.certified(ctx)
	if err != nil {
		return unavailable(problem.Unavailable, err)
	}
	for _, m := range masters {
		if plan.Kind() == dkg.Public && m.plan.Kind() == dkg.Public && m.plan.Hash() != plan.Hash() {
			return problem.New(problem.Forbidden, "this authority already holds a share of the master of %s", m.plan.Domain()).
				WithAdvice("make another authority for another domain: 'milagro dta init'")
		}
	}
	return nil
}

// start begins a run, dropping one that was live, and returns the contribution.
func (c *ceremonies) start(ctx context.Context, hash [32]byte) ([]byte, error) {
	p, err := c.state.plan(ctx, hash)
	if err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	standing, err := c.state.standingRun(ctx, hash)
	if err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	if standing != nil {
		return nil, problem.New(problem.CeremonyState, "authority %d has confirmed the run %x", p.index, standing.id).
			WithAdvice("deliver its certificate or the aborts of %d authorities; if neither can be had, 'milagro ceremony sign' again at each authority", p.plan.Threshold())
	}
	party, contribution, err := dkg.NewParty(p.plan, p.index, c.self.signing)
	if err != nil {
		return nil, err
	}
	c.drop(hash)
	c.live[hash] = party
	return contribution, nil
}

// drop erases the live run of a plan.
func (c *ceremonies) drop(plan [32]byte) {
	if party := c.live[plan]; party != nil {
		party.Erase()
		delete(c.live, plan)
	}
}

// message takes another authority's message of any round. After the own
// confirmation nothing is left to learn from one.
func (c *ceremonies) message(ctx context.Context, hash [32]byte, signed []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	party, standing, err := c.at(ctx, hash)
	if err != nil || standing != nil {
		return err
	}
	return c.refusal(ctx, hash, party, party.Receive(signed))
}

// at returns the live run of a plan, or the confirmed one.
func (c *ceremonies) at(ctx context.Context, hash [32]byte) (*dkg.Party, *outcome, error) {
	if party := c.live[hash]; party != nil {
		return party, nil, nil
	}
	if _, err := c.state.plan(ctx, hash); err != nil {
		return nil, nil, unavailable(problem.Unavailable, err)
	}
	standing, err := c.state.standingRun(ctx, hash)
	if err != nil {
		return nil, nil, unavailable(problem.Unavailable, err)
	}
	if standing == nil {
		return nil, nil, problem.New(problem.CeremonyState, "no run of this plan is live here").WithAdvice("start it again at every authority")
	}
	return nil, standing, nil
}

// next returns the own message of a step.
func (c *ceremonies) next(ctx context.Context, hash [32]byte, step dkg.Step) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	party, standing, err := c.at(ctx, hash)
	if err != nil {
		return nil, err
	}
	if standing != nil && step == dkg.Confirm {
		return standing.message, nil
	}
	if standing != nil {
		return nil, problem.New(problem.CeremonyState, "the run %x is confirmed here", standing.id)
	}
	message, err := party.Next(step)
	if err != nil {
		return nil, c.refusal(ctx, hash, party, err)
	}
	if step == dkg.Confirm {
		return c.confirm(ctx, hash, party)
	}
	return message, nil
}

// confirm makes the result durable, the share first, and then lets the message
// go. When the disk refuses, the run stays live and the step may be asked again.
func (c *ceremonies) confirm(ctx context.Context, hash [32]byte, party *dkg.Party) ([]byte, error) {
	result := party.Result()
	if err := c.saveOnce(result.Share); err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	stands, err := c.state.choose(ctx, hash, outcome{id: result.ID, choice: confirmed, message: result.Confirm,
		generation: result.Share.Generation()}, c.clock())
	if err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	c.drop(hash)
	if stands.choice != confirmed {
		return nil, errors.Join(problem.New(problem.CeremonyState, "the run %x is aborted here", result.ID),
			c.vault.remove(result.Share.Generation()))
	}
	c.log.Info("run confirmed", "run", fmt.Sprintf("%x", result.ID))
	return stands.message, nil
}

// saveOnce seals the share, unless an earlier try of this very run has.
func (c *ceremonies) saveOnce(share keys.MasterShare) error {
	err := c.vault.save(share)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	earlier, err := c.vault.load(share.Generation())
	if err != nil {
		return err
	}
	if !bytes.Equal(earlier.Expose(), share.Expose()) {
		return fmt.Errorf("another share of this generation is sealed here: %w", fs.ErrExist)
	}
	return nil
}

// refusal words what a Party returned. A proved fault aborts the run at once:
// the blame travels with the abort.
func (c *ceremonies) refusal(ctx context.Context, hash [32]byte, party *dkg.Party, err error) error {
	var blame *dkg.Blame
	switch {
	case err == nil:
		return nil
	case errors.As(err, &blame):
		return c.blame(ctx, hash, party, blame)
	case errors.Is(err, dkg.ErrWaiting), errors.Is(err, dkg.ErrOver):
		return problem.New(problem.CeremonyState, "%s", err)
	case errors.Is(err, dkg.ErrMessage):
		return problem.New(problem.Malformed, "%s", err)
	}
	return err
}

func (c *ceremonies) blame(ctx context.Context, hash [32]byte, party *dkg.Party, blame *dkg.Blame) error {
	refused := problem.New(problem.CeremonyMessage, "%s", blame)
	refused.Blame = blame.File()
	if id, known := party.ID(); known {
		abort, err := c.abortRun(ctx, hash, id, blame.Error())
		if err != nil {
			return err
		}
		refused.Abort = abort
	}
	c.drop(hash)
	c.log.Warn("a ceremony message proves a fault", "authority", blame.Accused, "offence", string(blame.Offence))
	return refused
}

// abort signs that this authority will never confirm a run, whose id it may
// have forgotten in a crash.
func (c *ceremonies) abort(ctx context.Context, hash, id [32]byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	message, err := c.abortRun(ctx, hash, id, "asked to abort")
	if err != nil {
		return nil, err
	}
	party := c.live[hash]
	if party == nil {
		return message, nil
	}
	if live, known := party.ID(); !known || live != id {
		return message, nil
	}
	if result := party.Result(); result != nil {
		err = c.vault.remove(result.Share.Generation())
	}
	c.drop(hash)
	return message, err
}

func (c *ceremonies) abortRun(ctx context.Context, hash, id [32]byte, reason string) ([]byte, error) {
	p, err := c.state.plan(ctx, hash)
	if err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	stands, err := c.state.choose(ctx, hash, outcome{id: id, choice: aborted,
		message: dkg.SignAbort(c.self.signing, id, p.index, reason)}, c.clock())
	if err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	if stands.choice != aborted {
		return nil, problem.New(problem.CeremonyState, "authority %d has confirmed the run %x", p.index, id)
	}
	c.log.Info("run aborted", "run", fmt.Sprintf("%x", id), "reason", reason)
	return stands.message, nil
}

// close erases what lives in memory only.
func (c *ceremonies) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for plan := range c.live {
		c.drop(plan)
	}
}
