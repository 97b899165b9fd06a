package dkg

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

// Step is a round of a run.
type Step string

// The rounds in which a Party speaks after its contribution.
const (
	Commit  Step = "commit"
	Reveal  Step = "reveal"
	Confirm Step = "confirm"
)

var (
	// ErrWaiting says that messages of others are missing for the step.
	ErrWaiting = errors.New("ceremony waits for messages")
	// ErrOver says that the party has confirmed, aborted or been erased.
	ErrOver = errors.New("this run is over here")
)

// Result is what a run gives an authority: to be made durable, sealed, before
// its confirmation leaves.
type Result struct {
	ID      [32]byte
	Share   keys.MasterShare
	Confirm []byte // the signed message
}

// Party is one authority in one run of a plan. Its owner serialises the calls.
type Party struct {
	plan  *Plan
	index uint32
	key   ed25519.PrivateKey

	boxes         map[uint32]hpke.PrivateKey // by dealer; memory only
	contributions []*message
	parsed        []*contribution
	id            [32]byte
	known         bool // id is fixed

	poly    *vss.Polynomial
	own     []byte // body of the own reveal
	commits []*message
	reveals []*message
	result  *Result
	over    bool
}

// NewParty begins a run of plan for the authority index, whose card's key is
// key, and returns its signed contribution with the machine.
func NewParty(plan *Plan, index uint32, key ed25519.PrivateKey) (*Party, []byte, error) {
	card := plan.card(index)
	if card == nil || !card.Ed25519.Equal(key.Public()) {
		return nil, nil, fmt.Errorf("%w: authority %d has another key", ErrPlan, index)
	}
	n := plan.Size()
	p := &Party{plan: plan, index: index, key: key, boxes: map[uint32]hpke.PrivateKey{},
		contributions: make([]*message, n), parsed: make([]*contribution, n), commits: make([]*message, n), reveals: make([]*message, n)}
	c := &contribution{plan: plan.Hash(), index: index, keys: map[uint32]hpke.PublicKey{}}
	rand.Read(c.random[:])
	for _, dealer := range others(n, index) {
		box, err := hpke.MLKEM768X25519().GenerateKey()
		if err != nil {
			return nil, nil, fmt.Errorf("make ceremony key: %w", err)
		}
		p.boxes[dealer], c.keys[dealer] = box, box.PublicKey()
	}
	signed := encoding.Sign(key, c.encode(n))
	return p, signed, p.Receive(signed)
}

// ID returns the run's id, once all contributions are in.
func (p *Party) ID() ([32]byte, bool) { return p.id, p.known }

// Receive takes a signed contribution, commit or reveal of any authority.
// Handed twice it changes nothing. ErrWaiting: it is of a run whose
// contributions are not all here. A second, different message of one sender
// and round is a *Blame.
func (p *Party) Receive(signed []byte) error {
	if p.over {
		return ErrOver
	}
	m, err := openMessage(p.plan, signed)
	if err != nil {
		return err
	}
	if m.label == contributionLabel {
		return p.receiveContribution(m)
	}
	if !p.known {
		return ErrWaiting
	}
	if m.id != p.id {
		return fmt.Errorf("%w: it is of another run", ErrMessage)
	}
	switch m.label {
	case commitLabel:
		return p.keep(p.commits, m)
	case revealLabel:
		return p.keep(p.reveals, m)
	}
	return fmt.Errorf("%w: %q is no message of a round", ErrMessage, m.label)
}

func (p *Party) keep(round []*message, m *message) error {
	at := m.index - 1
	if round[at] == nil {
		round[at] = m
		return nil
	}
	if bytes.Equal(round[at].envelope.Body, m.envelope.Body) {
		return nil
	}
	return p.blame(m.index, Equivocation, nil, round[at], m)
}

func (p *Party) receiveContribution(m *message) error {
	c, err := parseContribution(p.plan, m.envelope.Body)
	if err != nil {
		return fmt.Errorf("%w: authority %d: %w", ErrMessage, m.index, err)
	}
	at := m.index - 1
	if p.contributions[at] != nil {
		if bytes.Equal(p.contributions[at].envelope.Body, m.envelope.Body) {
			return nil
		}
		return fmt.Errorf("%w: authority %d began another run", ErrMessage, m.index)
	}
	p.contributions[at], p.parsed[at] = m, c
	if missing(p.contributions) == nil {
		p.id, p.known = ceremonyID(p.plan, bodies(p.contributions)), true
	}
	return nil
}

// missing returns the indices of whose messages are not here.
func missing(round []*message) (list []uint32) {
	for i, m := range round {
		if m == nil {
			list = append(list, uint32(i+1))
		}
	}
	return list
}

func bodies(round []*message) [][]byte {
	var list [][]byte
	for _, m := range round {
		list = append(list, m.envelope.Body)
	}
	return list
}

// Next returns the party's own signed message of a step; asked again it
// returns the same one. ErrWaiting names whose messages are missing. A *Blame
// says that another's message proves a fault. The message of Confirm may leave
// only after its owner has made Result durable.
func (p *Party) Next(step Step) ([]byte, error) {
	if p.result != nil && step == Confirm {
		return p.result.Confirm, nil
	}
	if p.over {
		return nil, ErrOver
	}
	switch step {
	case Commit:
		return p.next(p.contributions, p.commit)
	case Reveal:
		return p.next(p.commits, p.reveal)
	case Confirm:
		return p.next(p.reveals, p.confirm)
	}
	return nil, fmt.Errorf("%w: no step %q", ErrMessage, step)
}

