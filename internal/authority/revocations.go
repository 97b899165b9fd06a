package authority

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

const (
	// listLook is how long a list is served without a look at the database: so soon a
	// revocation is public, however many ask.
	listLook = time.Second
	// listLife is how long a list is served that still says all there is to say.
	listLife = 5 * time.Second
	// revocationLife is how long a revocation is listed at least, where there is room:
	// the authorities of a domain do not all revoke on the same day.
	revocationLife = 30 * 24 * time.Hour
)

// revocations makes the signed list of what was revoked here (spec/revocations.md).
type revocations struct {
	self      *self
	state     *state
	documents *documents
	clock     func() time.Time
	log       *slog.Logger

	mu     sync.Mutex // of all below
	signed []byte
	of     [32]byte // hash of what the list says, sequence and time aside
	looked time.Time
	made   time.Time
	full   bool // the last list had no room for all
}

// list returns the signed list. It is at most some seconds old, so that its time
// says when the authority was last known to be well; who asks often gets the same.
func (r *revocations) list(ctx context.Context) ([]byte, error) {
	s, err := r.documents.published()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock()
	if r.signed != nil && within(now, r.looked, listLook) {
		return r.signed, nil
	}
	list, err := r.read(ctx, s, now)
	if err != nil {
		return nil, unavailable(problem.Unavailable, err)
	}
	says := sha256.Sum256(list.Sign(r.self.signing))
	if r.signed == nil || says != r.of || !within(now, r.made, listLife) {
		if list.Sequence, err = r.state.nextList(ctx, now); err != nil {
			return nil, unavailable(problem.Unavailable, err)
		}
		list.Time = unixSeconds(now)
		r.signed, r.of, r.made = list.Sign(r.self.signing), says, now
	}
	r.looked = now
	return r.signed, nil
}

// within reports whether less than d has passed since then; a clock that was set
// back says no.
func within(now, then time.Time, d time.Duration) bool {
	since := now.Sub(then)
	return since >= 0 && since < d
}

// read returns the list without sequence and time.
func (r *revocations) read(ctx context.Context, s *served, now time.Time) (dta.Revocations, error) {
	schedule, _ := s.Document.Schedule(identity.Channel)
	keep := max(revocationLife, 2*time.Duration(max(schedule.Length, schedule.PreviousLength))*time.Second+identity.MaxSkew*time.Second)
	entries, err := r.state.revokedSince(ctx, now.Add(-keep), dta.MaxRevocations+1)
	if full := len(entries) > dta.MaxRevocations; full && !r.full && err == nil {
		r.log.Warn("the list of revocations has no room for all: the oldest end with their epoch", "room", dta.MaxRevocations)
	}
	r.full = len(entries) > dta.MaxRevocations
	entries = slices.DeleteFunc(entries, func(e dta.Revocation) bool { return e.Name.Domain() != s.Document.Domain() })
	return dta.Revocations{Domain: s.Document.ID(), Generation: s.Document.Generation(), Index: s.self.Index, Entries: entries}, err
}

// revokedSince returns the devices revoked for channels since a time, the newest
// first and no more than limit.
func (s *state) revokedSince(ctx context.Context, since time.Time, limit int) (list []dta.Revocation, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return rows(ctx, tx, func(row *sql.Rows) error {
			var name string
			var device []byte
			if err := row.Scan(&name, &device); err != nil {
				return err
			}
			parsed, err := identity.ParseName(name)
			if err == nil {
				list = append(list, dta.Revocation{Name: parsed, Device: identity.DeviceHash(device)})
			}
			return err
		}, "SELECT name, device FROM revocations WHERE revoked >= ? ORDER BY revoked DESC, name, device LIMIT ?", micros(since), limit)
	})
	return list, err
}

// nextList returns the sequence of the next list, which is durable and greater than
// any before. It follows the clock in microseconds where that is ahead, so that a
// state restored from a backup need not catch up.
func (s *state) nextList(ctx context.Context, now time.Time) (sequence uint64, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var next int64
		err := tx.QueryRowContext(ctx, `INSERT INTO revocation_lists (place, sequence) VALUES (1, ?)
			ON CONFLICT (place) DO UPDATE SET sequence = CASE WHEN excluded.sequence > revocation_lists.sequence
				THEN excluded.sequence ELSE revocation_lists.sequence + 1 END RETURNING sequence`, max(micros(now), 1)).Scan(&next)
		sequence = uint64(next)
		return err
	})
	return sequence, err
}

// listRevoked enters the revoked channel enrolments of a name, of one device or of
// all, into what is listed; those that are there keep their time. A device that is
// named is listed, and enrols no more, also where it was never enrolled: another
// authority enrolled it while this one was away, and n−t+1 must name it.
func listRevoked(ctx context.Context, tx *sql.Tx, name identity.Name, device []byte, now time.Time) error {
	if len(device) > 0 {
		if _, err := exec(ctx, tx, `INSERT INTO enrolments (name, purpose, service, device, enrolled, revoked)
			SELECT ?, 'channel', ?, ?, ?, TRUE WHERE NOT EXISTS
				(SELECT 1 FROM enrolments WHERE name = ? AND device = ? AND (purpose = 'channel' OR length(service) > 0))`,
			name.String(), []byte{}, device, micros(now), name.String(), device); err != nil {
			return err
		}
	}
	_, err := exec(ctx, tx, `INSERT INTO revocations (name, device, revoked)
		SELECT name, device, ? FROM enrolments WHERE name = ? AND purpose = 'channel' AND revoked AND (? OR device = ?)
		ON CONFLICT (name, device) DO NOTHING`, micros(now), name.String(), len(device) == 0, device)
	return err
}

type listAnswer struct {
	List []byte `json:"list"`
}

func (a *Authority) routeRevocations(mux *http.ServeMux) {
	mux.Handle("GET /v1/revocations", get(a, func(r *http.Request) (listAnswer, error) {
		list, err := a.lists.list(r.Context())
		return listAnswer{list}, err
	}))
}
