package authority

import (
	"context"
	"database/sql"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// end makes the rows of a device at a service revoked ones, present or not, and
// reports whether that changed anything.
func (s *state) end(ctx context.Context, e enrolment, now time.Time) (changed bool, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		changed = false
		for _, purpose := range []identity.Purpose{identity.MPin, identity.Permit} {
			did, err := exec(ctx, tx, `INSERT INTO enrolments (name, purpose, service, device, enrolled, revoked) VALUES (?, ?, ?, ?, ?, TRUE)
				ON CONFLICT (name, purpose, service, device) DO UPDATE SET revoked = TRUE WHERE NOT enrolments.revoked`,
				append(e.of(purpose).args(), micros(now))...)
			if err != nil {
				return err
			}
			changed = changed || did
		}
		return nil
	})
	return changed, err
}

// delivery is a share of a server key about to leave.
type delivery struct {
	now        time.Time
	request    [32]byte // hash of the signed request
	act        approved
	service    identity.ServiceID
	generation keys.Generation
	reply      []byte
}

// mayDeliver refuses unless two operators have approved; it consumes nothing.
func (s *state) mayDeliver(ctx context.Context, d delivery) error {
	return s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error { return d.act.twice(ctx, tx, d.now) })
}

// deliver commits the delivery, consumes what approved it, and returns the reply to
// send: an earlier one, if the same request was answered meanwhile. After an error
// nothing may be sent.
func (s *state) deliver(ctx context.Context, d delivery) (reply []byte, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		reply, err = readReply(ctx, tx, d.request, d.now)
		if err != nil || reply != nil {
			return err
		}
		if _, err := lastIssuance(ctx, tx, d.now); err != nil {
			return err
		}
		if err := d.act.consume(ctx, tx, d.request, d.now); err != nil {
			return err
		}
		reply = d.reply
		return d.append(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// append writes log row and reply.
func (d delivery) append(ctx context.Context, tx *sql.Tx) error {
	_, err := exec(ctx, tx, `INSERT INTO deliveries (sequence, time, request, service, generation)
		SELECT COALESCE(MAX(sequence), 0) + 1, ?, ?, ?, ? FROM deliveries`, micros(d.now), d.request[:], d.service[:], d.generation.Bytes())
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, "INSERT INTO replies (request, reply, made) VALUES (?, ?, ?)", d.request[:], d.reply, micros(d.now))
	return err
}

// operators are those that were entered, the first ones first.
func (s *state) operators(ctx context.Context) (list []operator, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		list, err = readOperators(ctx, tx)
		return err
	})
	return list, err
}

func readOperators(ctx context.Context, tx *sql.Tx) (list []operator, err error) {
	err = rows(ctx, tx, func(row *sql.Rows) error {
		var o operator
		var key []byte
		err := row.Scan(&o.name, &key)
		o.key = key
		list = append(list, o)
		return err
	}, "SELECT name, key FROM operators ORDER BY entered, name")
	return list, err
}

// enter adds an operator: freely while there are fewer than two, then once two have
// approved. It returns how many have, and whether he is one now.
func (s *state) enter(ctx context.Context, o operator, approvals []approval, now time.Time) (given int, entered bool, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		given, entered = 0, false
		all, err := readOperators(ctx, tx)
		if err != nil {
			return err
		}
		if entered, err = o.among(all); err != nil || entered {
			return err
		}
		if len(all) >= needApprovals {
			if given, err = o.approved().add(ctx, tx, approvals, now); err != nil || given < needApprovals {
				return err
			}
			if err := o.approved().consume(ctx, tx, o.approved().hash(), now); err != nil {
				return err
			}
		}
		entered = true
		_, err = exec(ctx, tx, "INSERT INTO operators (key, name, entered) VALUES (?, ?, ?)", []byte(o.key), o.name, micros(now))
		return err
	})
	return given, entered, err
}

// approveAct stores an approval and returns how many operators have approved.
func (s *state) approveAct(ctx context.Context, a approved, given approval, now time.Time) (n int, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n, err = a.add(ctx, tx, []approval{given}, now)
		return err
	})
	return n, err
}

// add stores approvals and returns of how many different operators there are some
// that wait. One that was consumed counts never again.
func (a approved) add(ctx context.Context, tx *sql.Tx, approvals []approval, now time.Time) (int, error) {
	for _, given := range approvals {
		hash := given.hash()
		fresh, err := exec(ctx, tx, `INSERT INTO operator_approvals (hash, operator, act, subject, approval, received, used)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash WHERE operator_approvals.used = excluded.used`,
			hash[:], []byte(given.operator.key), string(a.act), a.subject, given.signed, micros(now), []byte{})
		if err != nil {
			return 0, err
		}
		if !fresh {
			return 0, problem.New(problem.Forbidden, "this approval of %s was used already", given.operator.name).WithAdvice("sign a new one")
		}
	}
	return a.count(ctx, tx, now)
}

// count returns how many different operators have approved what waits now.
func (a approved) count(ctx context.Context, tx *sql.Tx, now time.Time) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COUNT(DISTINCT operator) FROM operator_approvals
		WHERE act = ? AND subject = ? AND used = ? AND received >= ?`, string(a.act), a.subject, []byte{}, micros(now.Add(-approvalLife))).Scan(&n)
	return n, err
}

// twice refuses unless two different operators have approved.
func (a approved) twice(ctx context.Context, tx *sql.Tx, now time.Time) error {
	n, err := a.count(ctx, tx, now)
	if err == nil && n < needApprovals {
		return problem.New(problem.NotApproved, "%d of %d operators have approved it", n, needApprovals)
	}
	return err
}

// consume takes every approval that waits, or refuses if two are not there.
func (a approved) consume(ctx context.Context, tx *sql.Tx, by [32]byte, now time.Time) error {
	if err := a.twice(ctx, tx, now); err != nil {
		return err
	}
	_, err := exec(ctx, tx, "UPDATE operator_approvals SET used = ? WHERE act = ? AND subject = ? AND used = ?",
		by[:], string(a.act), a.subject, []byte{})
	return err
}

// waiting returns the approvals that wait for a second one, or for their use.
func (s *state) waiting(ctx context.Context, now time.Time) (list []pendingApproval, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return rows(ctx, tx, func(row *sql.Rows) error {
			var p pendingApproval
			var received int64
			err := row.Scan(&p.operator, &p.act, &p.subject, &received)
			p.expires = time.UnixMicro(received).Add(approvalLife)
			list = append(list, p)
			return err
		}, `SELECT operators.name, act, subject, MAX(received) FROM operator_approvals JOIN operators ON operator = key
			WHERE used = ? AND received >= ? GROUP BY operators.name, act, subject ORDER BY act, subject, MAX(received)`,
			[]byte{}, micros(now.Add(-approvalLife)))
	})
	return list, err
}

// progress returns how many operators have approved the delivery of a service's
// server key, and how often it was delivered.
func (s *state) progress(ctx context.Context, service identity.ServiceID, a approved, now time.Time) (given, delivered int, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if given, err = a.count(ctx, tx, now); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM deliveries WHERE service = ?", service[:]).Scan(&delivered)
	})
	return given, delivered, err
}

// pendingApproval is one that waits.
type pendingApproval struct {
	operator string
	approved
	expires time.Time
}
