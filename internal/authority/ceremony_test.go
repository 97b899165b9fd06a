package authority_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
)

// TestLastConfirmationCannotSplitACeremony keeps back the one confirmation that
// a certificate lacks. Those who confirmed keep their shares and never abort,
// whatever becomes of it: it may come late, or never.
func TestLastConfirmationCannotSplitACeremony(t *testing.T) {
	for _, size := range [][2]int{{2, 3}, {3, 3}} {
		t.Run(fmt.Sprintf("%d of %d", size[0], size[1]), func(t *testing.T) {
			s := stageOf(t, size[0], size[1])
			lastIsAborted(s)
			// Nothing but the operators' word lets another run begin; the shares stay.
			s.done(s.SignPlan(t.Context()))
			lastComesLate(s)
			s.activate()
			s.holds(1, 2)
			s.holds(3, 1)
		})
	}
	t.Run("two of them, 2 of 3", func(t *testing.T) { lastTwoAreAborted(stageOf(t, 2, 3)) })
}

func lastComesLate(s *stage) {
	id := s.reveal()
	confirms := s.confirm(1, 2)
	s.crash(1, 2)
	for _, index := range []int{1, 2} {
		_, err := s.abort(index, id)
		refused(s.t, err, problem.CeremonyState)
		_, err = s.client.StartCeremony(s.t.Context(), s.url(index), s.Plan.Hash())
		refused(s.t, err, problem.CeremonyState)
		s.holds(index, 2)
	}
	if _, err := dkg.Assemble(s.Plan, confirms); !errors.Is(err, dkg.ErrCertificate) {
		s.t.Errorf("a certificate without the last confirmation: %v", err)
	}
	s.is("confirmed", 1, 2)
	s.assemble(append(confirms, s.confirm(3)...))
	// One has the certificate, the others lack it for as long as the enemy likes.
	_, err := s.certify(1)
	s.done(err)
	s.is("certified", 1)
	s.is("confirmed", 2, 3)
	for _, index := range []int{2, 3} {
		_, err := s.abort(index, id)
		refused(s.t, err, problem.CeremonyState)
	}
	s.crash(1, 2, 3)
}

func lastIsAborted(s *stage) {
	id := s.reveal()
	confirms := s.confirm(1, 2)
	abort := s.said(s.abort(3, id))
	_, err := s.next(3, dkg.Confirm)
	refused(s.t, err, problem.CeremonyState)
	s.crash(3)
	_, err = s.next(3, dkg.Confirm)
	refused(s.t, err, problem.CeremonyState)
	same(s.t, abort, s.said(s.abort(3, id)))
	s.holds(3, 0)
	for _, index := range []int{1, 2} {
		refused(s.t, s.release(index, id, abort, abort, abort), problem.Malformed)
		same(s.t, confirms[index-1], s.said(s.next(index, dkg.Confirm)))
		s.holds(index, 1)
	}
	s.is("confirmed", 1, 2)
	s.is("aborted", 3)
	_, err = s.client.StartCeremony(s.t.Context(), s.url(1), s.Plan.Hash())
	refused(s.t, err, problem.CeremonyState)
}

func lastTwoAreAborted(s *stage) {
	id := s.reveal()
	s.confirm(1)
	aborts := [][]byte{s.said(s.abort(2, id)), s.said(s.abort(3, id))}
	refused(s.t, s.release(1, id, aborts[0]), problem.Malformed)
	refused(s.t, s.release(1, [32]byte{1}, aborts...), problem.Malformed)
	s.is("confirmed", 1)
	s.holds(1, 1)
	for range 2 {
		s.done(s.release(1, id, aborts...))
		s.is("signed", 1)
		s.holds(1, 0)
		s.crash(1)
	}
	s.done(s.Certify(s.t.Context()))
	s.activate()
}

// TestConfirmAndAbortExcludeEachOther asks every authority many times at once
// for both. Whatever it says first it says for ever.
func TestConfirmAndAbortExcludeEachOther(t *testing.T) {
	const rounds, callers = 3, 8
	s := stageOf(t, 2, 2)
	for range rounds {
		id := s.reveal()
		for _, index := range all(s) {
			choice := s.choose(index, id, callers)
			s.crash(index)
			same(t, choice.message, s.said(choice.again()))
			_, err := choice.contrary()
			refused(t, err, problem.CeremonyState)
		}
		s.done(s.SignPlan(t.Context()))
	}
	// And once in each order, whoever won above.
	id := s.reveal()
	s.confirm(1)
	_, err := s.abort(1, id)
	refused(t, err, problem.CeremonyState)
	s.said(s.abort(2, id))
	_, err = s.next(2, dkg.Confirm)
	refused(t, err, problem.CeremonyState)
}

// choice is what an authority said, and how it is asked for that and for the
// contrary.
type choice struct {
	message         []byte
	again, contrary func() ([]byte, error)
}

