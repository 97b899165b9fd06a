package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/ceremony"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/login"
	"milagro.dev/wallet"
)

const (
	// townService is the login service of a town.
	townService = "login"
	// townPermits is the length of the epochs of its permits, in seconds.
	townPermits = 30 * 86_400
)

// townOperators approve at every authority of a town.
var townOperators = []string{"ann", "ben"}

// gatehouse is the login server of a town, a process with a directory of its own.
type gatehouse struct {
	town    *town
	dir     string
	log     string
	address string // where it listens
	origin  string
	config  string // file with settings; empty for none
	channel string // address over identity TLS; empty for none
	codes   string // file with the codes of its name there
	process *child
}

func (t *town) newGatehouse(address string) *gatehouse {
	return &gatehouse{town: t, dir: filepath.Join(t.dir, "login"), log: filepath.Join(t.dir, "logs", "login.log"), address: address,
		origin: "http://" + address}
}

func (g *gatehouse) operator() *login.Operator { return login.NewOperator(login.SocketPath(g.dir)) }

// start makes what is not there yet, serves, and waits until people can log in.
func (g *gatehouse) start(ctx context.Context) error {
	if err := g.prepare(ctx); err != nil {
		return err
	}
	return g.open(ctx)
}

// prepare makes the server's keys and the master of its service.
func (g *gatehouse) prepare(ctx context.Context) error {
	if err := g.init(ctx); err != nil {
		return err
	}
	return g.found(ctx)
}

// open serves and waits until people can log in.
func (g *gatehouse) open(ctx context.Context) error {
	if err := g.serve(ctx); err != nil {
		return err
	}
	if err := g.approve(ctx); err != nil {
		return err
	}
	return g.ready(ctx)
}

// init makes the keys in a process of their own.
func (g *gatehouse) init(ctx context.Context) error {
	if _, err := login.ReadCard(g.dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return runChild(ctx, "login init", g.log, "login", "init", "--dir", g.dir, "--service", townService, "--origin", g.origin,
		"--authority", g.town.members[0].url(), "--fingerprint", g.town.fingerprint().String())
}

// found has the authorities make the master of the service, unless the domain has
// it.
func (g *gatehouse) found(ctx context.Context) error {
	t := g.town
	if _, ok := t.published.Document.Service(townService); ok {
		return nil
	}
	plan, err := g.plan()
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

// plan returns the plan with which the service began, or writes one.
func (g *gatehouse) plan() (*dkg.Plan, error) {
	path := filepath.Join(g.town.dir, "login-plan.txt")
	if b, err := readArmour(path, nil); err == nil {
		return dkg.ParsePlan(b)
	}
	card, err := login.ReadCard(g.dir)
	if err != nil {
		return nil, err
	}
	var cards []*dkg.Card
	for _, m := range g.town.members {
		c, err := authority.ReadCard(m.dir)
		if err != nil {
			return nil, err
		}
		cards = append(cards, c)
	}
	d := g.town.published.Document
	plan, err := dkg.NewPlan(dkg.Terms{Kind: dkg.Pin, Domain: d.Domain(), Threshold: uint32(d.Threshold()), Cards: cards,
		Schedules: []dkg.Schedule{{Purpose: identity.Permit, Length: townPermits}},
		Service: &dkg.Service{DomainID: d.ID(), Name: card.Service, Origin: card.Origin, LoginKey: card.Bytes(),
			Revision: d.Revision(), DocumentHash: d.Hash()}})
	if err != nil {
		return nil, err
	}
	return plan, writeNew(path, 0o644, armour(plan.Bytes()))
}

// serve starts the login server's process and waits until it answers.
func (g *gatehouse) serve(ctx context.Context) error {
	args := []string{"login", "serve", "--dir", g.dir, "--listen", g.address}
	if g.config != "" {
		args = append(args, "--config", g.config)
	}
	if g.channel != "" {
		if err := g.enrol(ctx); err != nil {
			return err
		}
		args = append(args, "--channel-listen", g.channel, "--name", g.town.name(townService).String())
	}
	process, err := startServer("login server", g.log, args...)
	if err != nil {
		return err
	}
	g.process = process
	return await(ctx, process, func(ctx context.Context) error {
		if _, err := g.operator().Status(ctx); err != nil {
			return err
		}
		return answers(ctx, g.origin+"/healthz")
	})
}

// enrol gets the login server's own name its first channel key.
func (g *gatehouse) enrol(ctx context.Context) error {
	w, err := wallet.Open(wallet.Config{Dir: login.WalletDir(g.dir)})
	if err != nil {
		return err
	}
	return enrolOnce(ctx, w, enrolment{name: g.town.name(townService), url: g.town.members[0].url(), fingerprint: g.town.fingerprint(), codes: g.codes})
}

// approve has two operators at each authority approve the delivery of the server
// key, unless it was delivered.
func (g *gatehouse) approve(ctx context.Context) error {
	for i, m := range g.town.members {
		status, err := m.operator().Status(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(status.Services, func(s authority.ServiceState) bool { return s.Name == townService })
		if at < 0 {
			return fmt.Errorf("authority %d does not know service %s", i+1, townService)
		}
		if s := status.Services[at]; s.Delivered == 0 {
			if err := g.approveAt(ctx, m, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gatehouse) approveAt(ctx context.Context, m *member, s authority.ServiceState) error {
	for _, name := range townOperators {
		key, _, err := operatorKeyOrNew(m.dir + "-" + name + ".key")
		if err != nil {
			return err
		}
		if _, err := m.operator().Enter(ctx, name, publicOf(key)); err != nil {
			return err
		}
		if _, err := m.operator().Approve(ctx, key, s); err != nil {
			return err
		}
	}
	return nil
}

// ready waits until people can log in.
func (g *gatehouse) ready(ctx context.Context) error {
	return await(ctx, g.process, func(ctx context.Context) error {
		s, err := g.operator().Status(ctx)
		if err == nil && !s.Ready {
			err = errors.New(s.Why)
		}
		return err
	})
}

// stop ends the login server's process, if it runs.
func (g *gatehouse) stop() error {
	if g == nil || g.process == nil {
		return nil
	}
	defer func() { g.process = nil }()
	return g.process.stop()
}

func (t *town) person(user string) identity.Name {
	n, err := identity.ParseName("acct:" + user + "@" + t.domain)
	if err != nil {
		panic(err) // a constant of ours
	}
	return n
}

// registerPerson returns a one-time code of every authority for a login.
func (t *town) registerPerson(ctx context.Context, name identity.Name) (map[uint32]dta.Code, error) {
	codes := map[uint32]dta.Code{}
	for i, m := range t.members {
		made, err := m.operator().RegisterLogin(ctx, []identity.Name{name}, townService, time.Now().Add(24*time.Hour))
		if err != nil {
			return nil, err
		}
		if codes[uint32(i+1)], err = dta.ParseCode(made[0].Code); err != nil {
			return nil, err
		}
	}
	return codes, nil
}
