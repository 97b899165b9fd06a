package dta

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

const (
	evidenceLabel = "milagro/v1 evidence"
	timeLabel     = "milagro/v1 time"
	kindCode      = "code"

	kindSuccession        = "succession"
	successionLabel       = "milagro/v1 succession"
	successionSignedLabel = "milagro/v1 mpin succession"
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

// EvidenceKind returns what kind of evidence b is, without reading it further: "code",
// "jwt", "succession" or "voucher". An error wraps encoding.ErrEncoding.
func EvidenceKind(b []byte) (string, error) {
	r := encoding.Open(b, evidenceLabel)
	kind := r.String(maxText)
	r.Bytes(maxEvidence)
	if err := r.Close(); err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	if kind != kindCode && kind != kindToken && kind != kindSuccession && kind != kindVoucher { // not repeated: it may be a code in the wrong place
		return "", fmt.Errorf("evidence: %w: of an unknown kind", encoding.ErrEncoding)
	}
	return kind, nil
}

// SuccessionEvidence returns the evidence of a request by a new device: voucher,
// signed by the login server, and the old device's signature over it and the
// request (spec/mpin.md "PIN change"). Errors are the signer's.
func SuccessionEvidence(voucher []byte, old crypto.Signer, q *Request) ([]byte, error) {
	device, err := identity.DeviceOf(old)
	if err != nil {
		return nil, err
	}
	signature, err := identity.SignDevice(old, successionDigest(voucher, q))
	if err != nil {
		return nil, err
	}
	return encoding.LP(evidenceLabel, []byte(kindSuccession), encoding.LP(successionLabel, voucher, device.Bytes(), signature)), nil
}

// ParseSuccession reads the evidence of q, which SuccessionEvidence made, and
// verifies both signatures: that of the login server with this key, and that of the
// device which the voucher names as the old one. An error wraps
// encoding.ErrEncoding, ErrLoginServer or identity.ErrPossession. Whether the
// voucher is for this authority, name, device and time is for the caller.
func ParseSuccession(key ed25519.PublicKey, q *Request) (Voucher, error) {
	outer := encoding.Open(q.Evidence, evidenceLabel)
	kind, data := outer.String(maxText), outer.Bytes(maxEvidence)
	if kind != kindSuccession {
		outer.Fail(errors.New("not a succession"))
	}
	if err := outer.Close(); err != nil {
		return Voucher{}, fmt.Errorf("evidence: %w", err)
	}
	r := encoding.Open(data, successionLabel)
	signed := r.Bytes(maxLoginWord)
	old := parseWith(r, identity.SPKISize, identity.ParseDevice)
	signature := r.Fixed(identity.SignatureSize)
	if err := r.Close(); err != nil {
		return Voucher{}, fmt.Errorf("evidence: %w", err)
	}
	v, err := ParseVoucher(key, signed)
	if err != nil {
		return Voucher{}, err
	}
	if v.Old != old.Hash() {
		return Voucher{}, fmt.Errorf("evidence: %w: the voucher is for another device", identity.ErrPossession)
	}
	if err := old.Verify(successionDigest(signed, q), signature); err != nil {
		return Voucher{}, fmt.Errorf("evidence: old device: %w", err)
	}
	return v, nil
}

func successionDigest(voucher []byte, q *Request) [32]byte {
	bare := q.BareHash()
	return sha256.Sum256(encoding.LP(successionSignedLabel, voucher, bare[:]))
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
