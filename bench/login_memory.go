package main

import (
	"errors"

	"milagro.dev/internal/login"
)

// sessionsMemory is the memory of a login server with so many logins between their
// two passes, against the same server when it has served as many and has none.
func sessionsMemory(sessions int) (r row, err error) {
	c, err := newCrowd(few)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.serve(login.Batched); err != nil {
		return r, err
	}
	each := (sessions + few - 1) / few
	if _, err := c.logins(each * few); err != nil {
		return r, err
	}
	none, err := c.process.settle()
	if err != nil {
		return r, err
	}
	begin := func(v *visitor) error { return errors.Join(v.prepare(each), v.served()) }
	if err := c.all(begin); err != nil {
		return r, err
	}
	open, err := c.process.settle()
	own, other := float64(open.Resident), float64(none.Resident)
	ratio := own / other
	return row{Bytes: &own, AgainstBytes: &other, Ratio: &ratio}, err
}
