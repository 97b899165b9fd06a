package authority

import (
	"context"
	"database/sql"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

// Why a share was issued, as the log says it.
const (
	basisCode    = "code"
	basisRenewal = "renewal"
)

// standing is what the authority holds about a device under a name.
type standing struct {
	enrolled bool
	revoked  bool
	since    time.Time
}

func enrolmentOf(q *dta.Request) []any {
	device := q.Device.Hash()
	return []any{q.Key.Name.String(), string(q.Key.Purpose), serviceBytes(q.Key.Service), device[:]}
}

func serviceBytes(s identity.ServiceID) []byte {
	if s == (identity.ServiceID{}) {
		return []byte{}
	}
	return s[:]
}

// standing returns the enrolment of q's device for q's name and purpose.
func (s *state) standing(ctx context.Context, q *dta.Request) (st standing, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		st, err = readStanding(ctx, tx, q)
		return err
	})
	return st, err
}

func readStanding(ctx context.Context, tx *sql.Tx, q *dta.Request) (st standing, err error) {
	var since int64
	st.enrolled, err = found(tx.QueryRowContext(ctx, `SELECT enrolled, revoked FROM enrolments
		WHERE name = ? AND purpose = ? AND service = ? AND device = ?`, enrolmentOf(q)...).Scan(&since, &st.revoked))
	st.since = time.UnixMicro(since)
	return st, err
}

// reply returns the bytes with which a request was answered, or nil.
func (s *state) reply(ctx context.Context, request [32]byte, now time.Time) (reply []byte, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		reply, err = readReply(ctx, tx, request, now)
		return err
	})
	return reply, err
}

func readReply(ctx context.Context, tx *sql.Tx, request [32]byte, now time.Time) (reply []byte, err error) {
	_, err = found(tx.QueryRowContext(ctx, "SELECT reply FROM replies WHERE request = ? AND made >= ?",
		request[:], micros(now.Add(-replyLife))).Scan(&reply))
	return reply, err
}

// issuance is a share about to leave: what is committed before it does.
type issuance struct {
	now     time.Time
	request *dta.Request
	hash    [32]byte
	code    *[32]byte // the hash of the one-time code; nil for a renewal
	charged *tally    // taken back, as the try was a good one
	limit   tally     // of the name's enrolments or the enrolment's renewals
	reply   []byte
}

// record commits code, enrolment, log row and sealed reply in one transaction,
// and returns the reply to send: an earlier one, if the same request was
// answered meanwhile. After an error nothing may be sent.
func (s *state) record(ctx context.Context, i issuance) (reply []byte, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		reply, err = readReply(ctx, tx, i.hash, i.now)
		if err != nil {
			return err
		}
		if reply != nil {
			return i.charged.refund(ctx, tx)
		}
		if err := i.entitle(ctx, tx); err != nil {
			return err
		}
		reply = i.reply
		return i.append(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// entitle spends what entitles to the share.
func (i issuance) entitle(ctx context.Context, tx *sql.Tx) error {
	if err := i.limit.charge(ctx, tx, i.now); err != nil {
		return err
	}
	st, err := readStanding(ctx, tx, i.request)
	if err != nil {
		return err
	}
	if st.revoked {
		return problem.New(problem.Revoked, "")
	}
	if i.code == nil {
		if !st.enrolled {
			return problem.New(problem.NotEnrolled, "")
		}
		return nil
	}
	if err := consumeCode(ctx, tx, *i.code, i.request.Key, i.now); err != nil {
		return err
	}
	if err := i.charged.refund(ctx, tx); err != nil {
		return err
	}
	_, err = exec(ctx, tx, `INSERT INTO enrolments (name, purpose, service, device, enrolled) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (name, purpose, service, device) DO NOTHING`, append(enrolmentOf(i.request), micros(i.now))...)
	return err
}

// append writes log row and reply.
func (i issuance) append(ctx context.Context, tx *sql.Tx) error {
	last, err := lastIssuance(ctx, tx, i.now)
	if err != nil {
		return err
	}
	q, basis := i.request, basisRenewal
	if i.code != nil {
		basis = basisCode
	}
	args := append([]any{last + 1, micros(i.now), i.hash[:], basis}, enrolmentOf(q)...)
	args = append(args, int64(q.Key.Epoch.Start), int64(q.Key.Epoch.Length), q.Generation.Bytes())
	if _, err := exec(ctx, tx, `INSERT INTO issuances (sequence, time, request, basis, name, purpose, service, device,
		epoch_start, epoch_length, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, args...); err != nil {
		return err
	}
	_, err = exec(ctx, tx, "INSERT INTO replies (request, reply, made) VALUES (?, ?, ?)", i.hash[:], i.reply, micros(i.now))
	return err
}

// lastIssuance returns the number of the log's last row. A log does not go back
// in time: a clock behind it is wrong now, or was wrong then.
func lastIssuance(ctx context.Context, tx *sql.Tx, now time.Time) (last int64, err error) {
	var at int64
	ok, err := found(tx.QueryRowContext(ctx, "SELECT sequence, time FROM issuances ORDER BY sequence DESC LIMIT 1").Scan(&last, &at))
	if err != nil || !ok {
		return 0, err
	}
	if behind := time.UnixMicro(at).Sub(now); behind > identity.MaxSkew*time.Second {
		return last, problem.New(problem.Unavailable, "the clock of this authority is %d s behind its log", behind/time.Second)
	}
	return last, nil
}

// issued returns the length of the log; a problem says that the clock is behind it.
func (s *state) issued(ctx context.Context, now time.Time) (n int64, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n, err = lastIssuance(ctx, tx, now)
		return err
	})
	return n, err
}
