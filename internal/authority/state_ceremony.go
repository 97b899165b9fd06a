package authority

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"milagro.dev/internal/dkg"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// maxAborts bounds the runs of one plan for which a stranger can have an abort
// signed and stored. It stops no run from being confirmed.
const maxAborts = 1000

// choice is what an authority signed last in a run.
type choice string

const (
	confirmed choice = "confirm"
	aborted   choice = "abort"
)

// signedPlan is a plan to which the operator agreed.
type signedPlan struct {
	plan  *dkg.Plan
	index uint32
}

// outcome is how a run ended here.
type outcome struct {
	id          [32]byte
	choice      choice
	message     []byte // signed Confirm or Abort
	generation  keys.Generation
	certificate []byte // nil until it was seen
	tried       bool
}

// signPlan remembers that the operator agreed to a plan. When he does so again,
// a run that was confirmed and came to no end blocks the plan no more; its share
// stays, for the certificate that may still come.
func (s *state) signPlan(ctx context.Context, p signedPlan, now time.Time) error {
	hash := p.plan.Hash()
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, "INSERT INTO plans (hash, plan, place, signed) VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
			hash[:], p.plan.Bytes(), int64(p.index), micros(now))
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, "UPDATE runs SET superseded = TRUE WHERE plan = ? AND choice = 'confirm'", hash[:])
		return err
	})
}

// plans returns every plan to which the operator agreed, the latest first.
func (s *state) plans(ctx context.Context) (list []signedPlan, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return rows(ctx, tx, func(row *sql.Rows) error {
			p, err := scanPlan(row)
			list = append(list, p)
			return err
		}, "SELECT plan, place FROM plans ORDER BY signed DESC")
	})
	return list, err
}

// plan returns the plan with this hash, or refuses because the operator has not
// agreed to it.
func (s *state) plan(ctx context.Context, hash [32]byte) (p signedPlan, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		p, err = scanPlan(tx.QueryRowContext(ctx, "SELECT plan, place FROM plans WHERE hash = ?", hash[:]))
		return err
	})
	if ok, err := found(err); !ok && err == nil {
		return p, problem.New(problem.Forbidden, "the operator of this authority has not agreed to the plan %x", hash).
			WithAdvice("run 'milagro ceremony sign' at each authority first")
	}
	return p, err
}

func scanPlan(row interface{ Scan(...any) error }) (p signedPlan, err error) {
	var b []byte
	if err := row.Scan(&b, &p.index); err != nil {
		return p, err
	}
	p.plan, err = dkg.ParsePlan(b)
	return p, err
}

