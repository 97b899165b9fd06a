package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// groupLimit bounds how many writes share a commit, and so how long the first
// of them waits for the last.
const groupLimit = 64

// group lets concurrent writes of one SQLite file share a transaction and so
// the one costly step, waiting for the disk. Its goroutine takes what is queued,
// lets one member after the other run in a savepoint of its own, commits once
// and then tells each what became of it. A lone write waits for nobody.
//
// A member runs its function in its own goroutine while it holds the
// transaction: a panic is its own, and the group goes on.
type group struct {
	pool  *sql.DB // one connection
	queue chan *member
	quit  chan struct{}
	once  sync.Once // closes quit
	ended chan struct{}
}

// member is one write that waits for its commit.
type member struct {
	ctx     context.Context
	turn    chan *sql.Tx // hands over the transaction
	ran     chan error   // hands it back, with the error of the function
	verdict chan error   // what Write returns; there is room for it
}

func newGroup(pool *sql.DB) *group {
	g := &group{pool: pool, queue: make(chan *member), quit: make(chan struct{}), ended: make(chan struct{})}
	go g.serve()
	return g
}

// close ends the group when the running transaction is done.
func (g *group) close() {
	g.once.Do(func() { close(g.quit) })
	<-g.ended
}

// write runs fn as a member of the next transaction. The transaction belongs to
// other members too, and SQLite ends all of it when it interrupts a statement:
// so fn does not see ctx end. A member whose ctx has ended is not kept.
func (g *group) write(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	m := &member{ctx: ctx, turn: make(chan *sql.Tx), ran: make(chan error), verdict: make(chan error, 1)}
	select {
	case g.queue <- m:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.quit:
		return fmt.Errorf("%w: closed", ErrUnavailable)
	}
	unstarted := ctx.Done()
	for {
		select {
		case tx := <-m.turn:
			unstarted = nil // from here on only the verdict says what was kept
			m.run(tx, fn)
		case err := <-m.verdict:
			return err
		case <-unstarted:
			return ctx.Err()
		}
	}
}

// run calls fn, unless ctx has ended, and hands the transaction back, whatever
// fn does.
func (m *member) run(tx *sql.Tx, fn func(context.Context, *sql.Tx) error) {
	err := m.ctx.Err()
	defer func() { m.ran <- err }()
	if err != nil {
		return
	}
	err = errors.New("the function of a write did not return")
	err = fn(context.WithoutCancel(m.ctx), tx)
}

func (g *group) serve() {
	defer close(g.ended)
	for {
		select {
		case m := <-g.queue:
			g.share(g.gather(m))
		case <-g.quit:
			return
		}
	}
}

// gather returns first and who else is waiting now.
func (g *group) gather(first *member) []*member {
	members := []*member{first}
	for len(members) < groupLimit {
		select {
		case m := <-g.queue:
			members = append(members, m)
		default:
			return members
		}
	}
	return members
}

// share commits members together. When one of them breaks the transaction, it
// alone has failed: nothing was kept, and the others run again, each in a
// transaction of its own.
func (g *group) share(members []*member) {
	broken := g.commit(members)
	if broken == nil {
		return
	}
	for _, m := range members {
		if m != broken {
			g.commit([]*member{m})
		}
	}
}

// commit runs members in one transaction and gives each its verdict after the
// commit: also who failed by itself may have read what others wrote, and when
// that was not kept, its failure means nothing. If a member breaks the
// transaction, it is returned and is the only one with a verdict.
func (g *group) commit(members []*member) (broken *member) {
	outcomes := make([]error, len(members))
	tx, err := g.pool.BeginTx(context.Background(), nil)
	if err != nil {
		err = &stepError{step: "begin", err: err}
	}
	for i := 0; i < len(members) && err == nil; i++ {
		var fault error
		if outcomes[i], fault = members[i].take(tx); fault != nil {
			tx.Rollback() // says nothing new
			members[i].verdict <- fault
			return members[i]
		}
	}
	if err == nil {
		if err = tx.Commit(); err != nil {
			err = &stepError{step: commit, err: err}
		}
	}
	for i, m := range members {
		if err != nil {
			outcomes[i] = err
		}
		m.verdict <- outcomes[i]
	}
	return nil
}

// take lets m run in a savepoint of tx. outcome is the failure of m alone, of
// which tx shows nothing any more; fault is what broke tx: SQLite has rolled all
// of it back, as it does when the disk is full.
func (m *member) take(tx *sql.Tx) (outcome, fault error) {
	if _, err := tx.Exec("SAVEPOINT member"); err != nil {
		return nil, &stepError{step: "savepoint", err: err}
	}
	select {
	case m.turn <- tx:
		outcome = <-m.ran
	case <-m.ctx.Done():
	}
	if outcome == nil {
		outcome = m.ctx.Err()
	}
	if outcome != nil {
		if _, err := tx.Exec("ROLLBACK TO member"); err != nil {
			return nil, outcome // the cause of err
		}
	}
	if _, err := tx.Exec("RELEASE member"); err != nil {
		return nil, &stepError{step: "release", err: err}
	}
	return outcome, nil
}
