package authority

import (
	"context"
	"database/sql"
	"net/netip"
	"strings"
	"time"

	"milagro.dev/internal/problem"
)

// tally is one counter of one window of time.
type tally struct {
	bucket string
	ends   time.Time
	limit  int
}

func (r Rate) tally(now time.Time, bucket ...string) tally {
	return tally{bucket: strings.Join(bucket, " "), ends: now.Truncate(r.Window).Add(r.Window), limit: r.Count}
}

// stranger is the bucket of an address. Of IPv6 it is the network, since one
// machine has all the addresses in it.
func stranger(from netip.Addr) string {
	from = from.Unmap()
	if prefix, err := from.Prefix(64); err == nil && from.Is6() {
		return "stranger " + prefix.String()
	}
	return "stranger " + from.String()
}

// charge counts one try, in one conditional statement, or refuses it: so many
// tries at once never pass as fewer.
func (t tally) charge(ctx context.Context, tx *sql.Tx, now time.Time) error {
	var count int
	ok, err := found(tx.QueryRowContext(ctx, `INSERT INTO rates (bucket, ends, count) SELECT ?, ?, 1 WHERE ? > 0
		ON CONFLICT (bucket, ends) DO UPDATE SET count = rates.count + 1 WHERE rates.count < ? RETURNING count`,
		t.bucket, micros(t.ends), t.limit, t.limit).Scan(&count))
	if err != nil || ok {
		return err
	}
	refused := problem.New(problem.RateLimited, "at most %d are answered until then", t.limit)
	refused.RetryAfter = int(t.ends.Sub(now)/time.Second) + 1
	return refused
}

// refund takes a charge back, if there was one: the try was a good one.
func (t *tally) refund(ctx context.Context, tx *sql.Tx) error {
	if t == nil {
		return nil
	}
	_, err := exec(ctx, tx, "UPDATE rates SET count = count - 1 WHERE bucket = ? AND ends = ? AND count > 0",
		t.bucket, micros(t.ends))
	return err
}

// charge counts one try of t durably.
func (s *state) charge(ctx context.Context, t tally, now time.Time) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return t.charge(ctx, tx, now) })
}

// refund takes a charge back durably.
func (s *state) refund(ctx context.Context, t *tally) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error { return t.refund(ctx, tx) })
}
