package dta

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"milagro.dev/identity"
)

// ErrInvitation is wrapped by every refusal of an invitation's link.
var ErrInvitation = errors.New("not the link of an invitation")

// Invitation is the link that a login server gives to who may enrol a device
// (spec/enrolment.md "Invitations").
type Invitation struct {
	Origin string // of the login server
	Token  [InvitationSize]byte
}

// ParseInvitation reads a link, ORIGIN/enrol#TOKEN. Errors wrap ErrInvitation and do
// not repeat the token.
func ParseInvitation(link string) (Invitation, error) {
	place, fragment, ok := strings.Cut(strings.TrimSpace(link), "#")
	u, err := url.Parse(place)
	if !ok || err != nil || u.Host == "" || u.Path != "/enrol" || u.RawQuery != "" {
		return Invitation{}, fmt.Errorf("%w: it looks like https://login.example.org/enrol#…", ErrInvitation)
	}
	token, err := base64.RawURLEncoding.Strict().DecodeString(fragment)
	if err != nil || len(token) != InvitationSize {
		return Invitation{}, fmt.Errorf("%w: it is not whole", ErrInvitation)
	}
	return Invitation{Origin: u.Scheme + "://" + u.Host, Token: [InvitationSize]byte(token)}, nil
}

// Link returns what ParseInvitation reads. It is a secret.
func (i Invitation) Link() string { return i.Origin + "/enrol#" + i.text() }

// text is the token as it travels.
func (i Invitation) text() string { return base64.RawURLEncoding.EncodeToString(i.Token[:]) }

// Invited is what a login server says of an invitation.
type Invited struct {
	Name        identity.Name `json:"name"`
	Service     string        `json:"service"`
	Expires     uint64        `json:"expires"` // unix seconds
	Authorities []uint32      `json:"authorities"`
}

// OpenInvitation looks at an invitation at its login server. A refusal is a
// *problem.Problem.
func (c *Client) OpenInvitation(ctx context.Context, i Invitation) (said Invited, err error) {
	err = c.post(ctx, i.Origin, "/v1/enrol/open", map[string]string{"token": i.text()}, &said)
	return said, err
}

// Vouchers claims an invitation for a device and returns its registrations, by
// index. A refusal is a *problem.Problem; other errors are the signer's.
func (c *Client) Vouchers(ctx context.Context, i Invitation, service identity.ServiceID, signer crypto.Signer) (map[uint32][]byte, error) {
	device, err := identity.DeviceOf(signer)
	if err != nil {
		return nil, err
	}
	signature, err := identity.SignDevice(signer, EnrolDigest(InvitationHash(i.Token), service, device))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Vouchers [][]byte `json:"vouchers"`
	}
	claim := struct {
		Token     string `json:"token"`
		SPKI      []byte `json:"spki"`
		Signature []byte `json:"signature"`
	}{i.text(), device.Bytes(), signature}
	if err := c.post(ctx, i.Origin, "/v1/enrol/vouchers", claim, &answer); err != nil {
		return nil, err
	}
	vouchers := map[uint32][]byte{}
	for n, b := range answer.Vouchers {
		vouchers[uint32(n+1)] = b
	}
	return vouchers, nil
}
