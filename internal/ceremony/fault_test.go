package ceremony_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/ceremony"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
)

// cheat is an authority of the test's own making: a true dkg.Party, and a
// commit that fixes something else than it reveals.
type cheat struct {
	key  ed25519.PrivateKey
	plan *dkg.Plan
	// accuse, when it is there, is sent as blame at every step.
	accuse []byte

	mu    sync.Mutex
	party *dkg.Party
}

// withCheat returns a plan of two true authorities and, third, the cheat.
func withCheat(t *testing.T, c *cheat) *dkg.Plan {
	t.Helper()
	d := prepare(t, 2, 2)
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil || len(public) == 0 {
		t.Fatal(err)
	}
	box, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	card, err := dkg.SignCard(key, "Mallory", server.URL, box.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	c.key = key
	c.plan, err = dkg.NewPlan(dkg.Terms{Kind: dkg.Public, Domain: "example.org", Threshold: 2, Schedules: d.Plan.Schedules(),
		Cards: append(d.Plan.Cards(), card)})
	if err != nil {
		t.Fatal(err)
	}
	sign(t, d, c.plan)
	return c.plan
}

func sign(t *testing.T, d *authoritytest.Domain, plan *dkg.Plan) {
	t.Helper()
	for _, m := range d.Members {
		if _, err := m.Operator().SignPlan(t.Context(), plan.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
}

// ServeHTTP answers the calls of a ceremony.
func (c *cheat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var in struct {
		Message []byte
		Step    dkg.Step
	}
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			problem.Write(w, problem.New(problem.Malformed, "%v", err))
			return
		}
	}
	out, err := c.answer(r.URL.Path, in.Message, in.Step)
	if err != nil {
		problem.Write(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

func (c *cheat) answer(path string, received []byte, step dkg.Step) (any, error) {
	message := func(b []byte, err error) (any, error) { return map[string][]byte{"message": b}, err }
	switch call := strings.TrimPrefix(path, "/v1/ceremony/"); call {
	case "start":
		party, contribution, err := dkg.NewParty(c.plan, 3, c.key)
		c.party = party
		return message(contribution, err)
	case "message":
		return struct{}{}, c.party.Receive(received)
	case "next":
		return message(c.next(step))
	default:
		return dta.CeremonyState{State: "signed"}, nil
	}
}

func (c *cheat) next(step dkg.Step) ([]byte, error) {
	if c.accuse != nil {
		p := problem.New(problem.CeremonyMessage, "it was authority 1")
		p.Blame = c.accuse
		return nil, p
	}
	own, err := c.party.Next(step)
	if err != nil || step != dkg.Commit {
		return own, err
	}
	id, _ := c.party.ID()
	return encoding.Sign(c.key, encoding.LP("milagro/v1 commit", id[:], encoding.U32(3), make([]byte, 32))), nil
}

func TestRunConvictsACheat(t *testing.T) {
	plan := withCheat(t, &cheat{})
	_, err := coordinator(plan).Run(t.Context())
	var proved *ceremony.Conviction
	if !errors.As(err, &proved) {
		t.Fatalf("error %v", err)
	}
	if proved.Verdict.Index != 3 || proved.Verdict.Name != "Mallory" || proved.Verdict.Offence != dkg.Uncommitted {
		t.Errorf("verdict %+v", proved.Verdict)
	}
	again, err := dkg.Judge(proved.File)
	if err != nil || again.Index != 3 || again.Plan.Hash() != plan.Hash() {
		t.Errorf("the file convicts %+v, %v", again, err)
	}
	if !strings.Contains(proved.Error(), "authority 3 (Mallory) is at fault") || proved.Hint() == "" {
		t.Errorf("error %v, hint %q", proved, proved.Hint())
	}
}

func TestNothingIsMadeWithACheat(t *testing.T) {
	plan := withCheat(t, &cheat{})
	for range 2 {
		if _, err := coordinator(plan).Run(t.Context()); err == nil {
			t.Fatal("a domain was made")
		}
	}
	for _, card := range plan.Cards()[:2] {
		_, err := new(dta.Client).Domain(t.Context(), card.URL)
		if !errors.Is(err, problem.NotActive) {
			t.Errorf("%s: %v", card.Name, err)
		}
		state, err := new(dta.Client).Ceremony(t.Context(), card.URL, plan.Hash())
		if err != nil || len(state.Confirm) != 0 {
			t.Errorf("%s confirmed: %+v, %v", card.Name, state, err)
		}
	}
}

func TestAFalseAccusationConvictsNobody(t *testing.T) {
	for _, file := range [][]byte{[]byte("it was him"), bytes.Repeat([]byte("A"), 1000), []byte(hex.EncodeToString(make([]byte, 500)))} {
		plan := withCheat(t, &cheat{accuse: file})
		_, err := coordinator(plan).Run(t.Context())
		var proved *ceremony.Conviction
		var fault *ceremony.Fault
		if errors.As(err, &proved) || !errors.As(err, &fault) || fault.Index != 3 || !errors.Is(err, dkg.ErrNoBlame) {
			t.Errorf("error %v", err)
		}
	}
}
