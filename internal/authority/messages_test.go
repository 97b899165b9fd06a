package authority_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
)

// TestMessagesOutOfPlaceChangeNothing carries a run to its end past everything
// that an enemy who has authority 2 can deliver to authority 1, in an order of
// its own, and all of it twice.
func TestMessagesOutOfPlaceChangeNothing(t *testing.T) {
	s := stageOf(t, 2, 3)
	s.begin()
	s.done(s.Deliver(t.Context(), s.contributions))
	before := &traffic{stage: s, id: s.run(1), contributions: s.contributions}
	before.commits = before.step(dkg.Commit)
	s.begin()
	refused(t, s.deliver(1, before.commits[1]), problem.CeremonyState) // no id yet: it may be of this run
	s.backwards(s.contributions, 1, 2, 3)
	now := &traffic{stage: s, id: s.run(1), contributions: s.contributions}
	now.tryForged(before)
	now.commits = now.step(dkg.Commit)
	s.backwards(now.commits, 2, 3)
	now.reveals = [][]byte{s.said(s.next(2, dkg.Reveal)), s.said(s.next(3, dkg.Reveal))}
	s.backwards(now.reveals, 1, 2, 3) // to authority 1 before the commits
	for _, step := range []dkg.Step{dkg.Reveal, dkg.Confirm} {
		_, err := s.next(1, step)
		refused(t, err, problem.CeremonyState)
	}
	now.tryForged(before)
	s.backwards(now.commits, 1)
	s.backwards([][]byte{s.said(s.next(1, dkg.Reveal))}, 1, 2, 3)
	now.tryForged(before)
	confirms := s.confirm(1, 2, 3)
	s.backwards(slices.Concat(s.contributions, now.commits, now.reveals), 1) // to who has confirmed they say nothing
	same(t, confirms[0], s.said(s.next(1, dkg.Confirm)))
	s.assemble(confirms)
	s.activate()
}

// traffic is what went over the network in a run.
type traffic struct {
	*stage
	id                              [32]byte
	contributions, commits, reveals [][]byte
}

func (r *traffic) step(step dkg.Step) [][]byte {
	r.t.Helper()
	messages, err := r.Step(r.t.Context(), step)
	r.done(err)
	return messages
}

// tryForged delivers to authority 1 what counts for nothing in this run.
func (r *traffic) tryForged(before *traffic) {
	r.t.Helper()
	key := stolen(r.t, r.Members[1])
	commit := func(index uint32) []byte {
		return encoding.Sign(key, encoding.LP("milagro/v1 commit", r.id[:], encoding.U32(index), make([]byte, 32)))
	}
	_, elsewhere, err := dkg.NewParty(turned(r.t, r.Plan), 1, key)
	r.done(err)
	altered := bytes.Clone(r.contributions[1])
	altered[len(altered)-1] ^= 1
	state := r.report(1)
	for name, message := range map[string][]byte{
		"nothing":                          nil,
		"no message":                       []byte("hello"),
		"an altered one":                   altered,
		"a shorter one":                    altered[:len(altered)-1],
		"a contribution to another plan":   elsewhere,
		"a contribution to an earlier run": before.contributions[1],
		"a commit of an earlier run":       before.commits[1],
		"a commit as authority 1":          commit(1),
		"a commit as authority 3":          commit(3),
		"a commit as nobody":               commit(4),
		"an abort":                         dkg.SignAbort(key, r.id, 2, "no"),
		"a document's approval":            encoding.Sign(key, encoding.LP("milagro/v1 approval", r.id[:], encoding.U32(2))),
	} {
		if err := r.deliver(1, message); !errors.Is(err, problem.Malformed) {
			r.t.Errorf("%s: %v", name, err)
		}
	}
	if after := r.report(1); after.State != state.State || after.ID != state.ID {
		r.t.Errorf("run %s is %s, was %s, %s", after.ID, after.State, state.ID, state.State)
	}
}

// begin begins a run at every authority and delivers nothing.
func (s *stage) begin() {
	s.t.Helper()
	s.contributions = nil
	for _, index := range all(s) {
		s.contributions = append(s.contributions, s.said(s.client.StartCeremony(s.t.Context(), s.url(index), s.Plan.Hash())))
	}
}

// backwards delivers messages in reverse order, each twice.
func (s *stage) backwards(messages [][]byte, to ...int) {
	s.t.Helper()
	for _, index := range to {
		for _, m := range slices.Backward(messages) {
			s.done(errors.Join(s.deliver(index, m), s.deliver(index, m)))
		}
	}
}

