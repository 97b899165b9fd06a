package dta

import (
	"errors"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const falseShareLabel = "milagro/v1 false share"

// ErrEvidence says that a piece of evidence convicts nobody.
var ErrEvidence = errors.New("evidence convicts nobody")

// Conviction names an authority that signed a false share.
type Conviction struct {
	Domain    *Document
	Authority Authority
	Key       identity.Key
}

func falseShare(p *Published, signedReply []byte) []byte {
	return encoding.LP(falseShareLabel, p.Document.bytes, p.Signature, signedReply)
}

// JudgeFalseShare convicts, from the evidence alone, an authority that signed
// a share that its public share disproves. The document inside must be signed
// by its own master and of the reply's generation, so that an honest authority
// is not blamed after a resharing. An error wraps ErrEvidence.
func JudgeFalseShare(evidence []byte) (*Conviction, error) {
	r := encoding.Open(evidence, falseShareLabel)
	document, signature, signed := r.Bytes(MaxDocument), r.Fixed(pairing.G1Size), r.Bytes(maxReply)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	doc, err := ParseDocument(document)
	if err == nil {
		err = doc.VerifySignature(signature)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	for _, a := range doc.Authorities() {
		if reply, err := ParseSignedReply(a, signed); err == nil {
			return judgeReply(doc, a, reply)
		}
	}
	return nil, fmt.Errorf("%w: no authority of %s signed the reply", ErrEvidence, doc.Domain())
}

func judgeReply(doc *Document, a Authority, reply *Reply) (*Conviction, error) {
	switch {
	case reply.Index != a.Index || reply.Key.Domain != doc.ID():
		return nil, fmt.Errorf("%w: the reply is of another domain or authority", ErrEvidence)
	}
	_, err := reply.KeyShare(doc, a)
	if err == nil {
		return nil, fmt.Errorf("%w: the share is good", ErrEvidence)
	}
	if errors.Is(err, keys.ErrGeneration) {
		return nil, fmt.Errorf("%w: the reply is of another generation than the document", ErrEvidence)
	}
	if !errors.Is(err, keys.ErrShare) {
		return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
	}
	return &Conviction{Domain: doc, Authority: a, Key: reply.Key}, nil
}
