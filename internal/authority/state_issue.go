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
	basisCode       = "code"
	basisRenewal    = "renewal"
	basisSuccession = "succession"
	basisToken      = "jwt"
	basisVoucher    = "voucher"
)

// standing is what the authority holds about a device under a name.
type standing struct {
	enrolled bool
	revoked  bool
	since    time.Time
}

// enrolment is the key of a row: a device, under a name, for a purpose of a
// service or of none.
type enrolment struct {
	name    identity.Name
	purpose identity.Purpose
	service identity.ServiceID
	device  identity.DeviceHash
}

func enrolmentOf(q *dta.Request) enrolment {
	return enrolment{q.Key.Name, q.Key.Purpose, q.Key.Service, q.Device.Hash()}
}

// of returns the enrolment of the same device for another purpose.
func (e enrolment) of(p identity.Purpose) enrolment {
	e.purpose = p
	return e
}

// args are the columns name, purpose, service and device.
func (e enrolment) args() []any {
	return []any{e.name.String(), string(e.purpose), serviceBytes(e.service), e.device[:]}
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
		st, err = readStanding(ctx, tx, enrolmentOf(q))
		return err
	})
	return st, err
}

func readStanding(ctx context.Context, tx *sql.Tx, e enrolment) (st standing, err error) {
	var since int64
	st.enrolled, err = found(tx.QueryRowContext(ctx, `SELECT enrolled, revoked FROM enrolments
		WHERE name = ? AND purpose = ? AND service = ? AND device = ?`, e.args()...).Scan(&since, &st.revoked))
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
	*claim
	limit tally // of the name's enrolments or the enrolment's renewals
	reply []byte
}

// record commits evidence, enrolment, log row and sealed reply in one transaction,
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
	e := enrolmentOf(i.Request)
	st, err := readStanding(ctx, tx, e)
	switch {
	case err != nil:
		return err
	case st.revoked:
		return problem.New(problem.Revoked, "")
	case st.enrolled && e.purpose == identity.MPin:
		return problem.New(problem.AlreadyEnrolled, "")
	case i.basis == basisRenewal && !st.enrolled:
		return problem.New(problem.NotEnrolled, "")
	case i.basis == basisRenewal:
		return nil
	}
	if err := i.spend(ctx, tx); err != nil {
		return err
	}
	if err := i.charged.refund(ctx, tx); err != nil {
		return err
	}
	return e.enrol(ctx, tx, i.now)
}

// spend takes what the evidence shows: the code, token or registration, which is
// used, or the right of the old device, which must still be one.
func (i issuance) spend(ctx context.Context, tx *sql.Tx) error {
	switch i.basis {
	case basisSuccession:
		return mayBeReplaced(ctx, tx, i.replaced())
	case basisToken:
		return consumeToken(ctx, tx, i.bearer)
	case basisVoucher:
		return consumeRegistration(ctx, tx, i.claim)
	}
	return consumeCode(ctx, tx, i.code, i.Key, i.now)
}

// enrol adds the row, and for purpose mpin also that of its permits.
func (e enrolment) enrol(ctx context.Context, tx *sql.Tx, now time.Time) error {
	rows := []enrolment{e}
	if e.purpose == identity.MPin {
		rows = append(rows, e.of(identity.Permit))
	}
	for _, row := range rows {
		if _, err := exec(ctx, tx, `INSERT INTO enrolments (name, purpose, service, device, enrolled) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name, purpose, service, device) DO NOTHING`, append(row.args(), micros(now))...); err != nil {
			return err
		}
	}
	return nil
}

// append writes log row and reply.
func (i issuance) append(ctx context.Context, tx *sql.Tx) error {
	last, err := lastIssuance(ctx, tx, i.now)
	if err != nil {
		return err
	}
	args := append([]any{last + 1, micros(i.now), i.hash[:], i.basis}, enrolmentOf(i.Request).args()...)
	args = append(args, int64(i.Key.Epoch.Start), int64(i.Key.Epoch.Length), i.Generation.Bytes())
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
