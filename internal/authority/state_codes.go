package authority

import (
	"bytes"
	"context"
	"database/sql"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

// codeRow is what is known of a one-time code.
type codeRow struct {
	name    string
	purpose identity.Purpose
	service []byte
	expires time.Time
	used    bool
}

// refuse returns why the code does not entitle to key now, or nil.
func (c codeRow) refuse(key identity.Key, now time.Time) error {
	switch {
	case c.name != key.Name.String():
		return problem.New(problem.NameRefused, "the one-time code is not for %s", key.Name)
	case c.purpose != key.Purpose:
		return problem.New(problem.PurposeRefused, "the one-time code is for purpose %s", c.purpose)
	case !bytes.Equal(c.service, serviceBytes(key.Service)):
		return problem.New(problem.PurposeRefused, "the one-time code is for another login service")
	case c.used:
		return problem.New(problem.CodeUsed, "")
	case !now.Before(c.expires):
		return problem.New(problem.CodeExpired, "it expired at %s", c.expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// lookAt refuses a code that is not good for key; it consumes nothing.
func (s *state) lookAt(ctx context.Context, code [32]byte, key identity.Key, now time.Time) error {
	return s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error { return lookAtCode(ctx, tx, code, key, now) })
}

func lookAtCode(ctx context.Context, tx *sql.Tx, code [32]byte, key identity.Key, now time.Time) error {
	var row codeRow
	var expires int64
	ok, err := found(tx.QueryRowContext(ctx, "SELECT name, purpose, service, expires, used FROM codes WHERE hash = ?", code[:]).
		Scan(&row.name, &row.purpose, &row.service, &expires, &row.used))
	if err != nil {
		return err
	}
	if !ok {
		return problem.New(problem.CodeUnknown, "")
	}
	row.expires = time.UnixMicro(expires)
	return row.refuse(key, now)
}

// consumeCode takes the code in one conditional statement: of two that show it
// at once, one gets it.
func consumeCode(ctx context.Context, tx *sql.Tx, code [32]byte, key identity.Key, now time.Time) error {
	took, err := exec(ctx, tx, `UPDATE codes SET used = TRUE
		WHERE hash = ? AND NOT used AND expires > ? AND name = ? AND purpose = ? AND service = ?`,
		code[:], micros(now), key.Name.String(), string(key.Purpose), serviceBytes(key.Service))
	if err != nil || took {
		return err
	}
	if err := lookAtCode(ctx, tx, code, key, now); err != nil {
		return err
	}
	return problem.New(problem.CodeUsed, "")
}

// pending is a code that was made for a name, without the code.
type pending struct {
	hash    [32]byte
	name    identity.Name
	purpose identity.Purpose
	service identity.ServiceID
	expires time.Time
}

// addCodes stores all codes or none.
func (s *state) addCodes(ctx context.Context, codes []pending, now time.Time) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, c := range codes {
			_, err := exec(ctx, tx, "INSERT INTO codes (hash, name, purpose, service, expires, made) VALUES (?, ?, ?, ?, ?, ?)",
				c.hash[:], c.name.String(), string(c.purpose), serviceBytes(c.service), micros(c.expires), micros(now))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// revoke ends the enrolments of a name, of one device or of all, and enters them
// into the signed list; without a device it also voids the codes that nobody has used.
func (s *state) revoke(ctx context.Context, name identity.Name, device []byte, now time.Time) (r Revoked, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		if r, err = endEnrolments(ctx, tx, name, device); err != nil {
			return err
		}
		return listRevoked(ctx, tx, name, device, now)
	})
	return r, err
}

func endEnrolments(ctx context.Context, tx *sql.Tx, name identity.Name, device []byte) (r Revoked, err error) {
	if len(device) > 0 {
		r.Enrolments, err = execCount(ctx, tx, "UPDATE enrolments SET revoked = TRUE WHERE name = ? AND device = ? AND NOT revoked",
			name.String(), device)
		return r, err
	}
	r.Enrolments, err = execCount(ctx, tx, "UPDATE enrolments SET revoked = TRUE WHERE name = ? AND NOT revoked", name.String())
	if err != nil {
		return r, err
	}
	r.Codes, err = execCount(ctx, tx, "DELETE FROM codes WHERE name = ? AND NOT used", name.String())
	return r, err
}

func execCount(ctx context.Context, tx *sql.Tx, statement string, args ...any) (int, error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// list returns enrolments and unused codes, of one name or, if it is empty, of
// all; called words the identity of a service, or none.
func (s *state) list(ctx context.Context, name string, called func(service []byte) string) (l Listing, err error) {
	l = Listing{Enrolments: []Enrolled{}, Codes: []Waiting{}}
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := rows(ctx, tx, func(row *sql.Rows) error {
			var e Enrolled
			var device, service []byte
			var enrolled int64
			err := row.Scan(&e.Name, &e.Purpose, &service, &device, &enrolled, &e.Revoked)
			e.Service = called(service)
			copy(e.Device[:], device)
			e.Enrolled = time.UnixMicro(enrolled).UTC()
			l.Enrolments = append(l.Enrolments, e)
			return err
		}, `SELECT name, purpose, service, device, enrolled, revoked FROM enrolments WHERE ? IN ('', name)
			ORDER BY name, purpose, service, enrolled`, name)
		if err != nil {
			return err
		}
		return rows(ctx, tx, func(row *sql.Rows) error {
			var w Waiting
			var service []byte
			var expires int64
			err := row.Scan(&w.Name, &w.Purpose, &service, &expires)
			w.Service = called(service)
			w.Expires = time.UnixMicro(expires).UTC()
			l.Codes = append(l.Codes, w)
			return err
		}, "SELECT name, purpose, service, expires FROM codes WHERE NOT used AND ? IN ('', name) ORDER BY name, expires", name)
	})
	return l, err
}
