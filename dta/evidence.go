package dta

import (
	"crypto/ed25519"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

const (
	evidenceLabel = "milagro/v1 evidence"
	timeLabel     = "milagro/v1 time"
	kindCode      = "code"
)

// CodeEvidence returns the evidence of a request that shows code.
func CodeEvidence(code Code) []byte {
	return encoding.LP(evidenceLabel, []byte(kindCode), []byte(code.Canonical()))
}

// ParseCodeEvidence reads what CodeEvidence wrote; an error wraps
// encoding.ErrEncoding or ErrCode.
func ParseCodeEvidence(b []byte) (Code, error) {
	r := encoding.Open(b, evidenceLabel)
	kind, text := r.String(maxText), r.String(maxText)
	if err := r.Close(); err != nil {
		return Code{}, fmt.Errorf("evidence: %w", err)
	}
	if kind != kindCode { // not repeated: it may be a code in the wrong place
		return Code{}, fmt.Errorf("evidence: %w: of an unknown kind", encoding.ErrEncoding)
	}
	code, err := ParseCode(text)
	if err == nil && code.Canonical() != text {
		err = fmt.Errorf("%w: not in its canonical spelling", ErrCode)
	}
	return code, err
}

// SignTime returns an authority's signature of its time, in unix seconds, for
// the refusal of a request whose sealed bytes hash to request.
func SignTime(key ed25519.PrivateKey, domain identity.DomainID, index uint32, request [32]byte, time uint64) []byte {
	return ed25519.Sign(key, timeBody(domain, index, request, time))
}

// VerifyTime reports whether authority a signed that time for that request.
func VerifyTime(a Authority, domain identity.DomainID, request [32]byte, time uint64, signature []byte) bool {
	return ed25519.Verify(a.Ed25519, timeBody(domain, a.Index, request, time), signature)
}

func timeBody(domain identity.DomainID, index uint32, request [32]byte, time uint64) []byte {
	return encoding.LP(timeLabel, domain[:], encoding.U32(index), request[:], encoding.U64(time))
}
