package dta

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

const (
	// InvitationSize is the length of an invitation's token, in bytes.
	InvitationSize = 32
	// MailCodeSize is the number of digits of a code that an authority mails.
	MailCodeSize = 8

	kindVoucher       = "voucher"
	registrationLabel = "milagro/v1 registration"
	registeredLabel   = "milagro/v1 registered"
	invitationLabel   = "milagro/v1 invitation"
	enrolLabel        = "milagro/v1 enrol"
)

// ErrRegistration is wrapped by every refusal of a registration that is no such
// thing, or is not signed by whom it should be.
var ErrRegistration = errors.New("not the word of a registration authority")

// Registration is a registration authority's word, to one authority, that a device
// may enrol under a name at a login service (spec/enrolment.md "Evidence: voucher").
type Registration struct {
	Domain  identity.DomainID
	Service identity.ServiceID
	Index   uint32 // of the authority
	Name    identity.Name
	Device  identity.DeviceHash
	Time    uint64 // unix seconds
	Expiry  uint64 // unix seconds
	Nonce   [32]byte
}

// Sign returns the signed envelope of r.
func (r Registration) Sign(key ed25519.PrivateKey) []byte {
	return encoding.Sign(key, encoding.LP(registrationLabel, r.Domain[:], r.Service[:], encoding.U32(r.Index), []byte(r.Name.String()),
		r.Device[:], encoding.U64(r.Time), encoding.U64(r.Expiry), r.Nonce[:]))
}

// ParseRegistration reads what Sign wrote and verifies that one of keys signed it,
// whose place among them it returns. An error wraps ErrRegistration. Whether it is
// for this request, and good now, is for the caller.
func ParseRegistration(keys []ed25519.PublicKey, b []byte) (Registration, int, error) {
	e, err := encoding.ParseEnvelope(b, maxLoginWord)
	if err != nil {
		return Registration{}, 0, fmt.Errorf("registration: %w: %w", ErrRegistration, err)
	}
	r := encoding.Open(e.Body, registrationLabel)
	said := Registration{Domain: identity.DomainID(r.Fixed(32)), Service: identity.ServiceID(r.Fixed(32)), Index: r.U32(), Name: readName(r),
		Device: identity.DeviceHash(r.Fixed(32)), Time: r.U64(), Expiry: r.U64(), Nonce: [32]byte(r.Fixed(32))}
	if err := r.Close(); err != nil {
		return Registration{}, 0, fmt.Errorf("registration: %w: %w", ErrRegistration, err)
	}
	for i, key := range keys {
		if e.Verify(key) == nil {
			return said, i, nil
		}
	}
	return Registration{}, 0, fmt.Errorf("registration: %w", ErrRegistration)
}

// VoucherEvidence returns the evidence of a request that shows a registration, the
// whole envelope, and the code that the authority has mailed, or none: a code that
// is not of MailCodeSize digits is an error, which does not repeat it.
func VoucherEvidence(registration []byte, code string) ([]byte, error) {
	if err := checkMailCode(code); err != nil {
		return nil, err
	}
	return encoding.LP(evidenceLabel, []byte(kindVoucher), encoding.LP(registeredLabel, registration, []byte(code))), nil
}

// ParseVoucherEvidence reads what VoucherEvidence wrote: the envelope, of which
// nothing is verified, and the code, empty for none. An error wraps
// encoding.ErrEncoding.
func ParseVoucherEvidence(b []byte) (registration []byte, code string, err error) {
	outer := encoding.Open(b, evidenceLabel)
	kind, data := outer.String(maxText), outer.Bytes(maxEvidence)
	if kind != kindVoucher { // not repeated: it may be a code in the wrong place
		outer.Fail(errors.New("not a voucher"))
	}
	if err := outer.Close(); err != nil {
		return nil, "", fmt.Errorf("evidence: %w", err)
	}
	r := encoding.Open(data, registeredLabel)
	registration, code = r.Bytes(maxLoginWord), r.String(MailCodeSize)
	r.Fail(checkMailCode(code))
	if err := r.Close(); err != nil {
		return nil, "", fmt.Errorf("evidence: %w", err)
	}
	return registration, code, nil
}

func checkMailCode(code string) error {
	if code != "" && (len(code) != MailCodeSize || strings.Trim(code, "0123456789") != "") {
		return fmt.Errorf("a mailed code is %d digits", MailCodeSize)
	}
	return nil
}

// InvitationHash returns the hash under which a login server knows the token of an
// invitation.
func InvitationHash(token [InvitationSize]byte) [32]byte {
	return sha256.Sum256(encoding.LP(invitationLabel, token[:]))
}

// EnrolDigest returns what a device signs to claim the invitation with this token
// hash at a login service (spec/enrolment.md "Invitations").
func EnrolDigest(token [32]byte, service identity.ServiceID, device identity.Device) [32]byte {
	return sha256.Sum256(encoding.LP(enrolLabel, token[:], service[:], device.Bytes()))
}
