package login

import (
	"encoding/hex"
	"errors"
	"time"

	"milagro.dev/identity"
)

// Device is a row: a device that logs in under a name, unless it is locked or
// revoked.
type Device struct {
	Name        string    `json:"name"`
	Device      HexHash   `json:"device"`
	ChannelKind uint8     `json:"channel_kind"`
	Made        time.Time `json:"made"`
	Accepted    time.Time `json:"accepted,omitzero"` // last accepted login
	Tried       time.Time `json:"tried,omitzero"`    // last counted attempt
	Streak      int       `json:"streak"`            // wrong PINs in a row
	Total       int       `json:"total"`             // wrong PINs since enrolment
	State       string    `json:"state"`             // active, locked, exhausted, revoked
}

// Listing is what the login server holds about names.
type Listing struct {
	Devices []Device `json:"devices"`
	// More says that there are more than are listed: ask for one name.
	More bool `json:"more,omitempty"`
}

// Revoked says how many devices a revocation ended.
type Revoked struct {
	Devices int `json:"devices"`
}

// Unlocked says how many devices were unlocked. An exhausted one has had its wrong
// PINs for good: it is enrolled anew.
type Unlocked struct {
	Devices   int `json:"devices"`
	Exhausted int `json:"exhausted,omitempty"`
	// Proposal waits for operators, and nothing is unlocked yet.
	Proposal *Proposal `json:"proposal,omitempty"`
}

// Invitation is one that was made. Whoever has the link enrols a device of the name:
// it is shown once, and the server keeps a hash.
type Invitation struct {
	Name    identity.Name `json:"name"`
	Link    string        `json:"link,omitempty"`
	Expires time.Time     `json:"expires"`
	// Proposal waits for operators, and there is no link yet.
	Proposal *Proposal `json:"proposal,omitempty"`
}

// Invited is an invitation as the server knows it.
type Invited struct {
	Name    string    `json:"name"`
	By      string    `json:"by"`    // operator, mail
	State   string    `json:"state"` // open, taken, spent, expired
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	Device  *HexHash  `json:"device,omitempty"` // that has taken it
}

// Invitations are those that the server knows, the newest first.
type Invitations struct {
	Invitations []Invited `json:"invitations"`
	// More says that there are more than are listed: ask for one name.
	More bool `json:"more,omitempty"`
}

// Withdrawn says how many invitations were ended.
type Withdrawn struct {
	Invitations int `json:"invitations"`
}

// OperatorKey is one of those who decide critical acts, two together.
type OperatorKey struct {
	Name string  `json:"name"` // 1 to 64 printable ASCII characters
	Key  HexHash `json:"key"`  // Ed25519
}

// Proposal is a critical act that waits for operators.
type Proposal struct {
	ID       ProposalID `json:"id"`
	Act      Act        `json:"act"`
	Made     time.Time  `json:"made"`
	Expires  time.Time  `json:"expires"`
	Approved []string   `json:"approved"` // names of operators
	Needed   int        `json:"needed"`   // how many must
}

// Proposals are those that wait, the newest first.
type Proposals struct {
	Proposals []Proposal `json:"proposals"`
}

// Approved says how far a proposal is. Once it is done, the member of its act says what
// was done.
type Approved struct {
	Proposal     Proposal      `json:"proposal"`
	Done         bool          `json:"done"`
	Invitation   *Invitation   `json:"invitation,omitempty"`
	Unlocked     *Unlocked     `json:"unlocked,omitempty"`
	Applications *Applications `json:"applications,omitempty"`
}

// Decision is one entry of the audit.
type Decision struct {
	Time   time.Time `json:"time"`
	Name   string    `json:"name"`
	Device HexHash   `json:"device"`
	Event  string    `json:"event"`
	Reason string    `json:"reason,omitempty"`
}

// Audit is what was decided, the newest first.
type Audit struct {
	Decisions []Decision `json:"decisions"`
}

// Status is how the login server is, for its operator.
type Status struct {
	Service     string            `json:"service"`
	Origin      string            `json:"origin"`
	Card        HexHash           `json:"card"` // fingerprint of the card
	Key         HexHash           `json:"key"`  // Ed25519, of the card
	Ready       bool              `json:"ready"`
	Why         string            `json:"why,omitempty"` // why it is not ready
	Clock       time.Time         `json:"clock"`
	Domain      string            `json:"domain,omitempty"`
	Fingerprint identity.DomainID `json:"fingerprint,omitzero"`
	Revision    uint64            `json:"revision,omitempty"`
	Devices     int64             `json:"devices"`
	Locked      int64             `json:"locked"`
	Sessions    int64             `json:"sessions"`
	Notices     int64             `json:"notices"` // that wait for an authority
	Mails       int64             `json:"mails"`   // that wait for the mail server
	// Operators decide critical acts, two together; without any, whoever is at the
	// socket does. Proposals wait for them.
	Operators []OperatorKey `json:"operators,omitempty"`
	Proposals int           `json:"proposals,omitempty"`
}

// HexHash is 32 bytes that travel as 64 lower-case hexadecimal digits.
type HexHash [32]byte

// String returns the digits.
func (h HexHash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the digits.
func (h HexHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads exactly what MarshalText writes.
func (h *HexHash) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(h) || hex.EncodeToString(b) != string(text) {
		return errors.New("a hash is 64 lower-case hexadecimal digits")
	}
	*h = HexHash(b)
	return nil
}
