package dkg

import (
	"crypto/hpke"
	"encoding/pem"
	"errors"
	"fmt"

	"milagro.dev/internal/encoding"
)

const (
	blameLabel = "milagro/v1 blame"
	blamePEM   = "MILAGRO BLAME"

	// maxBlame is the greatest length of a blame file, in bytes: at n = 16 a
	// false confirmation needs the messages of three rounds.
	maxBlame = 1 << 20
)

// ErrNoBlame says that a file convicts nobody.
var ErrNoBlame = errors.New("file convicts nobody")

// Offence is what a message proves.
type Offence string

// The offences (spec/ceremony.md "Blame").
const (
	// Equivocation: two different messages of one round, or a confirmation
	// and an abort of one run.
	Equivocation Offence = "equivocation"
	// Uncommitted: the reveal is not what the commit fixed.
	Uncommitted Offence = "reveal differs from commit"
	// Malformed: the reveal does not parse, its commitments are not exactly t,
	// or its proof of possession does not verify.
	Malformed Offence = "malformed reveal"
	// FalseValue: the value sealed to an authority does not open, or does not
	// fit the commitments.
	FalseValue Offence = "false value"
	// FalseComplaint: an authority complained of a value that is good.
	FalseComplaint Offence = "false complaint"
	// FalseConfirm: the confirmation does not follow from the transcript that
	// it signs.
	FalseConfirm Offence = "false confirmation"
)

// Blame is a fault that messages prove. It is an error.
type Blame struct {
	Accused uint32
	Name    string
	Offence Offence
	file    []byte
}

// Error names the culprit and the offence.
func (b *Blame) Error() string {
	return fmt.Sprintf("authority %d (%s): %s", b.Accused, b.Name, b.Offence)
}

// File returns the evidence as text (PEM), for Judge.
func (b *Blame) File() []byte { return b.file }

// evidence is what a blame file holds.
type evidence struct {
	plan          *Plan
	offence       Offence
	contributions [][]byte
	messages      [][]byte // signed envelopes, as the offence needs them
}

func (e *evidence) encode() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blamePEM, Bytes: encoding.LP(blameLabel, []byte(e.offence), e.plan.bytes,
		encoding.List(e.contributions...), encoding.List(e.messages...))})
}

func parseEvidence(file []byte) (*evidence, error) {
	if len(file) > maxBlame {
		return nil, fmt.Errorf("longer than %d bytes", maxBlame)
	}
	block, rest := pem.Decode(file)
	if block == nil || block.Type != blamePEM || len(block.Headers) != 0 || len(rest) != 0 {
		return nil, errors.New("not a blame file")
	}
	r := encoding.Open(block.Bytes, blameLabel)
	e := &evidence{offence: Offence(r.String(maxText))}
	plan := r.Bytes(MaxPlan)
	e.contributions = r.List(MaxAuthorities, MaxMessage)
	e.messages = r.List(2*MaxAuthorities+1, MaxMessage)
	if err := r.Close(); err != nil {
		return nil, err
	}
	var err error
	e.plan, err = ParsePlan(plan)
	return e, err
}

func envelopes(messages []*message) [][]byte {
	var list [][]byte
	for _, m := range messages {
		list = append(list, m.signed)
	}
	return list
}

// blame makes the Blame of an authority from messages that convict it.
func (p *Party) blame(accused uint32, offence Offence, extra [][]byte, messages ...*message) *Blame {
	e := evidence{plan: p.plan, offence: offence, messages: append(envelopes(messages), extra...)}
	if p.known {
		e.contributions = envelopes(p.contributions)
	}
	return &Blame{Accused: accused, Name: p.plan.card(accused).Name, Offence: offence, file: e.encode()}
}

// complain publishes the private half of the key made for one dealer, and of
// no other, so that everybody can open what the dealer sealed.
func (p *Party) complain(dealer uint32) error {
	secret, err := p.boxes[dealer].Bytes()
	if err != nil {
		return fmt.Errorf("complain of authority %d: %w", dealer, err)
	}
	complaint := encoding.Sign(p.key, encoding.LP(complaintLabel, p.id[:], encoding.U32(p.index), encoding.U32(dealer), secret))
	return p.blame(dealer, FalseValue, [][]byte{complaint}, p.reveals[dealer-1])
}

