package oidc

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Clients are the applications of the configuration and of the database.
func (p *Provider) Clients(ctx context.Context) ([]Client, error) {
	list, err := p.state.clients(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range p.clients {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Client) int { return compare(a.ID, b.ID) })
	return list, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Client returns an application; fs.ErrNotExist if there is none of this ID. Other
// errors are those of the database.
func (p *Provider) Client(ctx context.Context, id string) (Client, error) {
	c, err := p.client(ctx, id)
	if errors.Is(err, errUnknownClient) {
		err = fmt.Errorf("client %.80q: %w", id, fs.ErrNotExist)
	}
	return c.Client, err
}

// AddClient adds an application, from when the transaction tx of the provider's
// database is committed. Errors: those of Client.Check, fs.ErrExist if there is one of
// its ID, and those of the database.
func (p *Provider) AddClient(ctx context.Context, tx *sql.Tx, c Client) error {
	if err := c.Check(); err != nil {
		return err
	}
	if _, ok := p.clients[c.ID]; ok {
		return fmt.Errorf("client %s: %w in the configuration", c.ID, fs.ErrExist)
	}
	added, err := addClient(ctx, tx, c, p.clock())
	if err == nil && !added {
		err = fmt.Errorf("client %s: %w", c.ID, fs.ErrExist)
	}
	return err
}

// RemoveClient removes an application that AddClient added, and ends its tokens.
// Errors: fs.ErrNotExist if there is none, and those of the database.
func (p *Provider) RemoveClient(ctx context.Context, id string) error {
	if !clientID.MatchString(id) { // no text that a database refuses
		return fmt.Errorf("client %.80q: %w in the database", id, fs.ErrNotExist)
	}
	removed, err := p.state.removeClient(ctx, id)
	if err == nil && !removed {
		err = fmt.Errorf("client %.80q: %w in the database", id, fs.ErrNotExist)
	}
	if err == nil {
		p.log.Info("client removed", "client", id)
	}
	return err
}

func addClient(ctx context.Context, tx *sql.Tx, c Client, now time.Time) (added bool, err error) {
	var hash []byte
	if c.Secret != nil {
		hash = c.Secret[:]
	}
	n, err := exec(ctx, tx, `INSERT INTO openid_clients (client, secret, redirects, post_logouts, made) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (client) DO NOTHING`, c.ID, hash, lines(c.Redirects), lines(c.PostLogouts), micros(now))
	return n == 1, err
}

// removeClient forgets a client and ends what it was given: another of its name gets
// none of it.
func (s *state) removeClient(ctx context.Context, id string) (removed bool, err error) {
	err = s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n, err := exec(ctx, tx, "DELETE FROM openid_clients WHERE client = $1", id)
		if removed = n == 1; err != nil || !removed {
			return err
		}
		_, err = exec(ctx, tx, "UPDATE openid_codes SET used = TRUE WHERE client = $1 AND NOT used", id)
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, "UPDATE openid_families SET revoked = TRUE WHERE client = $1 AND NOT revoked", id)
		return err
	})
	return removed, err
}

const clientColumns = "SELECT client, secret, redirects, post_logouts FROM openid_clients "

func scanClient(scan func(...any) error) (c Client, err error) {
	var hash []byte
	var redirects, postLogouts string
	if err := scan(&c.ID, &hash, &redirects, &postLogouts); err != nil {
		return c, err
	}
	c.Redirects, c.PostLogouts = unlines(redirects), unlines(postLogouts)
	if len(hash) > 0 {
		secret := [sha256.Size]byte(hash)
		c.Secret = &secret
	}
	return c, nil
}

func (s *state) client(ctx context.Context, id string) (c Client, found bool, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		c, err = scanClient(tx.QueryRowContext(ctx, clientColumns+"WHERE client = $1", id).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			found = false
			return nil
		}
		found = err == nil
		return err
	})
	return c, found, err
}

func (s *state) clients(ctx context.Context) (list []Client, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		list = nil
		found, err := tx.QueryContext(ctx, clientColumns+"ORDER BY client")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, found.Close()) }()
		for found.Next() {
			c, err := scanClient(found.Scan)
			if err != nil {
				return err
			}
			list = append(list, c)
		}
		return found.Err()
	})
	return list, err
}
