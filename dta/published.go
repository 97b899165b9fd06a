package dta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const (
	// FreshDays is how many days a stamp keeps a document fresh.
	FreshDays = 7

	secondsOfDay = 86_400
	stampLabel   = "milagro/v1 stamp"
	maxPublished = 96 << 10
)

// ErrStale says that a document has no stamp of the last FreshDays days.
var ErrStale = errors.New("domain document is not fresh")

// Day returns the day of a time in unix seconds, as stamps count them.
func Day(now uint64) uint32 { return uint32(now / secondsOfDay) }

// Stamp says that t authorities held a document for the highest one on a day.
type Stamp struct {
	Revision  uint64
	Hash      [32]byte
	Day       uint32
	Signature []byte // 48 bytes, s·H_FRESH
}

// ParseStamp reads the bytes of Stamp.Bytes; an error wraps ErrDocument.
func ParseStamp(b []byte) (*Stamp, error) {
	r := encoding.Open(b, stampLabel)
	s := &Stamp{Revision: r.U64(), Hash: [32]byte(r.Fixed(32)), Day: r.U32(), Signature: r.Fixed(pairing.G1Size)}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: stamp: %w", ErrDocument, err)
	}
	return s, nil
}

// Bytes returns the stamp's encoding (spec/document.md "Document").
func (s *Stamp) Bytes() []byte {
	return encoding.LP(stampLabel, encoding.U64(s.Revision), s.Hash[:], encoding.U32(s.Day), s.Signature)
}

// Verify returns an error that wraps ErrDocument unless s stamps d. It says
// nothing about the time.
func (s *Stamp) Verify(d *Document) error {
	if s.Revision != d.Revision() || s.Hash != d.Hash() {
		return fmt.Errorf("%w: stamp is for another document", ErrDocument)
	}
	key, err := keys.ParsePrivate(s.Signature)
	if err != nil {
		return fmt.Errorf("%w: stamp: %w", ErrDocument, err)
	}
	if err := key.Verify(d.FreshPoint(s.Day), d.Master()); err != nil {
		return fmt.Errorf("%w: stamp is not signed by the domain's master", ErrDocument)
	}
	return nil
}

// Published is a document as authorities serve it: with its signature and its
// latest stamp, which is nil if there is none.
type Published struct {
	Document  *Document
	Signature []byte
	Stamp     *Stamp
}

type publishedJSON struct {
	Document  []byte `json:"document"`
	Signature []byte `json:"signature"`
	Stamp     []byte `json:"stamp,omitempty"`
}

// ParsePublished reads the JSON of spec/document.md. What it returns is well
// formed, not yet genuine: call Verify. An error wraps ErrDocument.
func ParsePublished(b []byte) (*Published, error) {
	if len(b) > maxPublished {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrDocument, maxPublished)
	}
	var raw publishedJSON
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if len(bytes.TrimSpace(b[dec.InputOffset():])) != 0 {
		return nil, fmt.Errorf("%w: bytes after the JSON object", ErrDocument)
	}
	doc, err := ParseDocument(raw.Document)
	if err != nil {
		return nil, err
	}
	p := &Published{Document: doc, Signature: raw.Signature}
	if len(raw.Stamp) > 0 {
		p.Stamp, err = ParseStamp(raw.Stamp)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// MarshalJSON returns what ParsePublished reads.
func (p *Published) MarshalJSON() ([]byte, error) {
	raw := publishedJSON{Document: p.Document.bytes, Signature: p.Signature}
	if p.Stamp != nil {
		raw.Stamp = p.Stamp.Bytes()
	}
	return json.Marshal(raw)
}

// Verify returns an error that wraps ErrDocument unless p is the genuine
// document of the domain id: nothing but id is trusted. Freshness is apart.
func (p *Published) Verify(id identity.DomainID) error {
	if p.Document.ID() != id {
		return fmt.Errorf("%w: it is of domain %v, pinned is %v", ErrDocument, p.Document.ID(), id)
	}
	if err := p.Document.VerifySignature(p.Signature); err != nil {
		return err
	}
	if p.Stamp == nil {
		return nil
	}
	return p.Stamp.Verify(p.Document)
}

// Fresh returns nil iff p has a stamp of the last FreshDays days before now,
// in unix seconds; else an error that wraps ErrStale.
func (p *Published) Fresh(now uint64) error {
	if p.Stamp == nil {
		return fmt.Errorf("%w: it has no stamp", ErrStale)
	}
	today := uint64(Day(now))
	switch day := uint64(p.Stamp.Day); {
	case day+FreshDays < today:
		return fmt.Errorf("%w: its stamp is %d days old", ErrStale, today-day)
	case day > today+1:
		return fmt.Errorf("%w: its stamp lies %d days ahead, check this clock", ErrStale, day-today)
	}
	return nil
}
