package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/store"
)

const pin = "472916"

// crowd is people enrolled at a login server by the authorities of a domain.
type crowd struct {
	domain  *authoritytest.Domain
	server  *logintest.Server
	people  []*visitor
	openID  login.OpenID
	process *process // serves them, from serve on
}

// newCrowd makes a domain of two authorities, a login server and n people with
// rows; all of them go the way that everybody goes.
func newCrowd(n int) (*crowd, error) {
	ctx := context.Background()
	domain, err := newDomain(2, 2)
	if err != nil {
		return nil, err
	}
	c := &crowd{domain: domain}
	if c.server, err = logintest.Make(ctx, logintest.Config{Domain: domain, Published: domain.Published}); err != nil {
		return nil, errors.Join(err, c.close())
	}
	for i := range n {
		c.people = append(c.people, &visitor{name: spread(i, n) + "-visitor"})
	}
	enrol := func(v *visitor) error { return v.enrol(ctx, c.server) }
	if err := c.all(enrol); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// spread returns the beginning of the ith of n names, which lie evenly in the
// alphabet: those who log in meet all parts of the tables.
func spread(i, n int) string { return fmt.Sprintf("%08x", uint64(i)<<32/uint64(n)) }

// all has everybody do something at once.
func (c *crowd) all(do func(*visitor) error) error { return everybody(c.people, do) }

func everybody[P any](people []P, do func(P) error) error {
	errs := make([]error, len(people))
	var group sync.WaitGroup
	for i, p := range people {
		group.Go(func() { errs[i] = do(p) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// fill stops the server and gives it rows of so many more devices, which nobody
// has. They are written into its database: no authority could enrol a million
// people in a benchmark, and to who logs in it is all the same.
func (c *crowd) fill(rows int) error {
	if err := c.server.Stop(); err != nil {
		return err
	}
	if rows <= 0 {
		return nil
	}
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{Path: filepath.Join(c.server.Dir, "state.db"), Schema: store.Login()})
	if err != nil {
		return err
	}
	service := c.people[0].login.Service
	err = db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `WITH RECURSIVE filler (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM filler WHERE i + 1 < $1)
			INSERT INTO devices (service, name, device, channel_kind, made)
			SELECT $2, printf('acct:%08x-filler@bench.example', (i << 32) / $1), randomblob(32), 0, 0 FROM filler`, rows, service[:])
		return err
	})
	return errors.Join(err, db.Close())
}

// serve starts the server again, in a process of its own.
func (c *crowd) serve(batching login.Batching) error {
	if err := c.server.Stop(); err != nil {
		return err
	}
	var err error
	if c.process, err = startLogin(c.server.Dir, c.server.KeyFile, c.address(), serving{batching, c.openID}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.server.AwaitReady(ctx); err != nil {
		return err
	}
	return c.all(func(v *visitor) error { return v.connect(c.address()) })
}

func (c *crowd) address() string { return c.server.URL()[len("http://"):] }

func (c *crowd) close() error {
	var errs []error
	for _, v := range c.people {
		v.hangUp()
	}
	http.DefaultClient.CloseIdleConnections()
	if c.process != nil {
		errs = append(errs, c.process.stop())
	}
	if c.server != nil {
		errs = append(errs, c.server.Close())
	}
	return errors.Join(append(errs, c.domain.Close())...)
}