// BlameEquivocation returns the Blame of an authority that signed two
// messages which exclude each other; an error wraps ErrNoBlame if these do not.
func BlameEquivocation(plan *Plan, first, second []byte) (*Blame, error) {
	e := &evidence{plan: plan, offence: Equivocation, messages: [][]byte{first, second}}
	return e.blame()
}

// BlameConfirm returns the Blame of an authority whose confirmation does not
// follow from the commits and reveals that it signs for; an error wraps
// ErrNoBlame if it does.
func BlameConfirm(plan *Plan, contributions, commits, reveals [][]byte, confirm []byte) (*Blame, error) {
	messages := append(append([][]byte{confirm}, commits...), reveals...)
	e := &evidence{plan: plan, offence: FalseConfirm, contributions: contributions, messages: messages}
	return e.blame()
}

func (e *evidence) blame() (*Blame, error) {
	v, err := e.judge()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBlame, err)
	}
	return &Blame{Accused: v.Index, Name: v.Name, Offence: v.Offence, file: e.encode()}, nil
}

// Verdict names who is convicted, and of what.
type Verdict struct {
	Plan    *Plan
	Index   uint32
	Name    string
	Offence Offence
}

// Judge convicts from a file alone: every signature in it is verified under
// the plan in it. Whose plan that is, its fingerprints of cards tell. An error
// wraps ErrNoBlame.
func Judge(file []byte) (*Verdict, error) {
	e, err := parseEvidence(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBlame, err)
	}
	v, err := e.judge()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBlame, err)
	}
	return v, nil
}

