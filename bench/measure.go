package main

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"
	"time"
)

const (
	// pairs is how often subject and reference are run in turn.
	pairs = 15
	// sample is how long one run is to last at least.
	sample = 40 * time.Millisecond
)

// A row is one line of the result. Against, AgainstNS and Ratio are null where
// there is nothing to compare with. A row of memory has its bytes in fields of
// their own, and null for the nanoseconds.
type row struct {
	Name         string   `json:"name"`
	NS           *float64 `json:"ns_per_op"`
	Against      *string  `json:"against"`
	AgainstNS    *float64 `json:"against_ns_per_op"`
	Ratio        *float64 `json:"ratio"`
	Bytes        *float64 `json:"bytes,omitempty"`
	AgainstBytes *float64 `json:"against_bytes,omitempty"`
}

// An op is measured: run does the work n times. What belongs to somebody else,
// before does first, off the clock; it may be nil. An op whose work and that of
// others cannot be told apart by a clock from outside has timed in place of both:
// it does the work n times and says how long that took.
type op struct {
	before func(n int) error
	run    func(n int) error
	timed  func(n int) (time.Duration, error)
}

// each is an op that does one thing n times.
func each(do func() error) op {
	return op{run: func(n int) error {
		for range n {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	}}
}

// A clock reads a time that only grows: the wall's, or this process's
// processor time.
type clock func() time.Duration

// A bench is an operation ready to run and what it is compared with, whose run
// is nil where there is nothing; done ends both.
type bench struct {
	own, reference op
	done           func()
}

// A subject is a row to be: setup makes the operations. One whose row is not the
// time of an operation has whole, which makes the row, and nothing else.
type subject struct {
	name, against string
	clock         clock
	sample        time.Duration // how long one run is to last at least, if not sample
	setup         func() (*bench, error)
	whole         func() (row, error)
}

// measure runs operation and reference in turn and returns the medians of both
// and of the ratios, pair by pair.
func (s subject) measure() (row, error) {
	if s.whole != nil {
		r, err := s.whole()
		r.Name = s.name
		if s.against != "" {
			r.Against = &s.against
		}
		return r, err
	}
	b, err := s.setup()
	if err != nil {
		return row{}, err
	}
	if b.done != nil {
		defer b.done()
	}
	if s.against == "" {
		b.reference = each(func() error { return nil })
	}
	n, err := s.calibrate(b.own)
	if err != nil {
		return row{}, err
	}
	m, err := s.calibrate(b.reference)
	if err != nil {
		return row{}, fmt.Errorf("reference %s: %w", s.against, err)
	}
	owns, references, ratios := make([]float64, pairs), make([]float64, pairs), make([]float64, pairs)
	for i := range pairs {
		if owns[i], err = s.time(b.own, n); err != nil {
			return row{}, err
		}
		if references[i], err = s.time(b.reference, m); err != nil {
			return row{}, err
		}
		ratios[i] = owns[i] / references[i]
	}
	ns := median(owns)
	r := row{Name: s.name, NS: &ns}
	if s.against != "" {
		ns, ratio := median(references), median(ratios)
		r.Against, r.AgainstNS, r.Ratio = &s.against, &ns, &ratio
	}
	return r, nil
}

// calibrate returns how often o must run to last a sample, a power of two.
func (s subject) calibrate(o op) (int, error) {
	for n := 1; ; n *= 2 {
		lasted, err := clock(wall).of(o, n)
		if err != nil {
			return 0, err
		}
		if lasted >= max(sample, s.sample) || n == 1<<20 {
			return n, nil
		}
	}
}

// time returns the nanoseconds of one of n operations.
func (s subject) time(o op, n int) (float64, error) {
	lasted, err := s.clock.of(o, n)
	return float64(lasted) / float64(n), err
}

// of returns how long n operations took.
func (c clock) of(o op, n int) (time.Duration, error) {
	if o.timed != nil {
		return o.timed(n)
	}
	if o.before != nil {
		if err := o.before(n); err != nil {
			return 0, err
		}
	}
	began := c()
	err := o.run(n)
	return c() - began, err
}

func median(x []float64) float64 {
	x = slices.SortedFunc(slices.Values(x), cmp.Compare[float64])
	return x[len(x)/2]
}

// wall is the time on the wall.
func wall() time.Duration { return time.Duration(time.Now().UnixNano()) }

// processor is the time that all threads of this process have spent on the
// processors, in user and kernel: for both ends of a connection together.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("bench: getrusage: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
