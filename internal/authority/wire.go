package authority

import (
	"encoding/hex"
	"errors"
	"time"

	"milagro.dev/identity"
)

// Registration is a one-time code that was made for a name. The code is a
// secret between the operator and the applicant.
type Registration struct {
	Name identity.Name `json:"name"`
	Code string        `json:"code"`
}

// Revoked says how much a revocation ended.
type Revoked struct {
	Enrolments int `json:"enrolments"`
	Codes      int `json:"codes"`
}

// Listing is what the authority holds about names.
type Listing struct {
	Enrolments []Enrolled `json:"enrolments"`
	Codes      []Waiting  `json:"codes"`
}

// Enrolled is a device that may, unless revoked, renew keys of a name.
type Enrolled struct {
	Name     string    `json:"name"`
	Purpose  string    `json:"purpose"`
	Service  string    `json:"service,omitempty"` // its name; of purposes mpin and permit
	Device   HexHash   `json:"device"`
	Enrolled time.Time `json:"enrolled"`
	Revoked  bool      `json:"revoked"`
}

// Waiting is a one-time code that nobody has used yet, without the code.
type Waiting struct {
	Name    string    `json:"name"`
	Purpose string    `json:"purpose"`
	Service string    `json:"service,omitempty"`
	Expires time.Time `json:"expires"`
}

// Agreed names the plan or document to which the operator agreed.
type Agreed struct {
	Hash     HexHash `json:"hash"`
	Index    uint32  `json:"index,omitempty"`    // of this authority in a plan
	Revision uint64  `json:"revision,omitempty"` // of a document
}

// Status is how the authority is, for its operator.
type Status struct {
	Name   string       `json:"name"`
	URL    string       `json:"url"`
	Key    HexHash      `json:"key"` // Ed25519, of its card
	Ready  bool         `json:"ready"`
	Why    string       `json:"why,omitempty"` // why it is not ready
	Clock  time.Time    `json:"clock"`
	Issued int64        `json:"issued"` // shares in the log
	Plans  []PlanStatus `json:"plans"`
	Domain *DomainState `json:"domain,omitempty"`
	// Services are the domain's login services, Operators those who approve here,
	// Approvals what each of them has approved that waits.
	Services  []ServiceState `json:"services"`
	Operators []OperatorKey  `json:"operators"`
	Approvals []Approval     `json:"approvals"`
}

// ServiceState is a login service and how far the delivery of its server key is.
type ServiceState struct {
	Name        string  `json:"name"`
	Origin      string  `json:"origin"`
	Service     HexHash `json:"service"`       // its identity
	Generation  []byte  `json:"generation"`    // 40 bytes
	Fingerprint HexHash `json:"fingerprint"`   // of its login server's card
	Why         string  `json:"why,omitempty"` // why nothing is issued for it
	Approved    int     `json:"approved"`      // operators who have approved the delivery
	Needed      int     `json:"needed"`
	Delivered   int     `json:"delivered"` // shares that the login server has fetched here
}

// OperatorKey is one of those who approve.
type OperatorKey struct {
	Name string  `json:"name"`
	Key  HexHash `json:"key"` // Ed25519
}

// Approval is one that waits for a second, or for its use.
type Approval struct {
	Operator string    `json:"operator"`
	Act      string    `json:"act"`     // server-key or operator
	Subject  string    `json:"subject"` // name of the service or of who becomes an operator
	Expires  time.Time `json:"expires"`
}

// OperatorEntry says whether somebody is an operator now, or how many of the
// operators that are needed have approved it.
type OperatorEntry struct {
	Entered  bool `json:"entered"`
	Approved int  `json:"approved"`
	Needed   int  `json:"needed"`
}

// Approved says how many of the operators that are needed have approved that the
// login server of a service fetches its share.
type Approved struct {
	Service  string `json:"service"`
	Approved int    `json:"approved"`
	Needed   int    `json:"needed"`
}

// PlanStatus is how far a plan is here: signed, running, confirmed, certified,
// tried, active or aborted.
type PlanStatus struct {
	Plan   HexHash `json:"plan"`
	Domain string  `json:"domain"`
	Index  uint32  `json:"index"`
	State  string  `json:"state"`
}

// DomainState is the domain that the authority serves.
type DomainState struct {
	Domain      string            `json:"domain"`
	Fingerprint identity.DomainID `json:"fingerprint"`
	Index       uint32            `json:"index"`
	Revision    uint64            `json:"revision"`
	Threshold   int               `json:"threshold"`
	Authorities int               `json:"authorities"`
	StampDay    uint32            `json:"stamp_day,omitempty"`
	Fresh       bool              `json:"fresh"`
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

func hexOf(hash [32]byte) string { return HexHash(hash).String() }