func (e *evidence) judge() (*Verdict, error) {
	var messages []*message
	for _, b := range e.messages {
		m, err := openMessage(e.plan, b)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	switch e.offence {
	case Equivocation:
		return e.judgeEquivocation(messages)
	case Uncommitted:
		return e.judgeUncommitted(messages)
	case Malformed:
		return e.judgeMalformed(messages)
	case FalseValue:
		return e.judgeComplaint(messages)
	case FalseConfirm:
		return e.judgeConfirm(messages)
	}
	return nil, fmt.Errorf("no offence %q", e.offence)
}

func (e *evidence) verdict(index uint32, offence Offence) (*Verdict, error) {
	return &Verdict{Plan: e.plan, Index: index, Name: e.plan.card(index).Name, Offence: offence}, nil
}

func (e *evidence) judgeEquivocation(m []*message) (*Verdict, error) {
	if len(m) != 2 || m[0].index != m[1].index || m[0].id != m[1].id {
		return nil, errors.New("not two messages of one authority in one run")
	}
	a, b := m[0], m[1]
	if a.label == b.label {
		once := a.label == commitLabel || a.label == revealLabel || a.label == generationLabel
		if once && string(a.envelope.Body) != string(b.envelope.Body) {
			return e.verdict(a.index, Equivocation)
		}
		return nil, errors.New("the messages do not exclude each other")
	}
	labels := map[string]bool{a.label: true, b.label: true}
	if labels[generationLabel] && labels[abortLabel] {
		return e.verdict(a.index, Equivocation)
	}
	return nil, errors.New("the messages do not exclude each other")
}

// run returns the id that the contributions give, all of them signed.
func (e *evidence) run() ([32]byte, []*contribution, error) {
	var opened []*message
	var parsed []*contribution
	for i, b := range e.contributions {
		m, err := openMessage(e.plan, b)
		if err != nil {
			return [32]byte{}, nil, err
		}
		c, err := parseContribution(e.plan, m.envelope.Body)
		if err != nil || m.label != contributionLabel || c.index != uint32(i+1) {
			return [32]byte{}, nil, errors.New("contributions are not those of all authorities in order")
		}
		opened, parsed = append(opened, m), append(parsed, c)
	}
	if len(opened) != e.plan.Size() {
		return [32]byte{}, nil, errors.New("contributions are not those of all authorities in order")
	}
	return ceremonyID(e.plan, bodies(opened)), parsed, nil
}

func (e *evidence) judgeUncommitted(m []*message) (*Verdict, error) {
	if len(m) != 2 || m[0].label != commitLabel || m[1].label != revealLabel || m[0].index != m[1].index || m[0].id != m[1].id {
		return nil, errors.New("not the commit and the reveal of one authority in one run")
	}
	fits := commitBody(m[0].id, m[0].index, commitment(m[1].id, m[1].index, m[1].envelope.Body))
	if string(fits) == string(m[0].envelope.Body) {
		return nil, errors.New("the reveal is what the commit fixed")
	}
	return e.verdict(m[0].index, Uncommitted)
}

func (e *evidence) judgeMalformed(m []*message) (*Verdict, error) {
	id, _, err := e.run()
	if err != nil {
		return nil, err
	}
	if len(m) != 1 || m[0].label != revealLabel || m[0].id != id {
		return nil, errors.New("not a reveal of this run")
	}
	if _, err := parseReveal(e.plan, id, m[0].index, m[0].envelope.Body); err == nil {
		return nil, errors.New("the reveal is well formed")
	}
	return e.verdict(m[0].index, Malformed)
}

// judgeComplaint opens what the dealer sealed with the key that the complainer
// published, and convicts the one or the other.
func (e *evidence) judgeComplaint(m []*message) (*Verdict, error) {
	id, contributions, err := e.run()
	if err != nil {
		return nil, err
	}
	if len(m) != 2 || m[0].label != revealLabel || m[1].label != complaintLabel || m[0].id != id || m[1].id != id {
		return nil, errors.New("not a reveal of this run and a complaint of it")
	}
	dealer, complainer := m[0].index, m[1].index
	r := encoding.Open(m[1].envelope.Body, complaintLabel)
	r.Fixed(32)
	r.U32()
	accused, secret := r.U32(), r.Bytes(maxText)
	if err := r.Close(); err != nil || accused != dealer || complainer == dealer {
		return nil, errors.New("the complaint is of another dealing")
	}
	box, err := hpke.MLKEM768X25519().NewPrivateKey(secret)
	if err != nil || string(box.PublicKey().Bytes()) != string(contributions[complainer-1].keys[dealer].Bytes()) {
		return nil, errors.New("the complaint does not publish the key made for this dealer")
	}
	v, err := parseReveal(e.plan, id, dealer, m[0].envelope.Body)
	if err != nil {
		return e.verdict(dealer, Malformed)
	}
	value, err := openDealt(box, dealtInfo(id, e.plan.Kind(), dealer, complainer), v.sealed[complainer])
	if err == nil && v.commitments.At(complainer).Equal(e.plan.Kind().lift(value)) {
		return e.verdict(complainer, FalseComplaint)
	}
	return e.verdict(dealer, FalseValue)
}

// judgeConfirm computes what the transcript that the accused signed leads to.
func (e *evidence) judgeConfirm(m []*message) (*Verdict, error) {
	id, _, err := e.run()
	if err != nil {
		return nil, err
	}
	n := e.plan.Size()
	if len(m) != 1+2*n || m[0].label != generationLabel || m[0].id != id {
		return nil, errors.New("not a confirmation of this run with all commits and reveals")
	}
	commits, reveals := m[1:1+n], m[1+n:]
	if !inOrder(commits, commitLabel, id) || !inOrder(reveals, revealLabel, id) {
		return nil, errors.New("commits and reveals are not those of all authorities in order")
	}
	confirmed, err := parseGeneration(e.plan, m[0].envelope.Body)
	if err != nil {
		return nil, err
	}
	if confirmed.transcript != transcriptHash(id, bodies(commits), bodies(reveals)) {
		return nil, errors.New("the confirmation is of another transcript")
	}
	sum, err := sumReveals(e.plan, id, reveals)
	if err == nil && string(generationOf(e.plan, id, confirmed.transcript, sum).encode()) == string(m[0].envelope.Body) {
		return nil, errors.New("the confirmation follows from its transcript")
	}
	return e.verdict(m[0].index, FalseConfirm)
}

func inOrder(round []*message, label string, id [32]byte) bool {
	for i, m := range round {
		if m.label != label || m.id != id || m.index != uint32(i+1) {
			return false
		}
	}
	return true
}
