// Package kill runs whole ceremonies between real processes and kills one of
// them, kill -9, after each message that it answers.
package kill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/ceremony"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/webserver"
)

// TestCeremonyWithEachPartyKilledAfterEachMessage prints the table of
// outcomes: what it took until all authorities served one document.
func TestCeremonyWithEachPartyKilledAfterEachMessage(t *testing.T) {
	binary := build(t)
	for _, size := range [][2]int{{3, 3}, {2, 3}} {
		t.Run(fmt.Sprintf("%d of %d", size[0], size[1]), func(t *testing.T) {
			t.Parallel()
			messages := count(t, binary, size)
			table := newTable(size[1], messages)
			for victim := 1; victim <= size[1]; victim++ {
				for message := 1; message <= len(messages); message++ {
					outcome := killed(t, binary, size, victim, message)
					table.set(victim, message, outcome)
				}
			}
			t.Logf("%d of %d, an authority killed after each message it answers:\n%s", size[0], size[1], table)
		})
	}
}

// count runs one ceremony undisturbed and returns what the first authority
// answered, in order.
func count(t *testing.T, binary string, size [2]int) []string {
	w := newWorld(t, binary, size)
	if _, err := w.coordinator(http.DefaultTransport).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	k := &killer{world: newWorld(t, binary, size), victim: 0, after: -1}
	if _, err := k.world.coordinator(k).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k.answered
}

// killed runs a ceremony in which the victim is killed after a message, and
// says what it took to end it. Whatever happens on the way, all serve one
// document in the end, and before that none serves any.
func killed(t *testing.T, binary string, size [2]int, victim, message int) string {
	t.Helper()
	w := newWorld(t, binary, size)
	defer w.stop()
	k := &killer{world: w, victim: victim - 1, after: message}
	var runs []string
	published, err := w.coordinator(k).Run(t.Context())
	var stuck *ceremony.Stuck
	for tries := 0; err != nil && tries < 3; tries++ {
		w.noneServes(t)
		again := "run again"
		if errors.As(err, &stuck) {
			w.sign(t)
			again = "signed again"
		}
		runs = append(runs, again)
		published, err = w.coordinator(http.DefaultTransport).Run(t.Context())
	}
	if err != nil {
		t.Fatalf("authority %d killed after message %d: %v", victim, message, err)
	}
	if !k.killed {
		return "not reached"
	}
	w.allServe(t, published)
	if runs == nil {
		return "went on"
	}
	return strings.Join(runs, ", ")
}

// killer carries requests and kills its victim, once, when it has answered so
// many of them, before the answer is passed on.
type killer struct {
	world  *world
	victim int
	after  int

	mu       sync.Mutex
	answered []string
	killed   bool
}

// RoundTrip implements http.RoundTripper.
func (k *killer) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || r.URL.Host != k.world.parties[k.victim].address {
		return resp, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answered = append(k.answered, step(r.URL.Path))
	if k.killed || len(k.answered) != k.after {
		return resp, nil
	}
	k.killed = true
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp, k.world.parties[k.victim].restart()
}

// step names a call by the end of its path.
func step(path string) string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/v1/"), "ceremony/")
	if len(path) == 64 {
		return "state"
	}
	return path
}

// world is the authorities of one ceremony, each a process.
type world struct {
	plan    *dkg.Plan
	parties []*party
}

type party struct {
	binary, dir, address string
	cmd                  *exec.Cmd
}

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "milagro")
	if out, err := exec.Command("go", "build", "-o", binary, "milagro.dev/cmd/milagro").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