func (p *Party) next(inputs []*message, speak func() ([]byte, error)) ([]byte, error) {
	if list := missing(inputs); list != nil {
		return nil, fmt.Errorf("%w: of authorities %v", ErrWaiting, list)
	}
	return speak()
}

// commit deals: it draws the polynomial, fixes the reveal and commits to it.
func (p *Party) commit() ([]byte, error) {
	if p.own == nil {
		if err := p.deal(); err != nil {
			return nil, err
		}
	}
	signed := encoding.Sign(p.key, commitBody(p.id, p.index, commitment(p.id, p.index, p.own)))
	return signed, p.Receive(signed)
}

func (p *Party) deal() error {
	kind := p.plan.Kind()
	p.poly = vss.NewPolynomial(p.plan.Threshold())
	v := &reveal{sealed: map[uint32][]byte{}}
	for i := range p.plan.Threshold() {
		v.commitments = append(v.commitments, kind.lift(p.poly.Coefficient(i)))
	}
	var err error
	if v.proof, err = prove(p.id, kind, p.index, p.poly.Coefficient(0), v.commitments); err != nil {
		return err
	}
	for _, j := range others(p.plan.Size(), p.index) {
		to := p.parsed[j-1].keys[p.index]
		if v.sealed[j], err = sealDealt(to, dealtInfo(p.id, kind, p.index, j), p.poly.At(j)); err != nil {
			return fmt.Errorf("%w: nothing can be sealed to the key of authority %d: %w", ErrMessage, j, err)
		}
	}
	p.own = revealBody(p.id, p.index, p.plan.Size(), v)
	return nil
}

func (p *Party) reveal() ([]byte, error) {
	if p.own == nil {
		return nil, fmt.Errorf("%w: of authorities %v", ErrWaiting, []uint32{p.index})
	}
	signed := encoding.Sign(p.key, p.own)
	return signed, p.Receive(signed)
}

// confirm checks every dealing, adds the values up and signs what came of it.
func (p *Party) confirm() ([]byte, error) {
	if p.own == nil || !bytes.Equal(p.reveals[p.index-1].envelope.Body, p.own) {
		return nil, fmt.Errorf("%w: of authorities %v", ErrWaiting, []uint32{p.index})
	}
	share := p.poly.At(p.index)
	var sum vss.Commitments[element]
	for i := range p.reveals {
		dealer := uint32(i + 1)
		v, value, err := p.check(dealer)
		if err != nil {
			return nil, err
		}
		if dealer != p.index {
			share = share.Add(value)
		}
		sum = addCommitments(sum, v.commitments)
	}
	g, err := parseGeneration(p.plan, generationOf(p.plan, p.id, p.transcript(), sum).encode())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	p.eraseDealing()
	p.result = &Result{ID: p.id, Share: keys.NewMasterShare(p.index, g.name(), share), Confirm: encoding.Sign(p.key, g.body)}
	p.over = true
	return p.result.Confirm, nil
}

func addCommitments(sum, c vss.Commitments[element]) vss.Commitments[element] {
	if sum == nil {
		return c
	}
	return sum.Add(c)
}

func generationOf(plan *Plan, id, transcript [32]byte, sum vss.Commitments[element]) *generation {
	g := &generation{counter: 1, id: id, transcript: transcript, master: sum.Constant()}
	for i := 1; i <= plan.Size(); i++ {
		g.public = append(g.public, sum.At(uint32(i)))
	}
	return g
}

func (p *Party) transcript() [32]byte {
	return transcriptHash(p.id, bodies(p.commits), bodies(p.reveals))
}

func transcriptHash(id [32]byte, commits, reveals [][]byte) [32]byte {
	return sha256.Sum256(encoding.LP(transcriptLabel, id[:], encoding.List(commits...), encoding.List(reveals...)))
}

// check verifies the dealing of one authority: it is what was committed to,
// well formed and possessed, and the own value in it fits.
func (p *Party) check(dealer uint32) (*reveal, pairing.Secret, error) {
	commit, body := p.commits[dealer-1], p.reveals[dealer-1].envelope.Body
	if !bytes.Equal(commit.envelope.Body, commitBody(p.id, dealer, commitment(p.id, dealer, body))) {
		return nil, pairing.Secret{}, p.blame(dealer, Uncommitted, nil, commit, p.reveals[dealer-1])
	}
	v, err := parseReveal(p.plan, p.id, dealer, body)
	if err != nil {
		return nil, pairing.Secret{}, p.blame(dealer, Malformed, nil, p.reveals[dealer-1])
	}
	if dealer == p.index {
		return v, pairing.Secret{}, nil
	}
	value, err := openDealt(p.boxes[dealer], dealtInfo(p.id, p.plan.Kind(), dealer, p.index), v.sealed[p.index])
	if err == nil && v.commitments.At(p.index).Equal(p.plan.Kind().lift(value)) {
		return v, value, nil
	}
	return nil, pairing.Secret{}, p.complain(dealer)
}

// Result returns what the party confirmed, or nil before it has.
func (p *Party) Result() *Result { return p.result }

// Erase ends the run here: nothing that opens its messages is left.
func (p *Party) Erase() {
	p.eraseDealing()
	if p.result != nil {
		p.result.Share.Erase()
	}
	p.over = true
}

func (p *Party) eraseDealing() {
	clear(p.boxes)
	if p.poly != nil {
		p.poly.Erase()
	}
	p.poly = nil
}
