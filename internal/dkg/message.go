package dkg

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
)

const (
	// MaxMessage is the greatest length of a ceremony message, in bytes.
	MaxMessage = 48 << 10

	contributionLabel = "milagro/v1 contribution"
	idLabel           = "milagro/v1 ceremony id"
	commitLabel       = "milagro/v1 commit"
	committedLabel    = "milagro/v1 committed"
	revealLabel       = "milagro/v1 reveal"
	sealLabel         = "milagro/v1 ceremony"
	generationLabel   = "milagro/v1 generation"
	transcriptLabel   = "milagro/v1 transcript"
	abortLabel        = "milagro/v1 abort"
	complaintLabel    = "milagro/v1 complaint"

	popLabel = "milagro/v1 pop"
	popDST   = "MILAGRO-V1-POP-SCALAR_XMD:SHA-256"

	maxSealed = 2 << 10
	maxReason = 1 << 10
)

// ErrMessage is wrapped by every refusal of a ceremony message that proves no
// fault: it is malformed, of another run, or signed by nobody of the plan.
var ErrMessage = errors.New("ceremony message refused")

// contribution is an authority's consent to a plan: it makes the run's id
// fresh and brings the keys to which the dealers seal.
type contribution struct {
	plan   [32]byte
	index  uint32
	random [32]byte
	keys   map[uint32]hpke.PublicKey // by dealer
}

// others returns 1…n without index, ascending: the order of all lists with an
// entry for each other authority.
func others(n int, index uint32) []uint32 {
	var list []uint32
	for i := uint32(1); int(i) <= n; i++ {
		if i != index {
			list = append(list, i)
		}
	}
	return list
}

func (c *contribution) encode(n int) []byte {
	var list [][]byte
	for _, dealer := range others(n, c.index) {
		list = append(list, c.keys[dealer].Bytes())
	}
	return encoding.LP(contributionLabel, c.plan[:], encoding.U32(c.index), c.random[:], encoding.List(list...))
}

func parseContribution(p *Plan, body []byte) (*contribution, error) {
	r := encoding.Open(body, contributionLabel)
	c := &contribution{plan: [32]byte(r.Fixed(32)), index: r.U32(), random: [32]byte(r.Fixed(32)), keys: map[uint32]hpke.PublicKey{}}
	list := r.List(MaxAuthorities, HPKESize)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if c.plan != p.Hash() || p.card(c.index) == nil || len(list) != p.Size()-1 {
		return nil, errors.New("contribution to another plan")
	}
	for i, dealer := range others(p.Size(), c.index) {
		key, err := hpke.MLKEM768X25519().NewPublicKey(list[i])
		if err != nil {
			return nil, fmt.Errorf("key for dealer %d: %w", dealer, err)
		}
		c.keys[dealer] = key
	}
	return c, nil
}

// ceremonyID is H(LP("milagro/v1 ceremony id", plan, List(contributions))).
func ceremonyID(p *Plan, bodies [][]byte) [32]byte {
	return sha256.Sum256(encoding.LP(idLabel, p.bytes, encoding.List(bodies...)))
}

func commitBody(id [32]byte, index uint32, hash [32]byte) []byte {
	return encoding.LP(commitLabel, id[:], encoding.U32(index), hash[:])
}

// commitment is what a commit fixes: the reveal's whole body.
func commitment(id [32]byte, index uint32, reveal []byte) [32]byte {
	return sha256.Sum256(encoding.LP(committedLabel, id[:], encoding.U32(index), reveal))
}

// reveal is a dealing: the commitments, the proof that the dealer knows their
// constant, and each other authority's value, sealed.
type reveal struct {
	commitments vss.Commitments[element]
	proof       possession
	sealed      map[uint32][]byte
}

func revealBody(id [32]byte, index uint32, n int, v *reveal) []byte {
	var commitments, sealed [][]byte
	for _, c := range v.commitments {
		commitments = append(commitments, c.Bytes())
	}
	for _, j := range others(n, index) {
		sealed = append(sealed, v.sealed[j])
	}
	return encoding.LP(revealLabel, id[:], encoding.U32(index), encoding.List(commitments...),
		v.proof.bytes(), encoding.List(sealed...))
}

// parseReveal reads everything after id and index, which the caller matched,
// and verifies the proof; its error is the dealer's fault.
func parseReveal(p *Plan, id [32]byte, index uint32, body []byte) (*reveal, error) {
	r := encoding.Open(body, revealLabel)
	r.Fixed(32)
	r.U32()
	v := &reveal{sealed: map[uint32][]byte{}}
	for _, b := range r.List(MaxAuthorities, pairing.G2Size) {
		e, err := p.Kind().parse(b)
		r.Fail(err)
		v.commitments = append(v.commitments, e)
	}
	proof := r.Fixed(possessionSize)
	sealed := r.List(MaxAuthorities, maxSealed)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if len(v.commitments) != p.Threshold() {
		return nil, fmt.Errorf("%d commitments where the threshold is %d", len(v.commitments), p.Threshold())
	}
	if len(sealed) != p.Size()-1 {
		return nil, fmt.Errorf("%d sealed values for %d authorities", len(sealed), p.Size()-1)
	}
	for i, j := range others(p.Size(), index) {
		v.sealed[j] = sealed[i]
	}
	var err error
	if v.proof, err = parsePossession(proof); err != nil {
		return nil, err
	}
	return v, v.proof.verify(id, p.Kind(), index, v.commitments)
}

const possessionSize = 2 * pairing.ScalarSize

