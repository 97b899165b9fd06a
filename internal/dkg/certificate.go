package dkg

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

const (
	// MaxCertificate is the greatest length of a certificate, in bytes.
	MaxCertificate = 8 << 10

	certificateLabel = "milagro/v1 certificate"
)

// ErrCertificate is wrapped by every refusal of a certificate.
var ErrCertificate = errors.New("certificate refused")

// generation is the body that every confirmation signs.
type generation struct {
	counter    uint64
	previous   []byte
	id         [32]byte
	transcript [32]byte
	master     element
	public     []element
	body       []byte
}

func (g *generation) encode() []byte {
	var list [][]byte
	for _, y := range g.public {
		list = append(list, y.Bytes())
	}
	return encoding.LP(generationLabel, encoding.U64(g.counter), g.previous, g.id[:], g.transcript[:],
		g.master.Bytes(), encoding.List(list...))
}

func parseGeneration(p *Plan, body []byte) (*generation, error) {
	kind := p.Kind()
	r := encoding.Open(body, generationLabel)
	g := &generation{counter: r.U64(), previous: r.Bytes(keys.GenerationSize), id: [32]byte(r.Fixed(32)),
		transcript: [32]byte(r.Fixed(32)), body: body}
	master := r.Fixed(kind.size())
	list := r.List(MaxAuthorities, kind.size())
	if err := r.Close(); err != nil {
		return nil, err
	}
	if g.counter != 1 || len(g.previous) != 0 {
		return nil, errors.New("a ceremony makes generation 1, which has no previous one")
	}
	if len(list) != p.Size() {
		return nil, fmt.Errorf("%d public shares for %d authorities", len(list), p.Size())
	}
	var err error
	if g.master, err = kind.parse(master); err != nil {
		return nil, err
	}
	for _, b := range list {
		y, err := kind.parse(b)
		if err != nil {
			return nil, err
		}
		g.public = append(g.public, y)
	}
	return g, nil
}

func (g *generation) name() keys.Generation {
	return keys.Generation{Counter: g.counter, Hash: sha256.Sum256(g.body)}
}

// Certificate is the word of all n authorities that a master was made: it
// makes their shares available. Which master serves, the domain document says.
type Certificate struct {
	plan  *Plan
	body  *generation
	bytes []byte
}

// Assemble makes the certificate of n confirmations, in any order; an error
// wraps ErrCertificate and names who is missing.
func Assemble(p *Plan, confirms [][]byte) (*Certificate, error) {
	signatures := make([][]byte, p.Size())
	var body []byte
	for _, b := range confirms {
		m, err := openMessage(p, b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
		}
		if m.label != generationLabel || body != nil && string(body) != string(m.envelope.Body) {
			return nil, fmt.Errorf("%w: authority %d confirms something else", ErrCertificate, m.index)
		}
		body, signatures[m.index-1] = m.envelope.Body, m.envelope.Signature
	}
	for i, s := range signatures {
		if s == nil {
			return nil, fmt.Errorf("%w: authority %d has not confirmed", ErrCertificate, i+1)
		}
	}
	return ParseCertificate(p, encoding.LP(certificateLabel, body, encoding.List(signatures...)))
}

// ParseCertificate reads a certificate of plan p and verifies all n
// signatures, and that the public shares lie on one polynomial with the
// master; an error wraps ErrCertificate.
func ParseCertificate(p *Plan, b []byte) (*Certificate, error) {
	c, err := parseCertificate(p, b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

func parseCertificate(p *Plan, b []byte) (*Certificate, error) {
	if len(b) > MaxCertificate {
		return nil, fmt.Errorf("longer than %d bytes", MaxCertificate)
	}
	r := encoding.Open(b, certificateLabel)
	body, signatures := r.Bytes(MaxCertificate), r.List(MaxAuthorities, ed25519.SignatureSize)
	if err := r.Close(); err != nil {
		return nil, err
	}
	g, err := parseGeneration(p, body)
	if err != nil {
		return nil, err
	}
	if len(signatures) != p.Size() {
		return nil, fmt.Errorf("%d signatures of %d authorities", len(signatures), p.Size())
	}
	for i, s := range signatures {
		if (encoding.Envelope{Body: body, Signature: s}).Verify(p.terms.Cards[i].Ed25519) != nil {
			return nil, fmt.Errorf("authority %d did not sign it", i+1)
		}
	}
	c := &Certificate{plan: p, body: g, bytes: append([]byte(nil), b...)}
	return c, c.checkPolynomial()
}

func (c *Certificate) checkPolynomial() error {
	indices := c.indices()
	if c.plan.Kind() == Pin {
		return vss.OnePolynomialG1(indices, c.PublicPin(), c.body.master.g1, c.plan.Threshold())
	}
	return vss.OnePolynomialG2(indices, c.Public(), c.body.master.g2, c.plan.Threshold())
}

func (c *Certificate) indices() []uint32 {
	var list []uint32
	for i := range c.body.public {
		list = append(list, uint32(i+1))
	}
	return list
}

// Bytes returns the exact bytes that were parsed.
func (c *Certificate) Bytes() []byte { return append([]byte(nil), c.bytes...) }

// ID returns the id of the run that the certificate is of.
func (c *Certificate) ID() [32]byte { return c.body.id }

// Generation returns the generation that the run made: counter 1 and the hash
// of the body that all signed.
func (c *Certificate) Generation() keys.Generation { return c.body.name() }

// MasterBytes returns the master: 96 bytes of G2 for kind public, 48 of G1 for
// kind mpin.
func (c *Certificate) MasterBytes() []byte { return c.body.master.Bytes() }

// Public returns Y_1…Y_n of a public master, and nothing of an M-Pin one.
func (c *Certificate) Public() []pairing.G2 {
	var list []pairing.G2
	for _, y := range c.body.public {
		if y.kind == Public {
			list = append(list, y.g2)
		}
	}
	return list
}

// PublicPin returns X_1…X_n of an M-Pin master, and nothing of a public one.
func (c *Certificate) PublicPin() []pairing.G1 {
	var list []pairing.G1
	for _, x := range c.body.public {
		if x.kind == Pin {
			list = append(list, x.g1)
		}
	}
	return list
}

// sumReveals adds up the commitments of all reveals; an error says that one of
// them is malformed, which nobody may confirm.
func sumReveals(p *Plan, id [32]byte, reveals []*message) (vss.Commitments[element], error) {
	var sum vss.Commitments[element]
	for _, m := range reveals {
		v, err := parseReveal(p, id, m.index, m.envelope.Body)
		if err != nil {
			return nil, err
		}
		sum = addCommitments(sum, v.commitments)
	}
	return sum, nil
}
