package main

import (
	"context"
	"errors"
	"math"
	"net/http"

	"milagro.dev/internal/login"
)

// refusalTiming is the largest difference between the median time of a refusal,
// of who is unknown, revoked or locked, and that of a wrong PIN. One client asks, in
// turn for each of the four; each device types as many wrong PINs as do not lock.
func refusalTiming(devices, wrong int) (r row, err error) {
	c, err := newCrowd(devices + 2)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	cases, err := c.refused(devices)
	if err != nil {
		return r, err
	}
	var times [len(cases)][]float64
	for i := range devices * wrong {
		for k, who := range cases {
			lasted, err := who[i%len(who)].refusal()
			if err != nil {
				return r, err
			}
			times[k] = append(times[k], lasted)
		}
	}
	reference, largest := median(times[0]), 0.0
	for _, t := range times[1:] {
		largest = max(largest, math.Abs(median(t)-reference))
	}
	ratio := largest / reference
	return row{NS: &largest, AgainstNS: &reference, Ratio: &ratio}, nil
}

// refused makes people, connected to a server of their own, who are refused: for a
// wrong PIN, as nobody knows them, as they are revoked, as they are locked.
func (c *crowd) refused(devices int) (cases [4][]*visitor, err error) {
	ctx := context.Background()
	stranger, err := c.server.NewDevice("acct:stranger@bench.example")
	if err != nil {
		return cases, err
	}
	known := c.people
	nobody := &visitor{name: "stranger", login: known[0].login, secrets: known[0].secrets}
	nobody.login.Name, nobody.login.Device, nobody.secrets.Signer = stranger.Name, stranger.Device, stranger.Signer
	token := known[0].secrets.Token
	for i, v := range known { // nobody has his own token: what each proves is wrong
		next := token
		if i+1 < len(known) {
			next = known[i+1].secrets.Token
		}
		v.secrets.Token = next
	}
	cases = [4][]*visitor{known[:devices], {nobody}, {known[devices]}, {known[devices+1]}}
	c.people = append(c.people, nobody)
	if err := c.serve(login.Batched); err != nil {
		return cases, err
	}
	if _, err := c.server.Operator().Revoke(ctx, known[devices].login.Name, nil); err != nil {
		return cases, err
	}
	for range 5 { // so many lock
		if _, err := known[devices+1].refusal(); err != nil {
			return cases, err
		}
	}
	return cases, nil
}

// refusal logs in, is refused, and returns the nanoseconds of the second pass.
func (v *visitor) refusal() (float64, error) {
	if err := errors.Join(v.prepare(1), v.served()); err != nil {
		return 0, err
	}
	if err := v.prove(); err != nil {
		return 0, err
	}
	began := wall()
	err := v.pass(http.StatusForbidden)
	return float64(wall() - began), err
}
