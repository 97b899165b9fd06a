package login

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
)

// Labels of what operators sign (spec/operators.md).
const (
	approvalLabel     = "milagro/v1 login approval"
	inviteLabel       = "milagro/v1 login invite"
	unlockLabel       = "milagro/v1 login unlock"
	clientLabel       = "milagro/v1 login client"
	maxSignedApproval = 128 << 10 // a client has up to 32 URLs
)

// Act is a critical act: exactly one member is there.
type Act struct {
	Invite *InviteAct   `json:"invite,omitempty"`
	Unlock *UnlockAct   `json:"unlock,omitempty"`
	Client *Application `json:"client,omitempty"` // with the hash of its secret
}

// InviteAct invites a person: whoever has the link enrols a device in this name.
type InviteAct struct {
	Name    identity.Name `json:"name"`
	Expires time.Time     `json:"expires"` // in whole seconds
}

// UnlockAct gives a device of a name five tries again, or without one all its devices.
type UnlockAct struct {
	Name   identity.Name `json:"name"`
	Device *HexHash      `json:"device,omitempty"`
}

// subject is what an approval says of the act: every field of it.
func (a Act) subject() []byte {
	switch {
	case a.Invite != nil:
		return encoding.LP(inviteLabel, []byte(a.Invite.Name.String()), encoding.U64(unixSeconds(a.Invite.Expires)))
	case a.Unlock != nil:
		return encoding.LP(unlockLabel, []byte(a.Unlock.Name.String()), optional(a.Unlock.Device))
	case a.Client != nil:
		return encoding.LP(clientLabel, []byte(a.Client.Client), optional(a.Client.SecretHash), texts(a.Client.Redirects), texts(a.Client.PostLogouts))
	}
	return nil
}

func optional(h *HexHash) []byte {
	if h == nil {
		return nil
	}
	return h[:]
}

func texts(list []string) []byte {
	parts := make([][]byte, len(list))
	for i, text := range list {
		parts[i] = []byte(text)
	}
	return encoding.List(parts...)
}

// Kind names the act: invite, unlock or client.
func (a Act) Kind() string {
	switch {
	case a.Invite != nil:
		return "invite"
	case a.Unlock != nil:
		return "unlock"
	}
	return "client"
}

// Subject is whom or what the act is about: a person's name or a client's ID.
func (a Act) Subject() string {
	switch {
	case a.Invite != nil:
		return a.Invite.Name.String()
	case a.Unlock != nil:
		return a.Unlock.Name.String()
	}
	return a.Client.Client
}

// person is the name in the audit of the act; that of an application is none.
func (a Act) person() string {
	if a.Client != nil {
		return ""
	}
	return a.Subject()
}

// reason is what the audit says of the act, and of who approved it.
func (a Act) reason(by string) string {
	text := a.Kind()
	if a.Client != nil {
		text += " " + a.Client.Client
	}
	if by != "" {
		text += " by " + by
	}
	return text
}

// ProposalID names a proposal, at all servers and for ever: 16 random bytes that
// travel as 32 lower-case hexadecimal digits.
type ProposalID [16]byte

func newProposalID() (id ProposalID) {
	rand.Read(id[:])
	return id
}

// String returns the digits.
func (id ProposalID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns the digits.
func (id ProposalID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads exactly what MarshalText writes.
func (id *ProposalID) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(id) || hex.EncodeToString(b) != string(text) {
		return errors.New("a proposal is 32 lower-case hexadecimal digits")
	}
	*id = ProposalID(b)
	return nil
}

// body is what an operator signs who approves a proposal at the server whose card has
// this key.
func (a Act) body(server ed25519.PublicKey, id ProposalID, time uint64) []byte {
	return encoding.LP(approvalLabel, server, id[:], a.subject(), encoding.U64(time))
}

var errApproval = errors.New("not an approval of this proposal at this login server")

// approvalOf reads an envelope and returns when it was signed, and by which of the
// operators, if it is the approval of exactly this act.
func approvalOf(signed []byte, server ed25519.PublicKey, id ProposalID, a Act, all []OperatorKey) (by OperatorKey, time uint64, err error) {
	e, err := encoding.ParseEnvelope(signed, maxSignedApproval)
	if err != nil {
		return by, 0, fmt.Errorf("%w: %w", errApproval, err)
	}
	r := encoding.Open(e.Body, approvalLabel)
	r.Fixed(ed25519.PublicKeySize)
	r.Fixed(len(id))
	r.Bytes(maxSignedApproval)
	time = r.U64()
	if r.Close() != nil || string(e.Body) != string(a.body(server, id, time)) {
		return by, 0, errApproval
	}
	for _, one := range all {
		if e.Verify(one.Key[:]) == nil {
			return one, time, nil
		}
	}
	return by, 0, errNoOperator
}

var errNoOperator = errors.New("no operator of this login server signed it")