// TestEquivocationAbortsTheRunAndIsProved: who gets two commits of one authority
// aborts, for ever, and hands out what convicts it.
func TestEquivocationAbortsTheRunAndIsProved(t *testing.T) {
	s := stageOf(t, 2, 3)
	s.done(s.Start(t.Context()))
	commits, err := s.Step(t.Context(), dkg.Commit)
	s.done(errors.Join(err, s.Deliver(t.Context(), commits)))
	id := s.run(1)
	second := encoding.Sign(stolen(t, s.Members[1]), encoding.LP("milagro/v1 commit", id[:], encoding.U32(2), make([]byte, 32)))
	err = s.deliver(1, second)
	var proved *problem.Problem
	if !errors.As(err, &proved) || proved.Kind != problem.CeremonyMessage {
		t.Fatal(err)
	}
	verdict, err := dkg.Judge(proved.Blame)
	if err != nil || verdict.Index != 2 || verdict.Offence != dkg.Equivocation || verdict.Plan.Hash() != s.Plan.Hash() {
		t.Errorf("convicted: %+v, %v", verdict, err)
	}
	s.crash(1)
	same(t, proved.Abort, s.said(s.abort(1, id)))
	for _, step := range []dkg.Step{dkg.Reveal, dkg.Confirm} {
		_, err := s.next(1, step)
		refused(t, err, problem.CeremonyState)
	}
	s.is("aborted", 1)
	s.is("running", 2, 3)
	s.done(s.Certify(t.Context()))
	s.activate()
}

// TestWrongCertificateMakesNothingAvailable delivers certificates that are not
// that of the run which was confirmed here.
func TestWrongCertificateMakesNothingAvailable(t *testing.T) {
	s := stageOf(t, 2, 2)
	plan := s.Plan
	s.Plan = turned(t, plan)
	s.done(s.SignPlan(t.Context()))
	s.reveal()
	s.assemble(s.confirm(1, 2))
	ofOther := s.Certificate.Bytes()
	s.Plan = plan
	s.reveal()
	image := t.TempDir() // of authority 1 before it confirmed
	copyFiles(t, s.Members[0].Dir, image)
	s.assemble(s.confirm(1, 2))
	right := s.Certificate.Bytes()
	r := encoding.Open(right, "milagro/v1 certificate")
	body, signatures := r.Bytes(len(right)), r.List(2, len(right))
	for name, wrong := range map[string][]byte{
		"nothing":           nil,
		"altered":           append(right[:len(right)-1:len(right)-1], right[len(right)-1]^1),
		"cut":               right[:len(right)-1],
		"of another plan":   ofOther,
		"signed by one":     encoding.LP("milagro/v1 certificate", body, encoding.List(signatures[0], signatures[0])),
		"a signature short": encoding.LP("milagro/v1 certificate", body, encoding.List(signatures[0])),
	} {
		_, err := s.client.DeliverCertificate(t.Context(), s.url(1), s.Plan.Hash(), wrong)
		if !errors.Is(err, problem.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.is("confirmed", 1)
	refused(t, s.client.DeliverTrial(t.Context(), s.url(1), s.Plan.Hash(), nil), problem.CeremonyState)
	// Restored from before the run, it has no share and says that it has not.
	halt(t, s.Members[0])
	restore(t, s.Members[0], image)
	s.done(s.Members[0].Start(t.Context()))
	_, err := s.certify(1)
	refused(t, err, problem.CeremonyState)
	s.is("signed", 1)
}

// TestLyingTestShareIsNamed: without a trial that passes, no document names the
// master.
func TestLyingTestShareIsNamed(t *testing.T) {
	s := stageOf(t, 2, 3)
	s.done(s.Certify(t.Context()))
	var shares []dta.TestShare
	for _, index := range all(s) {
		share, err := s.certify(index)
		s.done(err)
		shares = append(shares, share)
	}
	trial := func(shares ...dta.TestShare) error {
		return s.client.DeliverTrial(t.Context(), s.url(1), s.Plan.Hash(), shares)
	}
	lie := dta.TestShare{Index: 2, Share: shares[0].Share}
	for want, tried := range map[string][]dta.TestShare{
		"all 3 are needed":                {shares[0], shares[1]},
		"index 2 twice":                   {shares[0], shares[1], shares[1]},
		"of nobody":                       {shares[0], shares[1], {Index: 4, Share: shares[2].Share}},
		"of authority 2":                  {shares[0], lie, shares[2]},
		"a proof where none belongs":      {shares[0], shares[1], {Index: 3, Share: shares[2].Share, Proof: make([]byte, 64)}},
		"trial failed: shares of 0 autho": nil,
	} {
		err := trial(tried...)
		refused(t, err, problem.CeremonyMessage)
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	s.is("certified", 1)
	_, err := s.client.Approve(t.Context(), s.url(1), s.first())
	refused(t, err, problem.Forbidden)
	_, err = s.client.Domain(t.Context(), s.url(1))
	refused(t, err, problem.NotActive)
	s.done(trial(shares[2], shares[0], shares[1]))
	s.is("tried", 1)
	s.done(trial(shares[0], lie, shares[2])) // too late to undo anything
	s.activate()
}
