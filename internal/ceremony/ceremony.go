package ceremony

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
)

// A Coordinator runs the ceremony of one plan.
type Coordinator struct {
	// Client speaks to the authorities at the URLs of the plan's cards.
	Client *dta.Client
	Plan   *dkg.Plan
	// Progress is called as each step begins; nil for none.
	Progress func(step string)
	// Now is the time in unix seconds.
	Now func() uint64
}

// Fault is a failure that one authority is the cause of, as far as the
// coordinator can tell; only Blame proves it to others.
type Fault struct {
	Index uint32
	Name  string
	Step  string
	// Blame convicts an authority, perhaps another than Index, which found it;
	// nil where nothing is proved.
	Blame []byte
	err   error
}

// Error names the authority and the step.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s: authority %d (%s): %v", f.Step, f.Index, f.Name, f.err)
}

// Unwrap returns what the authority answered.
func (f *Fault) Unwrap() error { return f.err }

// Run makes the plan's master, tries it, has the first document signed and
// stamped, and returns it. What earlier runs have achieved is kept. An error
// may be a *Fault.
func (c *Coordinator) Run(ctx context.Context) (*dta.Published, error) {
	certificate, err := c.certificate(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.trial(ctx, certificate); err != nil {
		return nil, err
	}
	return c.document(ctx, certificate)
}

func (c *Coordinator) begin(step string) {
	if c.Progress != nil {
		c.Progress(step)
	}
}

// certificate returns the certificate that an earlier run left, or runs the
// rounds.
func (c *Coordinator) certificate(ctx context.Context) (*dkg.Certificate, error) {
	states, err := c.states(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		if len(s.Certificate) > 0 {
			return dkg.ParseCertificate(c.Plan, s.Certificate)
		}
	}
	if found, err := c.resume(states); found != nil || err != nil {
		return found, err
	}
	if err := c.release(ctx, states); err != nil {
		return nil, err
	}
	return c.rounds(ctx)
}

func (c *Coordinator) states(ctx context.Context) ([]dta.CeremonyState, error) {
	c.begin("ask every authority how far it is")
	var states []dta.CeremonyState
	err := c.each("state", func(_ uint32, url string) error {
		s, err := c.Client.Ceremony(ctx, url, c.Plan.Hash())
		states = append(states, s)
		return err
	})
	return states, err
}

// resume makes the certificate of confirmations that an earlier run collected
// from all, if it did.
func (c *Coordinator) resume(states []dta.CeremonyState) (*dkg.Certificate, error) {
	var confirms [][]byte
	for _, s := range states {
		if len(s.Confirm) == 0 || s.ID != states[0].ID {
			return nil, nil
		}
		confirms = append(confirms, s.Confirm)
	}
	return dkg.Assemble(c.Plan, confirms)
}

// release frees the authorities that confirmed a run which others can no
// longer confirm: t aborts prove that.
func (c *Coordinator) release(ctx context.Context, states []dta.CeremonyState) error {
	stuck := map[string]bool{}
	for _, s := range states {
		if len(s.Confirm) > 0 {
			stuck[s.ID] = true
		}
	}
	for text := range stuck {
		id, err := hex.DecodeString(text)
		if err != nil || len(id) != 32 {
			return fmt.Errorf("an authority names the run %q", text)
		}
		if err := c.releaseRun(ctx, [32]byte(id), states); err != nil {
			return err
		}
	}
	return nil
}

func (c *Coordinator) releaseRun(ctx context.Context, id [32]byte, states []dta.CeremonyState) error {
	c.begin("abort the run that some confirmed and others lost")
	var aborts [][]byte
	for i, s := range states {
		if len(s.Confirm) > 0 {
			continue
		}
		card := c.Plan.Cards()[i]
		abort, err := c.Client.AbortCeremony(ctx, card.URL, c.Plan.Hash(), id)
		if err != nil {
			return c.fault("abort", uint32(i+1), err)
		}
		aborts = append(aborts, abort)
	}
	if err := dkg.VerifyAborts(c.Plan, id, aborts); err != nil {
		return fmt.Errorf("run %x is confirmed by some and can not be aborted by t others; ask again for the missing confirmations: %w", id[:4], err)
	}
	return c.each("release", func(index uint32, url string) error {
		if len(states[index-1].Confirm) == 0 {
			return nil
		}
		return c.Client.ReleaseCeremony(ctx, url, c.Plan.Hash(), id, aborts)
	})
}

// rounds runs a ceremony from its contributions to its certificate.
func (c *Coordinator) rounds(ctx context.Context) (*dkg.Certificate, error) {
	plan := c.Plan.Hash()
	speak := map[string]func(url string) ([]byte, error){
		"contribute": func(url string) ([]byte, error) { return c.Client.StartCeremony(ctx, url, plan) },
	}
	for _, step := range []dkg.Step{dkg.Commit, dkg.Reveal, dkg.Confirm} {
		speak[string(step)] = func(url string) ([]byte, error) { return c.Client.NextMessage(ctx, url, plan, string(step)) }
	}
	var messages [][]byte
	for _, step := range []string{"contribute", string(dkg.Commit), string(dkg.Reveal), string(dkg.Confirm)} {
		if err := c.spread(ctx, step, messages); err != nil {
			return nil, err
		}
		c.begin(step)
		messages = nil
		err := c.each(step, func(_ uint32, url string) error {
			m, err := speak[step](url)
			messages = append(messages, m)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return dkg.Assemble(c.Plan, messages)
}

// spread hands every authority the messages of all others.
func (c *Coordinator) spread(ctx context.Context, before string, messages [][]byte) error {
	return c.each(before, func(to uint32, url string) error {
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

// trial delivers the certificate to all, which acknowledges it, and their test
// shares to each of them.
func (c *Coordinator) trial(ctx context.Context, certificate *dkg.Certificate) error {
	c.begin("certificate")
	var shares []dta.TestShare
	var tested []dkg.TestShare
	err := c.each("certificate", func(index uint32, url string) error {
		s, err := c.Client.DeliverCertificate(ctx, url, c.Plan.Hash(), certificate.Bytes())
		shares = append(shares, s)
		tested = append(tested, dkg.TestShare{Index: index, Share: s.Share, Proof: s.Proof})
		return err
	})
	if err != nil {
		return err
	}
	c.begin("trial")
	if err := certificate.VerifyTrial(tested); err != nil {
		return err
	}
	return c.each("trial", func(_ uint32, url string) error { return c.Client.DeliverTrial(ctx, url, c.Plan.Hash(), shares) })
}

// each calls do for every authority in turn and returns the first failure as a
// *Fault.
func (c *Coordinator) each(step string, do func(index uint32, url string) error) error {
	for i, card := range c.Plan.Cards() {
		if err := do(uint32(i+1), card.URL); err != nil {
			return c.fault(step, uint32(i+1), err)
		}
	}
	return nil
}

func (c *Coordinator) fault(step string, index uint32, err error) error {
	f := &Fault{Index: index, Name: c.Plan.Cards()[index-1].Name, Step: step, err: err}
	var refused *problem.Problem
	if errors.As(err, &refused) {
		f.Blame = refused.Blame
	}
	return f
}
