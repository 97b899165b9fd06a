package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"milagro.dev/internal/login"
)

const (
	// cores are those that the login server has, and what it is compared with.
	cores = 2
	// visitors log in at once, each on a connection of its own; few of them where only
	// the difference of two servers counts.
	visitors, few = 256, 64
	// crowded is how long a run of a login server lasts at least.
	crowded = 300 * time.Millisecond
)

var loginSubjects = slices.Concat([]subject{
	{name: "login-server", against: bareArgon, clock: wall, sample: crowded, setup: loginServer(login.Batched)},
	{name: "login-server-single", against: bareArgon, clock: wall, sample: crowded, setup: loginServer(login.Singly)},
}, loginRows(100, 10_000, 1_000_000), []subject{
	{name: "login-sessions-memory", against: "login-sessions-none", whole: func() (row, error) { return sessionsMemory(10_000) }},
	{name: "refusal-timing", against: "refusal-wrong-pin", whole: func() (row, error) { return refusalTiming(60, 4) }},
})

// loginServer is whole logins at a login server in a process of its own, against
// what a server that checks passwords can do at most: as many Argon2id as fit on
// the same cores.
func loginServer(batching login.Batching) func() (*bench, error) {
	return func() (*bench, error) {
		own, done, err := crowdOf(batching, visitors, 0)
		return &bench{own: own, reference: argonEverywhere(), done: done}, err
	}
}

// argonEverywhere is argon2id on all cores at once.
func argonEverywhere() op {
	password, salt := []byte("correct horse"), make([]byte, 16)
	return op{run: func(n int) error {
		var group sync.WaitGroup
		for core := range cores {
			group.Go(func() {
				for range (n + core) / cores {
					argon2.IDKey(password, salt, argonTime, argonMemory, argonThreads, 32)
				}
			})
		}
		group.Wait()
		return nil
	}}
}

// loginRows is whole logins at a server that knows so many devices, against one
// that knows the first count of them: the cost must not grow.
func loginRows(counts ...int) []subject {
	var list []subject
	for _, rows := range counts {
		s := subject{name: fmt.Sprintf("login-rows-%d", rows), clock: wall, sample: crowded, setup: func() (*bench, error) {
			own, done, err := crowdOf(login.Batched, few, rows)
			if err != nil || rows == counts[0] {
				return &bench{own: own, done: done}, err
			}
			reference, doneReference, err := crowdOf(login.Batched, few, counts[0])
			return &bench{own: own, reference: reference, done: func() { done(); doneReference() }}, err
		}}
		if rows != counts[0] {
			s.against = list[0].name
		}
		list = append(list, s)
	}
	return list
}

// crowdOf is whole logins of so many people at a server that has so many rows, or
// only theirs.
func crowdOf(batching login.Batching, people, rows int) (op, func(), error) {
	c, err := newCrowd(people)
	if err != nil {
		return op{}, nil, err
	}
	if err := errors.Join(c.fill(rows-people), c.serve(batching)); err != nil {
		return op{}, nil, errors.Join(err, c.close())
	}
	return op{timed: c.logins}, func() { c.close() }, nil
}

// logins has n people, or a few more, log in, and returns how long n such logins
// take the server. What clients compute is done before, off the clock: everybody
// finishes the logins that began in the run before, and begins after each of them
// one for the run to come. So the server meets both passes at once, as it does all
// day. The driver's own part is taken off, the bytes that it writes and reads on the
// same cores; but never does a login take less than the server's processor time
// spread over the cores.
func (c *crowd) logins(n int) (time.Duration, error) {
	each := (n + len(c.people) - 1) / len(c.people)
	if err := c.all(func(v *visitor) error { return v.turn(each) }); err != nil {
		return 0, err
	}
	lasted, err := c.timed(func() error { return c.all((*visitor).served) })
	for _, v := range c.people {
		v.begun()
	}
	return lasted * time.Duration(n) / time.Duration(each*len(c.people)), err
}

// timed has everybody do something at once, and returns how long it took the
// server.
func (c *crowd) timed(do func() error) (time.Duration, error) {
	before, err := c.process.usage()
	if err != nil {
		return 0, err
	}
	began, own := wall(), processor()
	if err := do(); err != nil {
		return 0, err
	}
	lasted, driven := wall()-began, processor()-own
	after, err := c.process.usage()
	served := time.Duration(after.Processor - before.Processor)
	return max(lasted-driven/cores, served/cores), err
}