func newWorld(t *testing.T, binary string, size [2]int) *world {
	t.Helper()
	w := &world{}
	t.Cleanup(w.stop)
	terms := dkg.Terms{Kind: dkg.Public, Domain: "example.org", Threshold: uint32(size[0]), Schedules: []dkg.Schedule{{Purpose: identity.Channel, Length: 86_400}}}
	addresses, err := webserver.FreeAddresses(size[1])
	if err != nil {
		t.Fatal(err)
	}
	for i, address := range addresses {
		p := &party{binary: binary, dir: filepath.Join(t.TempDir(), "dta"), address: address}
		if err := os.Mkdir(p.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		protector, err := custody.NewKeyFile(filepath.Join(p.dir, "unseal.key"))
		if err != nil {
			t.Fatal(err)
		}
		card, err := authority.Init(t.Context(), p.dir, protector, fmt.Sprintf("operator %d", i+1), "http://"+p.address)
		if err != nil {
			t.Fatal(err)
		}
		terms.Cards = append(terms.Cards, card)
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		w.parties = append(w.parties, p)
	}
	plan, err := dkg.NewPlan(terms)
	if err != nil {
		t.Fatal(err)
	}
	w.plan = plan
	w.sign(t)
	return w
}

// start runs the process and waits until it answers.
func (p *party) start() error {
	p.cmd = exec.Command(p.binary, "dta", "serve", "--dir", p.dir, "--listen", p.address, "--log-level", "error")
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if p.answers() == nil {
			return nil
		}
	}
	return fmt.Errorf("authority does not answer: %w", p.answers())
}

// answers returns nil once the operator and everybody else can ask.
func (p *party) answers() error {
	if _, err := authority.NewOperator(authority.SocketPath(p.dir)).Status(context.Background()); err != nil {
		return err
	}
	resp, err := http.Get("http://" + p.address + "/v1/card")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (p *party) restart() error {
	p.kill()
	return p.start()
}

func (p *party) kill() {
	if p.cmd != nil && p.cmd.ProcessState == nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
}

func (w *world) stop() {
	for _, p := range w.parties {
		p.kill()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// sign has every operator agree to the plan.
func (w *world) sign(t *testing.T) {
	t.Helper()
	for _, p := range w.parties {
		if _, err := authority.NewOperator(authority.SocketPath(p.dir)).SignPlan(t.Context(), w.plan.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) coordinator(transport http.RoundTripper) *ceremony.Coordinator {
	return &ceremony.Coordinator{Client: &dta.Client{HTTP: &http.Client{Transport: transport}}, Plan: w.plan,
		Now: func() uint64 { return uint64(time.Now().Unix()) }, Patience: 5 * time.Second}
}

// noneServes fails if an authority serves a domain before the ceremony ended:
// no half of it may be activated, unless all have what they need to follow.
func (w *world) noneServes(t *testing.T) {
	t.Helper()
	var served [][32]byte
	for _, p := range w.parties {
		if published, err := new(dta.Client).Domain(context.Background(), "http://"+p.address); err == nil {
			served = append(served, published.Document.Hash())
		}
	}
	for _, hash := range served {
		if hash != served[0] {
			t.Error("two authorities serve different documents")
		}
	}
}

func (w *world) allServe(t *testing.T, want *dta.Published) {
	t.Helper()
	for i, p := range w.parties {
		published, err := new(dta.Client).Domain(t.Context(), "http://"+p.address)
		if err != nil {
			t.Errorf("authority %d: %v", i+1, err)
			continue
		}
		if err := published.Verify(want.Document.ID()); err != nil || published.Document.Hash() != want.Document.Hash() {
			t.Errorf("authority %d serves another document (%v)", i+1, err)
		}
	}
}

// table is what the test prints.
type table struct {
	messages []string
	cells    [][]string
}

func newTable(parties int, messages []string) *table {
	tb := &table{messages: messages}
	for range messages {
		tb.cells = append(tb.cells, make([]string, parties))
	}
	return tb
}

func (tb *table) set(victim, message int, outcome string) { tb.cells[message-1][victim-1] = outcome }

// String lays the table out, a row for each message.
func (tb *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "killed after\t")
	for i := range tb.cells[0] {
		fmt.Fprintf(w, "authority %d\t", i+1)
	}
	fmt.Fprintln(w)
	for i, row := range tb.cells {
		fmt.Fprintf(w, "%d %s\t%s\t\n", i+1, tb.messages[i], strings.Join(row, "\t"))
	}
	w.Flush()
	return b.String()
}
