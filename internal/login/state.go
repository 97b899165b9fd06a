package login

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store"
)

// state is what the login servers of one service remember in SQL: statements, and
// no rules but those that must hold in one transaction. On PostgreSQL, transactions
// of several servers run beside each other, each statement seeing what was
// committed before it: what must not be spent twice is one conditional statement.
type state struct {
	db      *store.DB
	numbers numbers
	recent  recent
}

// transaction is one in which statements run.
type transaction struct {
	*sql.Tx
	numbers *numbers
}

// tracer is the key under which a context carries, in tests, what is told of each
// step of a login before it is done.
type tracer struct{}

func step(ctx context.Context, what string) {
	if trace, ok := ctx.Value(tracer{}).(func(string)); ok {
		trace(what)
	}
}

// write runs fn in a transaction that is durable when write returns nil. fn may run
// more than once. Errors are as those of store.DB.Write.
func (s *state) write(ctx context.Context, fn func(context.Context, transaction) error) error {
	step(ctx, "write")
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return fn(ctx, transaction{tx, &s.numbers}) })
}

// read runs fn in a transaction that changes nothing.
func (s *state) read(ctx context.Context, fn func(context.Context, transaction) error) error {
	step(ctx, "read")
	return s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error { return fn(ctx, transaction{tx, &s.numbers}) })
}

// exec runs a statement and returns how many rows it changed.
func (t transaction) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	step(ctx, statement)
	result, err := t.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// one runs a statement that returns at most one row, and reports whether it did.
func (t transaction) one(ctx context.Context, into []any, statement string, args ...any) (bool, error) {
	step(ctx, statement)
	err := t.QueryRowContext(ctx, statement, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// all runs a statement and hands each row that it returns to scan.
func (t transaction) all(ctx context.Context, scan func(*sql.Rows) error, statement string, args ...any) (err error) {
	step(ctx, statement)
	found, err := t.QueryContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		if err := scan(found); err != nil {
			return err
		}
	}
	return found.Err()
}

// unavailable words a fault of storage for whoever is refused because of it; the
// cause stays in the chain for the log. A problem passes unchanged.
func unavailable(err error) error {
	if p := (*problem.Problem)(nil); err == nil || errors.As(err, &p) {
		return err
	}
	return fmt.Errorf("%w: %w", problem.New(problem.Unavailable, ""), err)
}

// micros is how times stand in the database.
func micros(t time.Time) int64 { return t.UnixMicro() }

func unixSeconds(t time.Time) uint64 { return uint64(max(0, t.Unix())) }

// subject is whom a row, a decision or a notice is about.
type subject struct {
	service identity.ServiceID
	name    string
	device  identity.DeviceHash
}

// args are the subject's columns service, name and device.
func (s subject) args(more ...any) []any {
	return append([]any{s.service[:], s.name, s.device[:]}, more...)
}

// auditID is the key of a row of the audit.
type auditID struct{ time, number int64 }

// numbers makes two decisions of one microsecond different: those of this process
// in their order, those of several by chance.
type numbers struct{ last atomic.Int64 }

func (n *numbers) next(now time.Time) auditID {
	var b [2]byte
	rand.Read(b[:])
	return auditID{micros(now), n.last.Add(1)<<16 | int64(binary.BigEndian.Uint16(b[:]))}
}

// The events of the audit.
const (
	eventTried       = "tried"
	eventAccepted    = "accepted"
	eventRefused     = "refused"
	eventLocked      = "locked"
	eventUnlocked    = "unlocked"
	eventRevoked     = "revoked"
	eventRowMade     = "row-made"
	eventRowRefused  = "row-refused"
	eventChangeBegun = "change-begun"
	eventPINChanged  = "pin-changed"
	eventRestored    = "restored"
	eventInvited     = "invited"
	eventVouched     = "vouched"
	eventWithdrawn   = "withdrawn"
	eventProposed    = "proposed"
	eventApproved    = "approved"
	eventDropped     = "dropped"
	eventClientAdded = "client-added"
)

// decision is one row of the audit.
type decision struct {
	id       auditID
	name     string
	device   identity.DeviceHash
	event    string
	reason   string
	stranger bool
}

func (t transaction) record(ctx context.Context, d decision) error {
	_, err := t.exec(ctx, `INSERT INTO audit (time, number, name, device, event, reason, stranger) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		d.id.time, d.id.number, d.name, d.device[:], d.event, d.reason, d.stranger)
	return err
}

// settle says how an attempt ended that was recorded as tried.
func (t transaction) settle(ctx context.Context, id auditID, event, reason string) error {
	_, err := t.exec(ctx, "UPDATE audit SET event = $1, reason = $2 WHERE time = $3 AND number = $4", event, reason, id.time, id.number)
	return err
}