// choose records Confirm or Abort for a run, by one conditional statement, and
// returns what stands: the choice that was made first. A second confirmation in one plan is refused
// while the first is not proved aborted.
func (s *state) choose(ctx context.Context, plan [32]byte, o outcome, now time.Time) (stands outcome, err error) {
	generation, limit := []byte{}, int64(maxAborts)
	if o.choice == confirmed {
		generation, limit = o.generation.Bytes(), math.MaxInt64
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO runs (id, plan, choice, message, generation, chosen) SELECT ?, ?, ?, ?, ?, ?
			WHERE (SELECT COUNT(*) FROM runs WHERE plan = ? AND choice = 'abort') < ?
			ON CONFLICT (id) DO NOTHING`, o.id[:], plan[:], string(o.choice), o.message, generation, micros(now), plan[:], limit)
		if err != nil {
			return err
		}
		stands, err = scanOutcome(tx.QueryRowContext(ctx, selectOutcome+"WHERE id = ? AND plan = ?", o.id[:], plan[:]))
		if ok, err := found(err); ok || err != nil {
			return err
		}
		return problem.New(problem.CeremonyState, "more than %d runs of this plan were aborted", maxAborts).
			WithAdvice("make and sign a new plan")
	})
	return stands, err
}

const selectOutcome = "SELECT id, choice, message, generation, certificate, tried FROM runs "

func scanOutcome(row interface{ Scan(...any) error }) (o outcome, err error) {
	var id, generation []byte
	if err := row.Scan(&id, &o.choice, &o.message, &generation, &o.certificate, &o.tried); err != nil {
		return o, err
	}
	copy(o.id[:], id)
	if o.choice == confirmed {
		o.generation, err = keys.ParseGeneration(generation)
	}
	return o, err
}

// standingRun returns the run of a plan that this authority confirmed and that
// counts: it is certified, or neither proved aborted nor superseded. Else nil.
func (s *state) standingRun(ctx context.Context, plan [32]byte) (*outcome, error) {
	return s.run(ctx, `WHERE plan = ? AND choice = 'confirm' AND NOT released AND (NOT superseded OR certificate IS NOT NULL)
		ORDER BY certificate IS NULL, chosen LIMIT 1`, plan[:])
}

// confirmedRun returns the run with this id if this authority confirmed it and
// it is not proved aborted, else nil.
func (s *state) confirmedRun(ctx context.Context, plan, id [32]byte) (*outcome, error) {
	return s.run(ctx, "WHERE plan = ? AND id = ? AND choice = 'confirm' AND NOT released", plan[:], id[:])
}

// lastAbort returns the run of a plan that this authority aborted last, or nil.
func (s *state) lastAbort(ctx context.Context, plan [32]byte) (*outcome, error) {
	return s.run(ctx, "WHERE plan = ? AND choice = 'abort' ORDER BY chosen DESC LIMIT 1", plan[:])
}

func (s *state) run(ctx context.Context, where string, args ...any) (o *outcome, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		o = nil
		one, err := scanOutcome(tx.QueryRowContext(ctx, selectOutcome+where, args...))
		ok, err := found(err)
		if ok {
			o = &one
		}
		return err
	})
	return o, err
}

// certify stores the certificate of a run that this authority confirmed.
func (s *state) certify(ctx context.Context, id [32]byte, certificate []byte) error {
	return s.update(ctx, "UPDATE runs SET certificate = ? WHERE id = ? AND choice = 'confirm' AND NOT released", certificate, id[:])
}

// markTried records that the trial of a certified run passed.
func (s *state) markTried(ctx context.Context, id [32]byte) error {
	return s.update(ctx, "UPDATE runs SET tried = TRUE WHERE id = ? AND certificate IS NOT NULL", id[:])
}

// release records that aborts prove a confirmed run void. A certificate that
// was seen cannot be: then nothing changes and the call is refused.
func (s *state) release(ctx context.Context, id [32]byte) error {
	return s.update(ctx, "UPDATE runs SET released = TRUE WHERE id = ? AND certificate IS NULL", id[:])
}

func (s *state) update(ctx context.Context, statement string, args ...any) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		changed, err := exec(ctx, tx, statement, args...)
		if err == nil && !changed {
			return problem.New(problem.CeremonyState, "the run is not at this step here")
		}
		return err
	})
}

// made is a master for which this authority has seen a certificate.
type made struct {
	signedPlan
	certificate *dkg.Certificate
	tried       bool
}

// certified returns every master that was made with this authority.
func (s *state) certified(ctx context.Context) (list []made, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return rows(ctx, tx, func(row *sql.Rows) error {
			m, err := scanMade(row)
			list = append(list, m)
			return err
		}, "SELECT plans.plan, place, certificate, tried FROM runs JOIN plans ON runs.plan = plans.hash WHERE certificate IS NOT NULL")
	})
	return list, err
}

func scanMade(row *sql.Rows) (m made, err error) {
	var plan, certificate []byte
	if err := row.Scan(&plan, &m.index, &certificate, &m.tried); err != nil {
		return m, err
	}
	if m.plan, err = dkg.ParsePlan(plan); err != nil {
		return m, err
	}
	if m.certificate, err = dkg.ParseCertificate(m.plan, certificate); err != nil {
		return m, fmt.Errorf("stored certificate: %w", err)
	}
	return m, nil
}
