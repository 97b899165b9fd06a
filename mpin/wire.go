package mpin

import (
	"crypto"
	"crypto/sha256"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

const rowLabel = "milagro/v1 mpin row"

// BeginRequest is the JSON of the first message.
type BeginRequest struct {
	Service     []byte        `json:"service"` // 32 bytes
	Name        identity.Name `json:"name"`
	Device      []byte        `json:"device"` // 91 bytes
	Epoch       []byte        `json:"epoch"`  // 12 bytes
	U           []byte        `json:"u"`      // 48 bytes
	ChannelKind uint8         `json:"channel_kind"`
	Intent      []byte        `json:"intent,omitempty"`
}

// BeginAnswer is the JSON of the server's challenge.
type BeginAnswer struct {
	Session []byte `json:"session"` // 32 bytes
	Nonce   []byte `json:"nonce"`   // 32 bytes
}

// FinishRequest is the JSON of the second message.
type FinishRequest struct {
	Session   []byte `json:"session"`   // 32 bytes
	V         []byte `json:"v"`         // 48 bytes
	Signature []byte `json:"signature"` // 64 bytes
}

// FinishAnswer is the JSON of an accepted login.
type FinishAnswer struct {
	Statement string   `json:"statement"`          // a JWT
	Expires   uint64   `json:"expires"`            // unix seconds
	Vouchers  [][]byte `json:"vouchers,omitempty"` // by authority, for a new device
}

// RowRequest is the JSON with which a device asks for its row: it shows what t
// authorities stated on its enrolment.
type RowRequest struct {
	Device     []byte   `json:"device"` // 91 bytes
	Time       uint64   `json:"time"`   // unix seconds
	Statements [][]byte `json:"statements"`
	Signature  []byte   `json:"signature"` // 64 bytes
}

// Service is one login service as its messages name it.
type Service struct {
	Domain identity.DomainID
	ID     identity.ServiceID
	Origin string
}

// SignRow returns the request for a row at s with these statements, in ascending
// order of their authorities' indices. Errors are the signer's, or wrap
// identity.ErrDevice.
func (s Service) SignRow(signer crypto.Signer, now uint64, statements [][]byte) (RowRequest, error) {
	device, err := identity.DeviceOf(signer)
	if err != nil {
		return RowRequest{}, fmt.Errorf("row: %w", err)
	}
	q := RowRequest{Device: device.Bytes(), Time: now, Statements: statements}
	q.Signature, err = identity.SignDevice(signer, s.rowDigest(q))
	return q, err
}

// VerifyRow returns the device that signed q for s: an error wraps
// identity.ErrDevice or identity.ErrPossession. What the statements say and whether
// the time is near is for the caller.
func (s Service) VerifyRow(q RowRequest) (identity.Device, error) {
	device, err := identity.ParseDevice(q.Device)
	if err != nil {
		return identity.Device{}, fmt.Errorf("row: %w", err)
	}
	if err := device.Verify(s.rowDigest(q), q.Signature); err != nil {
		return identity.Device{}, fmt.Errorf("row: %w", err)
	}
	return device, nil
}

// rowDigest is H(LP("milagro/v1 mpin row", domainID, serviceID, origin, SPKI, u64
// time, List(statements))).
func (s Service) rowDigest(q RowRequest) [32]byte {
	return sha256.Sum256(encoding.LP(rowLabel, s.Domain[:], s.ID[:], []byte(s.Origin), q.Device,
		encoding.U64(q.Time), encoding.List(q.Statements...)))
}
