package dta

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const (
	// MaxAuthorities is the greatest number of authorities of a domain.
	MaxAuthorities = 16
	// MaxDocument is the greatest length of a document, in bytes.
	MaxDocument = 48 << 10

	documentLabel = "milagro/v1 domain document"
	maxText       = 512
	maxList       = 64
)

// ErrDocument is wrapped by every refusal of a domain document.
var ErrDocument = errors.New("domain document refused")

// Authority is one Distributed Trust Authority as a document names it.
type Authority struct {
	Index   uint32            // 1…n
	Name    string            // for people
	URL     string            // where it serves
	Ed25519 ed25519.PublicKey // signs what it says
	HPKE    hpke.PublicKey    // requests to it are sealed to this
	Public  pairing.G2        // Y_i, which proves its shares
}

// Fields are the contents of a document; spec/document.md "Document" has
// their meaning and their order.
type Fields struct {
	Domain      string
	Master      keys.Master
	Revision    uint64
	Predecessor []byte // empty at revision 1, else 32 bytes
	Threshold   uint32
	Generation  keys.Generation
	Authorities []Authority
	Schedules   map[identity.Purpose]identity.Schedule
	Suites      []byte
	Services    []Service
	Flags       []string
}

// Document is a domain document that parsed and whose public shares fit its
// master. It is not thereby genuine: Published.Verify says that.
type Document struct {
	fields Fields
	bytes  []byte
	id     identity.DomainID
}

// NewDocument encodes fields and parses the result, so that what an authority
// signs is what every client will accept. An error wraps ErrDocument.
func NewDocument(f Fields) (*Document, error) { return ParseDocument(f.encode()) }

// ParseDocument reads the exact bytes of a document; an error wraps
// ErrDocument.
func ParseDocument(b []byte) (*Document, error) {
	if len(b) > MaxDocument {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrDocument, MaxDocument)
	}
	f, err := decodeFields(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	id, err := identity.NewDomainID(f.Domain, f.Master.Point())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return &Document{fields: f, bytes: bytes.Clone(b), id: id}, nil
}

// Bytes returns the exact bytes that were parsed.
func (d *Document) Bytes() []byte { return bytes.Clone(d.bytes) }

// Hash returns SHA-256 of the exact bytes.
func (d *Document) Hash() [32]byte { return sha256.Sum256(d.bytes) }

// ID returns the identity of the domain that the document is about.
func (d *Document) ID() identity.DomainID { return d.id }

// Domain returns the domain's name.
func (d *Document) Domain() string { return d.fields.Domain }

// Master returns the domain's public master.
func (d *Document) Master() keys.Master { return d.fields.Master }

// Revision returns the document's revision, 1 or more.
func (d *Document) Revision() uint64 { return d.fields.Revision }

// Predecessor returns the hash of the document before, or nothing at
// revision 1.
func (d *Document) Predecessor() []byte { return bytes.Clone(d.fields.Predecessor) }

// Threshold returns t: so many shares make a key.
func (d *Document) Threshold() int { return int(d.fields.Threshold) }

// Generation returns the generation of the public master's shares.
func (d *Document) Generation() keys.Generation { return d.fields.Generation }

// Authorities returns the authorities in order of their indices.
func (d *Document) Authorities() []Authority { return slices.Clone(d.fields.Authorities) }

// Authority returns the authority with this index, 1…n.
func (d *Document) Authority(index uint32) (Authority, bool) {
	if index < 1 || int(index) > len(d.fields.Authorities) {
		return Authority{}, false
	}
	return d.fields.Authorities[index-1], true
}

// Schedule returns the epochs of a purpose; false if the domain has none.
func (d *Document) Schedule(p identity.Purpose) (identity.Schedule, bool) {
	s, ok := d.fields.Schedules[p]
	return s, ok
}

// Suites returns the identity TLS suites that the domain allows.
func (d *Document) Suites() []byte { return bytes.Clone(d.fields.Suites) }

// Flags returns what the domain states of itself, such as shared-root.
func (d *Document) Flags() []string { return slices.Clone(d.fields.Flags) }

// VerifySignature returns an error that wraps ErrDocument unless signature is
// the 48 bytes s·H_DOCUMENT of this document.
func (d *Document) VerifySignature(signature []byte) error {
	key, err := keys.ParsePrivate(signature)
	if err != nil {
		return fmt.Errorf("%w: signature: %w", ErrDocument, err)
	}
	if err := key.Verify(d.Point(), d.fields.Master); err != nil {
		return fmt.Errorf("%w: it is not signed by the domain's master", ErrDocument)
	}
	return nil
}

// Point returns the point whose key is the document's signature.
func (d *Document) Point() pairing.G1 {
	return identity.DocumentPoint(d.id, d.fields.Revision, d.Hash())
}

// FreshPoint returns the point whose key is the document's stamp for day.
func (d *Document) FreshPoint(day uint32) pairing.G1 {
	return identity.FreshPoint(d.id, d.fields.Revision, d.Hash(), day)
}
