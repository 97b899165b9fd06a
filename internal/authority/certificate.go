package authority

import (
	"context"
	"fmt"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// release takes t aborts, which prove that a run can have no certificate, and
// only then gives up the share that was confirmed in it.
func (c *ceremonies) release(ctx context.Context, hash, id [32]byte, aborts [][]byte) error {
	p, err := c.state.plan(ctx, hash)
	if err != nil {
		return unavailable(problem.Unavailable, err)
	}
	if err := dkg.VerifyAborts(p.plan, id, aborts); err != nil {
		return problem.New(problem.Malformed, "%s", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	run, err := c.state.confirmedRun(ctx, hash, id)
	if err != nil || run == nil {
		return unavailable(problem.Unavailable, err)
	}
	if err := c.state.release(ctx, id); err != nil {
		return unavailable(problem.Unavailable, err)
	}
	c.log.Info("run released by aborts", "run", fmt.Sprintf("%x", id))
	return c.vault.remove(run.generation)
}

// certificate makes the confirmed share available, durably, and returns the
// share of the trial key.
func (c *ceremonies) certificate(ctx context.Context, hash [32]byte, b []byte) (dta.TestShare, error) {
	p, err := c.state.plan(ctx, hash)
	if err != nil {
		return dta.TestShare{}, unavailable(problem.Unavailable, err)
	}
	certificate, err := dkg.ParseCertificate(p.plan, b)
	if err != nil {
		return dta.TestShare{}, problem.New(problem.Malformed, "%s", err)
	}
	run, err := c.state.confirmedRun(ctx, hash, certificate.ID())
	if err != nil {
		return dta.TestShare{}, unavailable(problem.Unavailable, err)
	}
	if run == nil || run.generation != certificate.Generation() {
		return dta.TestShare{}, problem.New(problem.CeremonyState, "authority %d has not confirmed the run %x", p.index, certificate.ID()).
			WithAdvice("if its state was restored from a backup made before the run, it can only be replaced")
	}
	share, err := c.vault.load(run.generation)
	if err == nil && !certified(certificate, share, p.index) {
		err = errOtherShare
	}
	if err != nil {
		c.log.Error("share does not fit its certificate", "error", err)
		return dta.TestShare{}, problem.New(problem.Unavailable, "%s", shareFault(err))
	}
	defer share.Erase()
	if err := c.state.certify(ctx, certificate.ID(), certificate.Bytes()); err != nil {
		return dta.TestShare{}, unavailable(problem.Unavailable, err)
	}
	test, err := certificate.MakeTestShare(share)
	return dta.TestShare(test), err
}

// certified reports whether share is the one that certificate has for index.
// Of an M-Pin share no value in G2 is ever made.
func certified(certificate *dkg.Certificate, share keys.MasterShare, index uint32) bool {
	if share.Index() != index {
		return false
	}
	if public := certificate.Public(); len(public) > 0 {
		return public[index-1].Equal(share.Public())
	}
	return certificate.PublicPin()[index-1].Equal(share.PublicPin())
}

// trial verifies the test shares of all n authorities; from then on a document
// may name the master.
func (c *ceremonies) trial(ctx context.Context, hash [32]byte, shares []dta.TestShare) error {
	p, err := c.state.plan(ctx, hash)
	if err != nil {
		return unavailable(problem.Unavailable, err)
	}
	standing, err := c.state.standingRun(ctx, hash)
	if err != nil {
		return unavailable(problem.Unavailable, err)
	}
	if standing == nil || standing.certificate == nil {
		return problem.New(problem.CeremonyState, "authority %d has not seen a certificate", p.index)
	}
	if standing.tried {
		return nil
	}
	certificate, err := dkg.ParseCertificate(p.plan, standing.certificate)
	if err != nil {
		return err
	}
	tests := make([]dkg.TestShare, len(shares))
	for i, s := range shares {
		tests[i] = dkg.TestShare(s)
	}
	if err := certificate.VerifyTrial(tests); err != nil {
		return problem.New(problem.CeremonyMessage, "%s", err)
	}
	return unavailable(problem.Unavailable, c.state.markTried(ctx, standing.id))
}

// report says how far this authority is with a plan; now is what it serves.
func (c *ceremonies) report(ctx context.Context, hash [32]byte, now *served) (dta.CeremonyState, error) {
	if _, err := c.state.plan(ctx, hash); err != nil {
		return dta.CeremonyState{}, unavailable(problem.Unavailable, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	standing, err := c.state.standingRun(ctx, hash)
	if err != nil {
		return dta.CeremonyState{}, unavailable(problem.Unavailable, err)
	}
	if standing != nil {
		return standing.report(now), nil
	}
	if party := c.live[hash]; party != nil {
		report := dta.CeremonyState{State: "running"}
		if id, known := party.ID(); known {
			report.ID = fmt.Sprintf("%x", id)
		}
		return report, nil
	}
	last, err := c.state.lastAbort(ctx, hash)
	if err != nil {
		return dta.CeremonyState{}, unavailable(problem.Unavailable, err)
	}
	if last != nil {
		return dta.CeremonyState{State: "aborted", ID: fmt.Sprintf("%x", last.id)}, nil
	}
	return dta.CeremonyState{State: "signed"}, nil
}

func (o *outcome) report(now *served) dta.CeremonyState {
	report := dta.CeremonyState{State: "confirmed", ID: fmt.Sprintf("%x", o.id), Confirm: o.message, Certificate: o.certificate}
	switch {
	case now.serves(o.generation):
		report.State = "active"
	case o.tried:
		report.State = "tried"
	case o.certificate != nil:
		report.State = "certified"
	}
	return report
}
