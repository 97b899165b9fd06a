//go:build linux

package interop

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/ceremony"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/webserver"
	"milagro.dev/wallet"
)

const domainName = "example.org"

// domain is a trust domain: its authorities are processes.
type domain struct {
	epoch     uint32 // of purpose channel, in seconds
	published *dta.Published
	members   []*member
}

// member is one authority.
type member struct {
	dir, address string
	card         *dkg.Card
	process      *process
}

func (m *member) url() string { return "http://" + m.address }

func (m *member) operator() *authority.Operator {
	return authority.NewOperator(authority.SocketPath(m.dir))
}

// newDomain makes a domain of three authorities, two of which make a key; it ends
// with the test.
func newDomain(t testing.TB, epoch uint32) *domain {
	t.Helper()
	addresses := must(webserver.FreeAddresses(3))(t)
	return foundDomain(t, epoch, addresses, func(_ int, args ...string) *exec.Cmd {
		return exec.Command(must(milagro())(t), args...)
	})
}

// foundDomain makes a domain whose authorities serve on these addresses; command
// prepares the process of the i-th one, on the host where it belongs.
func foundDomain(t testing.TB, epoch uint32, addresses []string, command func(i int, args ...string) *exec.Cmd) *domain {
	t.Helper()
	d := &domain{epoch: epoch}
	terms := dkg.Terms{Kind: dkg.Public, Domain: domainName, Threshold: uint32(len(addresses) - 1),
		Schedules: []dkg.Schedule{{Purpose: identity.Channel, Length: epoch}}}
	for i, address := range addresses {
		m := &member{dir: shortDir(t), address: address}
		protector := must(custody.NewKeyFile(filepath.Join(m.dir, "unseal.key")))(t)
		m.card = must(authority.Init(t.Context(), m.dir, protector, fmt.Sprintf("operator %d", i+1), m.url()))(t)
		m.process = startCommand(t, fmt.Sprintf("authority %d", i+1), command(i, "dta", "serve", "--dir", m.dir, "--listen", address))
		d.members = append(d.members, m)
		terms.Cards = append(terms.Cards, m.card)
	}
	plan := must(dkg.NewPlan(terms))(t)
	for _, m := range d.members {
		await(t, m.card.Name, m.answers)
		must(m.operator().SignPlan(t.Context(), plan.Bytes()))(t)
	}
	c := ceremony.Coordinator{Client: new(dta.Client), Plan: plan, Now: func() uint64 { return uint64(time.Now().Unix()) }}
	d.published = must(c.Run(t.Context()))(t)
	for _, m := range d.members {
		await(t, m.card.Name+" issues keys", m.ready)
	}
	return d
}

func (m *member) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := m.operator().Status(ctx); err != nil {
		return err
	}
	asking := http.Client{Timeout: time.Second}
	resp, err := asking.Get(m.url() + "/healthz")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (m *member) ready() error {
	s, err := m.operator().Status(context.Background())
	if err == nil && (!s.Ready || s.Domain == nil || !s.Domain.Fresh) {
		err = fmt.Errorf("not ready: %s", s.Why)
	}
	return err
}

// enrol enrols the members with these paths in a new wallet, and returns its
// directory.
func (d *domain) enrol(t testing.TB, paths ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "wallet")
	w := must(wallet.Open(wallet.Config{Dir: dir}))(t)
	must(w.Pin(t.Context(), d.members[0].url(), d.published.Document.ID()))(t)
	for _, path := range paths {
		must(w.Enrol(t.Context(), name(path), identity.Channel, d.codes(t, name(path))))(t)
	}
	return dir
}

// codes has every operator register a name.
func (d *domain) codes(t testing.TB, n identity.Name) map[uint32]dta.Code {
	t.Helper()
	codes := map[uint32]dta.Code{}
	for i, m := range d.members {
		made := must(m.operator().Register(t.Context(), []identity.Name{n}, identity.Channel, time.Now().Add(time.Hour)))(t)
		codes[uint32(i+1)] = must(dta.ParseCode(made[0].Code))(t)
	}
	return codes
}

// uri returns the name of the domain's member with this path, as text.
func uri(path string) string { return "spiffe://" + domainName + "/" + path }

func name(path string) identity.Name {
	n, err := identity.ParseName(uri(path))
	if err != nil {
		panic(err) // a constant of ours
	}
	return n
}

// shortDir returns a directory that ends with the test: the path of a socket has at
// most 107 bytes, and that of t.TempDir is long.
func shortDir(t testing.TB) string {
	t.Helper()
	dir := must(os.MkdirTemp("", "interop"))(t)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