// possession is a Schnorr proof that the dealer knows the constant's
// logarithm: without it the last to speak could cancel all others.
type possession struct{ c, z pairing.Scalar }

func popStatement(id [32]byte, kind Kind, index uint32, commitments vss.Commitments[element], r element) []byte {
	var list [][]byte
	for _, c := range commitments {
		list = append(list, c.Bytes())
	}
	return encoding.LP(popLabel, id[:], []byte(kind), encoding.U32(index), encoding.List(list...), r.Bytes())
}

func prove(id [32]byte, kind Kind, index uint32, constant pairing.Secret, commitments vss.Commitments[element]) (possession, error) {
	key := constant.Expose()
	defer clear(key)
	// The nonce is bound to all that is proved; R, which follows from it, is not there yet.
	k := pairing.Nonce(key, popStatement(id, kind, index, commitments, commitments.Constant()))
	defer k.Erase()
	c, err := pairing.HashToScalar(popDST, popStatement(id, kind, index, commitments, kind.lift(k)))
	if err != nil {
		return possession{}, err
	}
	return possession{c: c, z: k.Add(constant.MulPublic(c)).Publish()}, nil
}

func (p possession) verify(id [32]byte, kind Kind, index uint32, commitments vss.Commitments[element]) error {
	r := kind.generator().Mul(p.z).Add(commitments.Constant().Mul(p.c.Neg()))
	c, err := pairing.HashToScalar(popDST, popStatement(id, kind, index, commitments, r))
	if err != nil || !c.Equal(p.c) {
		return errors.New("proof of possession does not verify")
	}
	return nil
}

func (p possession) bytes() []byte { return append(p.c.Bytes(), p.z.Bytes()...) }

func parsePossession(b []byte) (possession, error) {
	c, err := pairing.ParseScalar(b[:pairing.ScalarSize])
	if err != nil {
		return possession{}, fmt.Errorf("proof of possession: %w", err)
	}
	z, err := pairing.ParseScalar(b[pairing.ScalarSize:])
	if err != nil {
		return possession{}, fmt.Errorf("proof of possession: %w", err)
	}
	return possession{c: c, z: z}, nil
}

// dealtInfo binds a sealed value to run, kind, dealer and receiver.
func dealtInfo(id [32]byte, kind Kind, dealer, receiver uint32) []byte {
	return encoding.LP(sealLabel, id[:], []byte(kind), encoding.U32(dealer), encoding.U32(receiver))
}

func sealDealt(to hpke.PublicKey, info []byte, value pairing.Secret) ([]byte, error) {
	b := value.Expose()
	defer clear(b)
	return hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES256GCM(), info, b)
}

// openDealt returns the value that a dealer sealed; an error is the dealer's
// fault, for who sealed as agreed is always opened.
func openDealt(key hpke.PrivateKey, info, sealed []byte) (pairing.Secret, error) {
	b, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed)
	if err != nil {
		return pairing.Secret{}, errors.New("sealed value does not open")
	}
	defer clear(b)
	return pairing.ParseSecret(b)
}

// SignAbort returns authority index's word that it will never confirm the run
// id; reason is for people. The caller has made it durable that it has not
// confirmed and will not.
func SignAbort(key ed25519.PrivateKey, id [32]byte, index uint32, reason string) []byte {
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	return encoding.Sign(key, encoding.LP(abortLabel, id[:], encoding.U32(index), []byte(reason)))
}

// VerifyAborts returns nil iff messages hold valid aborts of the run id by t
// different authorities: one of them is honest, so no certificate can exist.
func VerifyAborts(p *Plan, id [32]byte, messages [][]byte) error {
	aborted := map[uint32]bool{}
	for _, b := range messages {
		m, err := openMessage(p, b)
		if err == nil && m.label == abortLabel && m.id == id {
			aborted[m.index] = true
		}
	}
	if len(aborted) < p.Threshold() {
		return fmt.Errorf("%w: aborts of %d authorities, %d are needed", ErrMessage, len(aborted), p.Threshold())
	}
	return nil
}

// message is a signed message of any round, with what all have in common.
type message struct {
	signed   []byte // as it arrived
	envelope encoding.Envelope
	label    string
	index    uint32
	id       [32]byte // of the run; the plan's hash in a contribution
}

// openMessage reads a message's label, run and sender and verifies that the
// sender signed it. What follows these fields is not looked at.
func openMessage(p *Plan, b []byte) (*message, error) {
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrMessage, MaxMessage)
	}
	e, err := encoding.ParseEnvelope(b, MaxMessage)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	r := encoding.OpenList(e.Body)
	m := &message{signed: bytes.Clone(b), envelope: e, label: r.String(maxText)}
	if m.label == generationLabel {
		return openConfirm(p, m)
	}
	m.id, m.index = [32]byte(r.Fixed(32)), r.U32()
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	card := p.card(m.index)
	if card == nil || e.Verify(card.Ed25519) != nil {
		return nil, fmt.Errorf("%w: authority %d did not sign it", ErrMessage, m.index)
	}
	return m, nil
}

// openConfirm finds the sender of a confirmation by its signature: all
// authorities sign the same body.
func openConfirm(p *Plan, m *message) (*message, error) {
	body, err := parseGeneration(p, m.envelope.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	m.id = body.id
	for i, card := range p.terms.Cards {
		if m.envelope.Verify(card.Ed25519) == nil {
			m.index = uint32(i + 1)
			return m, nil
		}
	}
	return nil, fmt.Errorf("%w: no authority of the plan signed the confirmation", ErrMessage)
}