func (s *stage) choose(index int, id [32]byte, callers int) choice {
	s.t.Helper()
	confirm := func() ([]byte, error) { return s.next(index, dkg.Confirm) }
	abort := func() ([]byte, error) { return s.abort(index, id) }
	confirms, aborts := make([][]byte, callers), make([][]byte, callers)
	var asked sync.WaitGroup
	for i := range callers {
		asked.Go(func() { confirms[i], _ = confirm() })
		asked.Go(func() { aborts[i], _ = abort() })
	}
	asked.Wait()
	confirms, aborts = answers(confirms), answers(aborts)
	switch {
	case len(confirms) > 0 && len(aborts) == 0:
		return choice{onlyOne(s.t, confirms), confirm, abort}
	case len(aborts) > 0 && len(confirms) == 0:
		return choice{onlyOne(s.t, aborts), abort, confirm}
	}
	s.t.Fatalf("authority %d confirmed %d times and aborted %d times", index, len(confirms), len(aborts))
	return choice{}
}

func answers(messages [][]byte) (given [][]byte) {
	for _, m := range messages {
		if len(m) > 0 {
			given = append(given, m)
		}
	}
	return given
}

func onlyOne(t testing.TB, messages [][]byte) []byte {
	t.Helper()
	for _, m := range messages {
		same(t, messages[0], m)
	}
	return messages[0]
}

// TestCrashBeforeConfirmLosesTheRunAlone crashes an authority at each step of
// which it has nothing on its disk. It says so, never confirms that run, and
// takes part in the next.
func TestCrashBeforeConfirmLosesTheRunAlone(t *testing.T) {
	s := stageOf(t, 2, 2)
	for _, last := range []dkg.Step{dkg.Commit, dkg.Reveal, dkg.Confirm} {
		id, reached := s.reach(last)
		s.crash(1)
		for _, step := range append(reached, last) {
			_, err := s.next(1, step)
			refused(t, err, problem.CeremonyState)
		}
		s.is("running", 2)
		abort := s.said(s.abort(1, id))
		s.crash(1)
		same(t, abort, s.said(s.abort(1, id)))
		s.is("aborted", 1)
		s.holds(1, 0)
	}
	s.done(s.Certify(t.Context()))
	s.activate()
}

// reach carries a run so far that authority 1 can say last. What it has said,
// it says again.
func (s *stage) reach(last dkg.Step) (id [32]byte, reached []dkg.Step) {
	s.t.Helper()
	s.done(s.Start(s.t.Context()))
	for _, step := range []dkg.Step{dkg.Commit, dkg.Reveal} {
		if step == last {
			break
		}
		messages, err := s.Step(s.t.Context(), step)
		s.done(errors.Join(err, s.Deliver(s.t.Context(), messages)))
		same(s.t, messages[0], s.said(s.next(1, step)))
		reached = append(reached, step)
	}
	return s.run(1), reached
}

// TestCrashAfterConfirmLosesNothing crashes an authority after each of its
// further answers. It gives the same bytes again, and the domain comes up.
func TestCrashAfterConfirmLosesNothing(t *testing.T) {
	s := stageOf(t, 2, 2)
	s.reveal()
	confirms := s.confirm(1, 2)
	s.crash(1)
	same(t, confirms[0], s.said(s.next(1, dkg.Confirm)))
	s.assemble(confirms)
	share, err := s.certify(1)
	s.done(err)
	s.crash(1)
	again, err := s.certify(1)
	s.done(err)
	same(t, share.Share, again.Share)
	s.is("certified", 1)
	s.done(s.Try(t.Context()))
	s.crash(1)
	s.is("tried", 1)
	document := s.first()
	var approvals [][]byte
	for _, index := range all(s) {
		approvals = append(approvals, s.said(s.client.Approve(t.Context(), s.url(index), document)))
	}
	s.crash(1)
	same(t, approvals[0], s.said(s.client.Approve(t.Context(), s.url(1), document)))
	given := s.said(s.client.DocumentShare(t.Context(), s.url(1), document, approvals))
	s.crash(1)
	same(t, given, s.said(s.client.DocumentShare(t.Context(), s.url(1), document, approvals)))
	s.done(s.Publish(t.Context(), document))
	s.crash(1)
	s.is("active", 1, 2)
	served, err := s.client.Domain(t.Context(), s.url(1))
	s.done(errors.Join(err, served.Verify(document.ID())))
	if served.Document.Hash() != document.Hash() {
		t.Error("it serves another document")
	}
}

