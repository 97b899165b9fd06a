package login

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"milagro.dev/internal/problem"
)

// proposed is a proposal as the database has it, with the approvals that were given.
type proposed struct {
	id            ProposalID
	act           Act
	made, expires time.Time
	approvals     [][]byte // signed
}

// propose keeps an act until two operators have approved it, unless too many wait.
func (s *state) propose(ctx context.Context, p proposed) error {
	content, err := json.Marshal(p.act)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		n, err := tx.exec(ctx, `INSERT INTO proposals (proposal, act, made, expires) SELECT $1, $2, $3, $4
			WHERE (SELECT count(*) FROM proposals WHERE NOT done AND expires > $3) < $5`, p.id[:], string(content), micros(p.made), micros(p.expires), int64(maxProposals))
		if err != nil {
			return err
		}
		if n == 0 {
			return problem.New(problem.Forbidden, "%d proposals wait already", maxProposals).WithAdvice("approve or drop some: 'milagro login proposals' lists them")
		}
		return tx.record(ctx, decision{id: tx.numbers.next(p.made), name: p.act.person(), event: eventProposed, reason: p.act.reason("")})
	})
}

// proposals returns those that wait, the newest first.
func (s *state) proposals(ctx context.Context, now time.Time) (list []proposed, err error) {
	err = s.read(ctx, func(ctx context.Context, tx transaction) error {
		list = nil
		if err := tx.all(ctx, func(r *sql.Rows) error {
			p, err := scanProposed(r.Scan)
			list = append(list, p)
			return err
		}, "SELECT proposal, act, made, expires FROM proposals WHERE NOT done AND expires > $1 ORDER BY made DESC", micros(now)); err != nil {
			return err
		}
		for i := range list {
			if err := tx.approvals(ctx, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

func scanProposed(scan func(...any) error) (p proposed, err error) {
	var id []byte
	var content string
	var made, expires int64
	if err := scan(&id, &content, &made, &expires); err != nil {
		return p, err
	}
	p.id, p.made, p.expires = ProposalID(id), moment(made), moment(expires)
	return p, json.Unmarshal([]byte(content), &p.act)
}

// approvals adds those that were given.
func (t transaction) approvals(ctx context.Context, p *proposed) error {
	p.approvals = nil
	return t.all(ctx, func(r *sql.Rows) error {
		var signed []byte
		err := r.Scan(&signed)
		p.approvals = append(p.approvals, signed)
		return err
	}, "SELECT approval FROM proposal_approvals WHERE proposal = $1 ORDER BY given, operator", p.id[:])
}

// hold returns a proposal that waits and keeps everybody else from it until the
// transaction ends: of two approvals at once, the second sees the first.
func (t transaction) hold(ctx context.Context, id ProposalID, now time.Time) (p proposed, err error) {
	found := false
	err = t.all(ctx, func(r *sql.Rows) error {
		found = true
		p, err = scanProposed(r.Scan)
		return err
	}, "UPDATE proposals SET done = done WHERE proposal = $1 AND NOT done AND expires > $2 RETURNING proposal, act, made, expires", id[:], micros(now))
	if err == nil && !found {
		err = problem.New(problem.NotFound, "no such proposal waits").WithAdvice("it was done, dropped, or is past: 'milagro login proposals' lists those that wait")
	}
	return p, err
}

// approval keeps what an operator has signed, once, and returns all approvals.
func (t transaction) approval(ctx context.Context, p *proposed, by OperatorKey, signed []byte, now time.Time) error {
	n, err := t.exec(ctx, "INSERT INTO proposal_approvals (proposal, operator, approval, given) VALUES ($1, $2, $3, $4) ON CONFLICT (proposal, operator) DO NOTHING",
		p.id[:], by.Key[:], signed, micros(now))
	if err != nil {
		return err
	}
	if n > 0 {
		err = t.record(ctx, decision{id: t.numbers.next(now), name: p.act.person(), event: eventApproved, reason: p.act.reason(by.Name)})
	}
	if err != nil {
		return err
	}
	return t.approvals(ctx, p)
}

// decided takes a proposal from those that wait. Its approvals stay, as evidence.
func (t transaction) decided(ctx context.Context, id ProposalID) error {
	_, err := t.exec(ctx, "UPDATE proposals SET done = TRUE WHERE proposal = $1", id[:])
	return err
}

// drop forgets a proposal that waits.
func (s *state) drop(ctx context.Context, id ProposalID, now time.Time) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		p, err := tx.hold(ctx, id, now)
		if err != nil {
			return err
		}
		for _, statement := range []string{"DELETE FROM proposal_approvals WHERE proposal = $1", "DELETE FROM proposals WHERE proposal = $1"} {
			if _, err := tx.exec(ctx, statement, id[:]); err != nil {
				return err
			}
		}
		return tx.record(ctx, decision{id: tx.numbers.next(now), name: p.act.person(), event: eventDropped, reason: p.act.reason("")})
	})
}

// expireProposals forgets those that are past, and with the audit those that were done.
func (s *state) expireProposals(ctx context.Context, now time.Time, life time.Duration) error {
	return s.write(ctx, func(ctx context.Context, tx transaction) error {
		if _, err := tx.exec(ctx, "DELETE FROM proposals WHERE NOT done AND expires <= $1 OR made < $2", micros(now), micros(now.Add(-life))); err != nil {
			return err
		}
		_, err := tx.exec(ctx, "DELETE FROM proposal_approvals WHERE NOT EXISTS (SELECT 1 FROM proposals p WHERE p.proposal = proposal_approvals.proposal)")
		return err
	})
}
