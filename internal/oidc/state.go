package oidc

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"milagro.dev/internal/store"
)

// state is what the provider remembers in SQL. On PostgreSQL several servers share
// it: what must not be spent twice is one conditional statement.
type state struct{ db *store.DB }

// live is the condition under which what was given in session s is good: nobody has
// signed out of it, and its device is not revoked.
const live = ` NOT s.ended AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.service = s.service AND d.name = s.name AND d.device = s.device AND d.revoked) `

func micros(t time.Time) int64 { return t.UnixMicro() }

// one runs a statement that returns at most one row, and reports whether it did.
func one(ctx context.Context, tx *sql.Tx, into []any, statement string, args ...any) (bool, error) {
	err := tx.QueryRowContext(ctx, statement, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// exec runs a statement and returns how many rows it changed.
func exec(ctx context.Context, tx *sql.Tx, statement string, args ...any) (int64, error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// request is what an application asked for.
type request struct {
	client, redirect, scopes, state, nonce, challenge string
	hint                                              string // the sub that it expects
	made                                              time.Time
}

func (s *state) ask(ctx context.Context, id secret, browser digest, q request) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		hash := id.digest()
		_, err := exec(ctx, tx, `INSERT INTO openid_requests (request, browser, client, redirect, scopes, state, nonce, challenge, hint, made, expires)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, hash[:], browser[:], q.client, q.redirect, q.scopes, q.state, q.nonce, q.challenge, q.hint,
			micros(q.made), micros(q.made.Add(requestLife)))
		return err
	})
}

// take takes a request away that waits in this browser.
func take(ctx context.Context, tx *sql.Tx, id, browser digest, now time.Time) (q request, found bool, err error) {
	var made int64
	found, err = one(ctx, tx, []any{&q.client, &q.redirect, &q.scopes, &q.state, &q.nonce, &q.challenge, &q.hint, &made},
		`DELETE FROM openid_requests WHERE request = $1 AND browser = $2 AND expires > $3
		RETURNING client, redirect, scopes, state, nonce, challenge, hint, made`, id[:], browser[:], micros(now))
	q.made = time.UnixMicro(made)
	return q, found, err
}

// session is somebody who is signed in.
type session struct {
	digest        digest
	sub, name     string
	authenticated time.Time
}

// session returns the live session of a cookie.
func (s *state) session(ctx context.Context, of digest, now time.Time) (who session, found bool, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var at int64
		found, err = one(ctx, tx, []any{&who.sub, &who.name, &at}, `SELECT s.sub, s.name, s.authenticated FROM openid_sessions s
			WHERE s.session = $1 AND s.expires > $2 AND `+live, of[:], micros(now))
		who.digest, who.authenticated = of, time.UnixMicro(at)
		return err
	})
	return who, found, err
}

// issue is a code for what was asked, of a session.
type issue struct {
	code, session digest
	asked         request
	now           time.Time
}

func (i issue) keep(ctx context.Context, tx *sql.Tx) error {
	q := i.asked
	_, err := exec(ctx, tx, `INSERT INTO openid_codes (code, session, client, redirect, scopes, nonce, challenge, expires, kept)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, i.code[:], i.session[:], q.client, q.redirect, q.scopes, q.nonce, q.challenge,
		micros(i.now.Add(codeLife)), micros(i.now.Add(codeKept)))
	return err
}

// issue keeps a code in a transaction of its own.
func (s *state) issue(ctx context.Context, i issue) error { return s.db.Write(ctx, i.keep) }

// end ends a session and with it all that was given in it.
func (s *state) end(ctx context.Context, of digest) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, "UPDATE openid_sessions SET ended = TRUE WHERE session = $1", of[:])
		return err
	})
}

// sweep deletes what is past and returns how many requests wait.
func (s *state) sweep(ctx context.Context, now time.Time) (waiting int64, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, past := range []string{"openid_requests WHERE expires", "openid_statements WHERE expires", "openid_sessions WHERE kept", "openid_codes WHERE kept",
			"openid_families WHERE expires", "openid_tokens WHERE expires", "openid_keys WHERE ends"} {
			if _, err := exec(ctx, tx, "DELETE FROM "+past+" <= $1", micros(now)); err != nil {
				return err
			}
		}
		_, err := one(ctx, tx, []any{&waiting}, "SELECT count(*) FROM openid_requests")
		return err
	})
	return waiting, err
}

// publish keeps public keys where every server of the database finds them.
func (s *state) publish(ctx context.Context, keys []publicKey) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, k := range keys {
			_, err := exec(ctx, tx, "INSERT INTO openid_keys (key, jwk, ends) VALUES ($1, $2, $3) ON CONFLICT (key) DO UPDATE SET ends = $3", k.id, k.jwk, micros(k.ends))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// published returns the JWKs of all servers.
func (s *state) published(ctx context.Context, now time.Time) (jwks []string, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		jwks = nil
		found, err := tx.QueryContext(ctx, "SELECT jwk FROM openid_keys WHERE ends > $1 ORDER BY ends DESC, key", micros(now))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, found.Close()) }()
		for found.Next() {
			var jwk string
			if err := found.Scan(&jwk); err != nil {
				return err
			}
			jwks = append(jwks, jwk)
		}
		return found.Err()
	})
	return jwks, err
}

func lines(list []string) string { return strings.Join(list, "\n") }

func unlines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