// TestStrangersAbortsDoNotStopAPlan: whoever knows the plan's hash can have an
// authority sign aborts of runs that never were, up to a limit.
func TestStrangersAbortsDoNotStopAPlan(t *testing.T) {
	s := stageOf(t, 2, 2)
	hash, m := s.Plan.Hash(), s.Members[0]
	halt(t, m)
	s.done(inState(`INSERT INTO runs (id, plan, choice, message, generation, chosen) WITH RECURSIVE many (n) AS
		(SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 1000) SELECT randomblob(32), ?, 'abort', x'00', x'', 0 FROM many`, hash[:])(m.Dir))
	s.done(m.Start(t.Context()))
	_, err := s.abort(1, [32]byte{1})
	refused(t, err, problem.CeremonyState)
	s.done(s.Certify(t.Context()))
	s.activate()
}

// turned is the plan of the same authorities, the first one last.
func turned(t testing.TB, p *dkg.Plan) *dkg.Plan {
	t.Helper()
	cards := p.Cards()
	plan, err := dkg.NewPlan(dkg.Terms{Kind: p.Kind(), Domain: p.Domain(), Threshold: uint32(p.Threshold()),
		Schedules: p.Schedules(), Cards: append(cards[1:], cards[0])})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestNothingIsDoneForAPlanThatTheOperatorHasNotSigned asks for everything.
func TestNothingIsDoneForAPlanThatTheOperatorHasNotSigned(t *testing.T) {
	s := stageOf(t, 2, 3)
	s.done(s.Certify(t.Context()))
	plan, ctx, client, url := turned(t, s.Plan).Hash(), t.Context(), s.client, s.url(1)
	for name, call := range map[string]func() error{
		"start":       func() error { _, err := client.StartCeremony(ctx, url, plan); return err },
		"message":     func() error { return client.Deliver(ctx, url, plan, []byte("message")) },
		"commit":      func() error { _, err := client.NextMessage(ctx, url, plan, "commit"); return err },
		"confirm":     func() error { _, err := client.NextMessage(ctx, url, plan, "confirm"); return err },
		"abort":       func() error { _, err := client.AbortCeremony(ctx, url, plan, [32]byte{1}); return err },
		"aborts":      func() error { return client.ReleaseCeremony(ctx, url, plan, [32]byte{1}, nil) },
		"certificate": func() error { _, err := client.DeliverCertificate(ctx, url, plan, s.Certificate.Bytes()); return err },
		"trial":       func() error { return client.DeliverTrial(ctx, url, plan, nil) },
		"state":       func() error { _, err := client.Ceremony(ctx, url, plan); return err },
	} {
		t.Run(name, func(t *testing.T) { refused(t, call(), problem.Forbidden) })
	}
	without, err := dkg.NewPlan(dkg.Terms{Kind: dkg.Public, Domain: "example.org", Threshold: 2, Schedules: s.Plan.Schedules(),
		Cards: s.Plan.Cards()[1:]})
	s.done(err)
	_, err = s.Members[0].Operator().SignPlan(ctx, without.Bytes())
	refused(t, err, problem.Forbidden)
	_, err = s.Members[0].Operator().SignPlan(ctx, s.Plan.Bytes()[1:])
	refused(t, err, problem.Malformed)
}

// TestNoSecondMaster: an authority that has seen the certificate of one domain
// agrees to no other, and the operators' second word on the same plan ends
// nothing that was certified.
func TestNoSecondMaster(t *testing.T) {
	s := stageOf(t, 2, 2)
	s.done(s.Certify(t.Context()))
	s.activate()
	other := turned(t, s.Plan)
	for _, index := range all(s) {
		_, err := s.Members[index-1].Operator().SignPlan(t.Context(), other.Bytes())
		refused(t, err, problem.Forbidden)
		_, err = s.client.StartCeremony(t.Context(), s.url(index), other.Hash())
		refused(t, err, problem.Forbidden)
	}
	s.done(s.SignPlan(t.Context()))
	for _, index := range all(s) {
		_, err := s.client.StartCeremony(t.Context(), s.url(index), s.Plan.Hash())
		refused(t, err, problem.CeremonyState)
		s.holds(index, 1)
	}
	s.is("active", all(s)...)
}

// TestOfTwoMastersOneGetsADocument has both plans signed before either was run,
// and both run to their trials.
func TestOfTwoMastersOneGetsADocument(t *testing.T) {
	s := stageOf(t, 2, 2)
	plans := []*dkg.Plan{s.Plan, turned(t, s.Plan)}
	var documents []*dta.Document
	for _, plan := range plans {
		s.Plan = plan
		s.done(s.SignPlan(t.Context()))
	}
	for _, plan := range plans {
		s.Plan = plan
		s.done(s.Certify(t.Context()))
		s.done(s.Try(t.Context()))
		documents = append(documents, s.first())
	}
	s.said(s.client.Approve(t.Context(), s.url(1), documents[0]))
	s.crash(1)
	_, err := s.client.Approve(t.Context(), s.url(1), documents[1])
	refused(t, err, problem.Forbidden)
	s.done(s.Publish(t.Context(), documents[0]))
	for _, index := range all(s) {
		_, err := s.client.Approve(t.Context(), s.url(index), documents[1])
		refused(t, err, problem.WrongDomain)
	}
}
