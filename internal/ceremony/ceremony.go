package ceremony

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
)

// begins is how often a run that an authority has lost is begun anew before
// somebody should look.
const begins = 3

// A Coordinator runs the ceremony of one plan.
type Coordinator struct {
	// Client speaks to the authorities at the URLs of the plan's cards.
	Client *dta.Client
	Plan   *dkg.Plan
	// Progress is called as each step begins; nil for none.
	Progress func(step string)
	// Now is the time in unix seconds.
	Now func() uint64
	// Patience is how long an authority that does not answer, or says that it
	// can not now, is asked again; 0 for 20 seconds.
	Patience time.Duration
}

// Run makes the plan's master, tries it, has the document that names it signed and
// stamped, and returns it. What earlier runs have achieved is kept. Errors: a
// *Fault for each authority that was silent or refused, *Conviction, *Stuck, *Outdated.
func (c *Coordinator) Run(ctx context.Context) (*dta.Published, error) {
	certificate, err := c.certificate(ctx)
	for try := 1; try < begins && lost(err); try++ {
		certificate, err = c.certificate(ctx)
	}
	if err != nil {
		return nil, judge(err)
	}
	if err := c.trial(ctx, certificate); err != nil {
		return nil, err
	}
	return c.document(ctx, certificate)
}

// lost reports whether err says that an authority forgot the run in a crash.
func lost(err error) bool {
	var stuck *Stuck
	return errors.Is(err, problem.CeremonyState) && !errors.As(err, &stuck)
}

func (c *Coordinator) begin(step string) {
	if c.Progress != nil {
		c.Progress(step)
	}
}

// certificate returns the certificate that an earlier run left, or runs the
// rounds.
func (c *Coordinator) certificate(ctx context.Context) (*dkg.Certificate, error) {
	c.begin("ask every authority how far it is")
	states, err := c.states(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		if len(s.Certificate) > 0 {
			return dkg.ParseCertificate(c.Plan, s.Certificate)
		}
	}
	for i, s := range states {
		if len(s.Confirm) == 0 {
			continue
		}
		found, err := c.settle(ctx, uint32(i+1), s.ID)
		if found != nil || err != nil {
			return found, err
		}
		break
	}
	return c.rounds(ctx)
}

func (c *Coordinator) states(ctx context.Context) ([]dta.CeremonyState, error) {
	return gather(ctx, c, "state", func(_ uint32, url string) (dta.CeremonyState, error) {
		return c.Client.Ceremony(ctx, url, c.Plan.Hash())
	})
}

// settle ends a run that some have confirmed: with its certificate when the
// others can still confirm it, else with the aborts that prove it dead.
func (c *Coordinator) settle(ctx context.Context, confirmed uint32, run string) (*dkg.Certificate, error) {
	c.begin("finish the run that some have confirmed")
	confirms, missing := c.next(ctx, dkg.Confirm)
	if missing == nil {
		return dkg.Assemble(c.Plan, confirms)
	}
	if !onlyLost(missing) {
		return nil, missing
	}
	id, err := hex.DecodeString(run)
	if err != nil || len(id) != 32 {
		return nil, c.fault("state", confirmed, fmt.Errorf("it names the run %q", run))
	}
	return nil, c.release(ctx, [32]byte(id), missing)
}

// release frees the authorities that confirmed a run which t others can never
// confirm.
func (c *Coordinator) release(ctx context.Context, id [32]byte, missing error) error {
	c.begin("give up the run that some have lost")
	answers, _ := gather(ctx, c, "abort", func(_ uint32, url string) ([]byte, error) {
		return c.Client.AbortCeremony(ctx, url, c.Plan.Hash(), id)
	})
	stuck := &Stuck{err: missing}
	var aborts [][]byte
	for i, abort := range answers {
		if len(abort) == 0 {
			stuck.Confirmed = append(stuck.Confirmed, uint32(i+1))
			continue
		}
		stuck.Lost = append(stuck.Lost, uint32(i+1))
		aborts = append(aborts, abort)
	}
	if dkg.VerifyAborts(c.Plan, id, aborts) != nil {
		return stuck
	}
	return c.each(ctx, "release", func(_ uint32, url string) error {
		return c.Client.ReleaseCeremony(ctx, url, c.Plan.Hash(), id, aborts)
	})
}

// rounds runs a ceremony from its contributions to its certificate.
func (c *Coordinator) rounds(ctx context.Context) (*dkg.Certificate, error) {
	c.begin("contribute")
	messages, err := gather(ctx, c, "contribute", func(_ uint32, url string) ([]byte, error) {
		return c.Client.StartCeremony(ctx, url, c.Plan.Hash())
	})
	for _, step := range []dkg.Step{dkg.Commit, dkg.Reveal, dkg.Confirm} {
		if err == nil {
			err = c.spread(ctx, step, messages)
		}
		if err != nil {
			return nil, err
		}
		c.begin(string(step))
		messages, err = c.next(ctx, step)
	}
	if err != nil {
		return nil, err
	}
	return dkg.Assemble(c.Plan, messages)
}

func (c *Coordinator) next(ctx context.Context, step dkg.Step) ([][]byte, error) {
	return gather(ctx, c, string(step), func(_ uint32, url string) ([]byte, error) {
		return c.Client.NextMessage(ctx, url, c.Plan.Hash(), string(step))
	})
}

// spread hands every authority the messages of all others, before the step
// that needs them.
func (c *Coordinator) spread(ctx context.Context, before dkg.Step, messages [][]byte) error {
	return c.each(ctx, string(before), func(to uint32, url string) error {
		for i, m := range messages {
			if uint32(i+1) == to {
				continue
			}
			if err := c.Client.Deliver(ctx, url, c.Plan.Hash(), m); err != nil {
				return err
			}
		}
		return nil
	})
}

// trial delivers the certificate to all, which acknowledge it, and their test
// shares to each of them.
func (c *Coordinator) trial(ctx context.Context, certificate *dkg.Certificate) error {
	c.begin("certificate")
	shares, err := gather(ctx, c, "certificate", func(_ uint32, url string) (dta.TestShare, error) {
		return c.Client.DeliverCertificate(ctx, url, c.Plan.Hash(), certificate.Bytes())
	})
	if err != nil {
		return err
	}
	c.begin("trial")
	var tested []dkg.TestShare
	for _, s := range shares {
		tested = append(tested, dkg.TestShare(s))
	}
	if err := certificate.VerifyTrial(tested); err != nil {
		return err
	}
	return c.each(ctx, "trial", func(_ uint32, url string) error {
		return c.Client.DeliverTrial(ctx, url, c.Plan.Hash(), shares)
	})
}
