package login

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

// Operator speaks to a running login server through its admin socket. A refusal is
// a *problem.Problem.
type Operator struct {
	client *http.Client
}

// NewOperator returns an Operator of the login server whose socket is at path
// (SocketPath).
func NewOperator(path string) *Operator {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, withHint(err, "is the login server running? 'milagro login serve' makes the socket")
		}
		return conn, nil
	}
	return &Operator{client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status returns how the login server is.
func (o *Operator) Status(ctx context.Context) (s Status, err error) {
	err = o.call(ctx, http.MethodGet, "/admin/status", nil, &s)
	return s, err
}

// List returns the devices of one name; the first of all names if it is the zero
// Name.
func (o *Operator) List(ctx context.Context, name identity.Name) (l Listing, err error) {
	err = o.call(ctx, http.MethodGet, "/admin/list"+query(name, 0), nil, &l)
	return l, err
}

// Revoke ends a device of a name, for ever; all its devices if device is nil. The
// authorities are told, so that they renew no permit for it.
func (o *Operator) Revoke(ctx context.Context, name identity.Name, device *identity.DeviceHash) (r Revoked, err error) {
	err = o.call(ctx, http.MethodPost, "/admin/revoke", devicesRequest{name, (*HexHash)(device)}, &r)
	return r, err
}

// Unlock ends the lock of a device after wrong PINs in a row; of all devices of the
// name if device is nil. Where operators decide it makes a proposal.
func (o *Operator) Unlock(ctx context.Context, name identity.Name, device *identity.DeviceHash) (u Unlocked, err error) {
	err = o.call(ctx, http.MethodPost, "/admin/unlock", devicesRequest{name, (*HexHash)(device)}, &u)
	return u, err
}

// Audit returns the newest decisions about a name, or about all if it is the zero
// Name: as many as limit, or 100 if that is 0.
func (o *Operator) Audit(ctx context.Context, name identity.Name, limit int) (a Audit, err error) {
	err = o.call(ctx, http.MethodGet, "/admin/audit"+query(name, limit), nil, &a)
	return a, err
}

// Invite makes an invitation for a name, good until expires, or for seven days if that
// is zero; or a proposal of one, where operators decide.
func (o *Operator) Invite(ctx context.Context, name identity.Name, expires time.Time) (i Invitation, err error) {
	err = o.call(ctx, http.MethodPost, "/admin/invite", inviteRequest{name, expires}, &i)
	return i, err
}

// Invitations returns those of a name, or the newest of all if it is the zero Name.
func (o *Operator) Invitations(ctx context.Context, name identity.Name) (l Invitations, err error) {
	err = o.call(ctx, http.MethodGet, "/admin/invitations"+query(name, 0), nil, &l)
	return l, err
}

// Withdraw ends the invitations of a name that have enrolled nobody yet.
func (o *Operator) Withdraw(ctx context.Context, name identity.Name) (w Withdrawn, err error) {
	err = o.call(ctx, http.MethodPost, "/admin/withdraw", withdrawRequest{name}, &w)
	return w, err
}

func query(name identity.Name, limit int) string {
	q := url.Values{}
	if !name.IsZero() {
		q.Set("name", name.String())
	}
	if limit != 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (o *Operator) call(ctx context.Context, method, path string, in, out any) error {
	body := new(bytes.Buffer)
	if in != nil {
		if err := json.NewEncoder(body).Encode(in); err != nil {
			return fmt.Errorf("login server's operator: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://login"+path, body)
	if err != nil {
		return fmt.Errorf("login server's operator: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := o.client.Do(request)
	if err != nil {
		return fmt.Errorf("login server's operator: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		refused, err := problem.Read(response)
		if err != nil {
			return fmt.Errorf("login server's operator: %w", err)
		}
		return refused
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("login server's operator: %w", err)
	}
	return nil
}
