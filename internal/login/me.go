package login

import (
	"context"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"milagro.dev/identity"
	"milagro.dev/internal/oidc"
	"milagro.dev/internal/problem"
)

// maxLabel is how long the name is that a person gives to a device, in bytes.
const maxLabel = 64

// OwnDevice is a device of the person who asks.
type OwnDevice struct {
	Device
	Label   string `json:"label,omitempty"`   // what its owner calls it
	Current bool   `json:"current,omitempty"` // it is the one that asks
}

// OwnDevices are those that log in, or would if they were not locked.
type OwnDevices struct {
	Devices []OwnDevice `json:"devices"`
}

type ownDevice struct {
	Device HexHash `json:"device"`
}

type ownLabel struct {
	Label string `json:"label"`
}

// ownership is where people look after their own devices. Who comes shows the statement of
// a login, in a header that no other page's script can send along: five minutes old at
// most, of a device that is not revoked.
type ownership struct {
	statements oidc.Authenticator
	state      *state
	registry   *registry
}

func (s *Server) routeOwn(mux *http.ServeMux) {
	mux.Handle("GET /v1/me/devices", get(s, func(r *http.Request) (OwnDevices, error) { return s.ownership.devices(r.Context(), bearer(r)) }))
	mux.Handle("POST /v1/me/devices/remove", post(s, func(r *http.Request, in ownDevice) (nothing, error) {
		return nothing{}, s.ownership.remove(r.Context(), bearer(r), in.Device)
	}))
	mux.Handle("POST /v1/me/devices/label", post(s, func(r *http.Request, in ownLabel) (nothing, error) {
		return nothing{}, s.ownership.label(r.Context(), bearer(r), in.Label)
	}))
}

// bearer returns the credential of RFC 6750, 2.1; empty without one.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// devices returns the caller's devices.
func (d *ownership) devices(ctx context.Context, statement string) (own OwnDevices, err error) {
	who, err := d.statements.Authenticate(ctx, statement)
	if err != nil {
		return own, err
	}
	all, err := d.state.list(ctx, selection{name: who.Name})
	if err != nil {
		return own, unavailable(err)
	}
	labels, err := d.state.labels(ctx, who.Name)
	if err != nil {
		return own, unavailable(err)
	}
	own.Devices = []OwnDevice{}
	current := false
	for _, one := range all.Devices {
		if one.State == "revoked" {
			continue
		}
		o := OwnDevice{Device: one, Label: labels[one.Device], Current: one.Device == HexHash(who.Device)}
		current = current || o.Current
		own.Devices = append(own.Devices, o)
	}
	if !current {
		return OwnDevices{}, problem.New(problem.LoginRefused, "")
	}
	return own, nil
}

// remove ends one of the caller's devices, as the operator would.
func (d *ownership) remove(ctx context.Context, statement string, device HexHash) error {
	own, err := d.devices(ctx, statement)
	if err != nil {
		return err
	}
	for _, o := range own.Devices {
		if o.Device.Device != device {
			continue
		}
		_, err := d.registry.revoke(ctx, selection{name: o.Name, device: (*identity.DeviceHash)(&device)})
		return err
	}
	return nil // it is none of theirs, or is gone already: which, a guesser is not told
}

// label names the caller's device for its owner.
func (d *ownership) label(ctx context.Context, statement, label string) error {
	printable := utf8.ValidString(label) && strings.IndexFunc(label, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	if !printable || len(label) > maxLabel {
		return problem.New(problem.Malformed, "a label is at most %d bytes of printable text", maxLabel)
	}
	own, err := d.devices(ctx, statement)
	if err != nil {
		return err
	}
	for _, o := range own.Devices {
		if o.Current {
			return unavailable(d.state.setLabel(ctx, o.Name, o.Device.Device, label))
		}
	}
	return nil
}
