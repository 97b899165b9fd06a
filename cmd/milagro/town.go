package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/ceremony"
	"milagro.dev/internal/dkg"
)

// town is a trust domain on this machine: each authority a process with a
// directory of its own, under one directory.
type town struct {
	dir       string
	domain    string
	threshold int
	epoch     uint32   // of purpose channel, in seconds
	flags     []string // what the domain states of itself
	members   []*member
	published *dta.Published
}

// member is one authority of a town.
type member struct {
	name    string
	dir     string
	log     string
	address string
	config  string // file with settings; empty for none
	process *child
}

func newTown(dir, domain string, threshold int, epoch uint32, addresses []string) *town {
	t := &town{dir: dir, domain: domain, threshold: threshold, epoch: epoch}
	for i, address := range addresses {
		name := fmt.Sprintf("dta-%d", i+1)
		t.members = append(t.members, &member{name: fmt.Sprintf("operator %d", i+1), address: address,
			dir: filepath.Join(dir, name), log: filepath.Join(dir, "logs", name+".log")})
	}
	return t
}

func (m *member) url() string { return "http://" + m.address }

func (m *member) operator() *authority.Operator {
	return authority.NewOperator(authority.SocketPath(m.dir))
}

// start serves an authority, after making its keys if it has none.
func (m *member) start(ctx context.Context) error {
	if _, err := authority.ReadCard(m.dir); errors.Is(err, os.ErrNotExist) {
		if err := m.init(ctx); err != nil {
			return err
		}
	}
	args := []string{"dta", "serve", "--dir", m.dir, "--listen", m.address}
	if m.config != "" {
		args = append(args, "--config", m.config)
	}
	return m.run(ctx, args...)
}

// init makes the keys in a process of their own.
func (m *member) init(ctx context.Context) error {
	return runChild(ctx, "dta init", m.log, "dta", "init", "--dir", m.dir, "--name", m.name, "--url", m.url())
}

// run starts the authority's process and waits until it answers.
func (m *member) run(ctx context.Context, args ...string) error {
	process, err := startServer(m.name, m.log, args...)
	if err != nil {
		return err
	}
	m.process = process
	return await(ctx, process, func(ctx context.Context) error {
		if _, err := m.operator().Status(ctx); err != nil {
			return err
		}
		return answers(ctx, m.url()+"/healthz")
	})
}

// stop ends the authority's process, if it runs.
func (m *member) stop() error {
	if m.process == nil {
		return nil
	}
	defer func() { m.process = nil }()
	return m.process.stop()
}

// upWithin is how long a process may take to answer.
const upWithin = time.Minute

// await asks until the answer is nil, as long as process lives.
func await(ctx context.Context, process *child, ask func(context.Context) error) error {
	waiting, cancel := context.WithTimeout(ctx, upWithin)
	defer cancel()
	for {
		err := ask(waiting)
		if err == nil {
			return nil
		}
		select {
		case <-process.over:
			return process.failure()
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-waiting.Done():
			return process.lastWords(fmt.Errorf("%s is not ready after %v: %w", process.name, upWithin, err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answers returns nil iff url answers 200.
func answers(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// start serves all authorities and makes their master, unless they have one.
func (t *town) start(ctx context.Context) error {
	var starting errgroup.Group
	for _, m := range t.members {
		starting.Go(func() error { return m.start(ctx) })
	}
	if err := starting.Wait(); err != nil {
		return err
	}
	plan, err := t.plan()
	if err != nil {
		return err
	}
	for _, m := range t.members {
		if _, err := m.operator().SignPlan(ctx, plan.Bytes()); err != nil {
			return err
		}
	}
	c := ceremony.Coordinator{Client: new(dta.Client), Plan: plan, Now: unixNow}
	if t.published, err = c.Run(ctx); err != nil {
		return err
	}
	return t.ready(ctx)
}

// plan returns the plan that the town began with, or writes one.
func (t *town) plan() (*dkg.Plan, error) {
	path := filepath.Join(t.dir, "plan.txt")
	if b, err := readArmour(path, nil); err == nil {
		return dkg.ParsePlan(b)
	}
	terms := dkg.Terms{Kind: dkg.Public, Domain: t.domain, Threshold: uint32(t.threshold), Flags: t.flags,
		Schedules: []dkg.Schedule{{Purpose: identity.Channel, Length: t.epoch}, {Purpose: identity.Decrypt, Length: 86_400}}}
	for _, m := range t.members {
		card, err := authority.ReadCard(m.dir)
		if err != nil {
			return nil, err
		}
		terms.Cards = append(terms.Cards, card)
	}
	plan, err := dkg.NewPlan(terms)
	if err != nil {
		return nil, err
	}
	return plan, writeNew(path, 0o644, armour(plan.Bytes()))
}

// ready waits until every authority issues keys from a stamped document.
func (t *town) ready(ctx context.Context) error {
	for _, m := range t.members {
		err := await(ctx, m.process, func(ctx context.Context) error {
			s, err := m.operator().Status(ctx)
			if err == nil && (!s.Ready || s.Domain == nil || !s.Domain.Fresh) {
				err = fmt.Errorf("%s is not ready: %s", m.url(), s.Why)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *town) fingerprint() identity.DomainID { return t.published.Document.ID() }

func (t *town) name(path string) identity.Name {
	n, err := identity.ParseName("spiffe://" + t.domain + "/" + path)
	if err != nil {
		panic(err) // a constant of ours
	}
	return n
}

// register returns a one-time code of every authority that runs.
func (t *town) register(ctx context.Context, name identity.Name) (map[uint32]dta.Code, error) {
	codes := map[uint32]dta.Code{}
	for i, m := range t.members {
		if m.process == nil {
			continue
		}
		made, err := m.operator().Register(ctx, []identity.Name{name}, identity.Channel, time.Now().Add(time.Hour))
		if err != nil {
			return nil, err
		}
		if codes[uint32(i+1)], err = dta.ParseCode(made[0].Code); err != nil {
			return nil, err
		}
	}
	return codes, nil
}

// stop ends all authorities.
func (t *town) stop() error {
	var errs []error
	for _, m := range t.members {
		errs = append(errs, m.stop())
	}
	return errors.Join(errs...)
}
