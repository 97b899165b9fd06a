package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"regexp"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// exchange is what a client shows for tokens.
type exchange struct {
	code               digest
	redirect, verifier string
}

var verifierS256 = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// proves reports whether the verifier is that of a challenge (RFC 7636, 4.6).
func (x exchange) proves(challenge string) bool {
	hash := sha256.Sum256([]byte(x.verifier))
	return verifierS256.MatchString(x.verifier) && subtle.ConstantTimeCompare([]byte(encode(hash[:])), []byte(challenge)) == 1
}

// exchange burns a code and, if everything is right, makes its family. found says
// whether it did.
func (s *state) exchange(ctx context.Context, g *giving, x exchange) (found bool, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		found = false
		var client, redirect, challenge string
		var of []byte
		var expires int64
		taken, err := one(ctx, tx, []any{&of, &client, &redirect, &g.scopes, &g.nonce, &challenge, &expires}, `UPDATE openid_codes SET used = TRUE
			WHERE code = $1 AND NOT used RETURNING session, client, redirect, scopes, nonce, challenge, expires`, x.code[:])
		if err != nil {
			return err
		}
		if !taken { // its first user, or this one, stole it
			_, err := exec(ctx, tx, "UPDATE openid_families SET revoked = TRUE WHERE code = $1", x.code[:])
			return err
		}
		if client != g.client || redirect != x.redirect || expires <= micros(g.now) || !x.proves(challenge) {
			return nil
		}
		if found, err = g.of(ctx, tx, digest(of)); err != nil || !found {
			return err
		}
		g.family, g.until = newSecret().digest(), g.now.Add(FamilyLife)
		if _, err := exec(ctx, tx, "INSERT INTO openid_families (family, session, client, scopes, code, expires) VALUES ($1, $2, $3, $4, $5, $6)",
			g.family[:], of, client, g.scopes, x.code[:], micros(g.until)); err != nil {
			return err
		}
		return g.keep(ctx, tx)
	})
	return found, err
}

// of finds who is in a live session. Its cookie may be past.
func (g *giving) of(ctx context.Context, tx *sql.Tx, id digest) (bool, error) {
	var at int64
	found, err := one(ctx, tx, []any{&g.who.sub, &g.who.name, &at}, "SELECT s.sub, s.name, s.authenticated FROM openid_sessions s WHERE s.session = $1 AND "+live, id[:])
	g.who.digest, g.who.authenticated = id, time.UnixMicro(at)
	return found, err
}

// keep keeps the tokens.
func (g *giving) keep(ctx context.Context, tx *sql.Tx) error {
	const statement = "INSERT INTO openid_tokens (token, family, kind, made, expires) VALUES ($1, $2, $3, $4, $5)"
	access, refresh := g.access.digest(), g.refresh.digest()
	if _, err := exec(ctx, tx, statement, access[:], g.family[:], "access", micros(g.now), micros(g.now.Add(AccessLife))); err != nil {
		return err
	}
	if !has(g.scopes, oidc.ScopeOfflineAccess) {
		return nil
	}
	_, err := exec(ctx, tx, statement, refresh[:], g.family[:], "refresh", micros(g.now), micros(g.until))
	return err
}

// burn takes a code away that nobody may have.
func (s *state) burn(ctx context.Context, code digest) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := exec(ctx, tx, "UPDATE openid_codes SET used = TRUE WHERE code = $1 AND NOT used", code[:])
		return err
	})
}

// refresh spends a refresh token and makes the next ones. One that was spent before,
// or that another client shows, revokes its family.
func (s *state) refresh(ctx context.Context, g *giving, token digest, scopes []string) (found bool, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		found = false
		var family []byte
		spent, err := one(ctx, tx, []any{&family}, `UPDATE openid_tokens SET used = TRUE WHERE token = $1 AND kind = 'refresh' AND NOT used RETURNING family`, token[:])
		if err != nil {
			return err
		}
		if !spent {
			_, err := exec(ctx, tx, `UPDATE openid_families SET revoked = TRUE
				WHERE family = (SELECT family FROM openid_tokens WHERE token = $1 AND kind = 'refresh')`, token[:])
			return err
		}
		if found, err = g.again(ctx, tx, digest(family)); err != nil || !found {
			return err
		}
		for _, scope := range scopes {
			if !has(g.scopes, scope) {
				return errScope
			}
		}
		return g.keep(ctx, tx)
	})
	return found, err
}

// again finds a family that may go on. One whose token another client shows may not.
func (g *giving) again(ctx context.Context, tx *sql.Tx, family digest) (bool, error) {
	var of []byte
	var client string
	var expires int64
	found, err := one(ctx, tx, []any{&of, &client, &g.scopes, &expires}, `SELECT session, client, scopes, expires FROM openid_families
		WHERE family = $1 AND NOT revoked AND expires > $2`, family[:], micros(g.now))
	if err != nil || !found {
		return false, err
	}
	if client != g.client {
		_, err := exec(ctx, tx, "UPDATE openid_families SET revoked = TRUE WHERE family = $1", family[:])
		return false, err
	}
	g.family, g.until = family, time.UnixMicro(expires)
	return g.of(ctx, tx, digest(of))
}

// standing is what is known of a token that is good.
type standing struct {
	client, scopes string
	who            session
	kind           string
	made, expires  time.Time
}

// token returns what is known of a token that is good.
func (s *state) token(ctx context.Context, token digest, now time.Time) (k standing, found bool, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var at, made, expires int64
		found, err = one(ctx, tx, []any{&k.client, &k.scopes, &k.who.sub, &k.who.name, &at, &k.kind, &made, &expires}, `SELECT f.client, f.scopes, s.sub, s.name, s.authenticated, t.kind, t.made, t.expires
			FROM openid_tokens t JOIN openid_families f ON f.family = t.family JOIN openid_sessions s ON s.session = f.session
			WHERE t.token = $1 AND NOT t.used AND t.expires > $2 AND NOT f.revoked AND f.expires > $2 AND `+live, token[:], micros(now))
		k.who.authenticated, k.made, k.expires = time.UnixMicro(at), time.UnixMicro(made), time.UnixMicro(expires)
		return err
	})
	return k, found, err
}

// revoke ends a token of a client, a refresh token with its whole family.
func (s *state) revoke(ctx context.Context, client string, token digest) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := exec(ctx, tx, `UPDATE openid_families SET revoked = TRUE WHERE client = $1
			AND family = (SELECT family FROM openid_tokens WHERE token = $2 AND kind = 'refresh')`, client, token[:]); err != nil {
			return err
		}
		_, err := exec(ctx, tx, `UPDATE openid_tokens SET used = TRUE WHERE token = $1 AND kind = 'access'
			AND family IN (SELECT family FROM openid_families WHERE client = $2)`, token[:], client)
		return err
	})
}
