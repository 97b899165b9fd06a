package authority

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
)

// registerChunk is how many names go into one call: with the longest names
// their request stays below the limit of a body.
const registerChunk = 25

// Operator speaks to a running authority through its admin socket. A refusal
// is a *problem.Problem.
type Operator struct {
	client *http.Client
}

// NewOperator returns an Operator of the authority whose socket is at path
// (SocketPath).
func NewOperator(path string) *Operator {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, withHint(err, "is the authority running? 'milagro dta serve' makes the socket")
		}
		return conn, nil
	}
	return &Operator{client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// SignPlan agrees to a plan, and thereby to the first document that follows from
// it.
func (o *Operator) SignPlan(ctx context.Context, plan []byte) (a Agreed, err error) {
	err = o.call(ctx, http.MethodPost, "/admin/sign-plan", planRequest{plan}, &a)
	return a, err
}

// Agree agrees to a domain document that succeeds the one that is served.
func (o *Operator) Agree(ctx context.Context, document []byte) (a Agreed, err error) {
	err = o.call(ctx, http.MethodPost, "/admin/agree", documentRequest{Document: document}, &a)
	return a, err
}

// Register makes a one-time code for each name. After an error the codes that
// were made before it are returned too.
func (o *Operator) Register(ctx context.Context, names []identity.Name, purpose identity.Purpose, expires time.Time) ([]Registration, error) {
	return o.register(ctx, registerRequest{Names: names, Purpose: purpose, Expires: expires})
}

// RegisterLogin makes a one-time code for each name, with which it is enrolled for
// the login service that has this name; else as Register.
func (o *Operator) RegisterLogin(ctx context.Context, names []identity.Name, service string, expires time.Time) ([]Registration, error) {
	return o.register(ctx, registerRequest{Names: names, Purpose: identity.MPin, Service: service, Expires: expires})
}

func (o *Operator) register(ctx context.Context, in registerRequest) ([]Registration, error) {
	var codes []Registration
	names := in.Names
	for len(names) > 0 {
		n := min(len(names), registerChunk)
		var answer registerAnswer
		in.Names = names[:n]
		if err := o.call(ctx, http.MethodPost, "/admin/register", in, &answer); err != nil {
			return codes, err
		}
		codes, names = append(codes, answer.Codes...), names[n:]
	}
	return codes, nil
}

// Revoke ends the enrolment of a device under a name; of all devices if device
// is nil, and then voids the name's unused codes too.
func (o *Operator) Revoke(ctx context.Context, name identity.Name, device *identity.DeviceHash) (r Revoked, err error) {
	err = o.call(ctx, http.MethodPost, "/admin/revoke", revokeRequest{name, (*HexHash)(device)}, &r)
	return r, err
}

// List returns enrolments and unused codes of one name; of all names if it is
// the zero Name.
func (o *Operator) List(ctx context.Context, name identity.Name) (l Listing, err error) {
	path := "/admin/list"
	if !name.IsZero() {
		path += "?name=" + url.QueryEscape(name.String())
	}
	err = o.call(ctx, http.MethodGet, path, nil, &l)
	return l, err
}

// Status returns how the authority is.
func (o *Operator) Status(ctx context.Context) (s Status, err error) {
	err = o.call(ctx, http.MethodGet, "/admin/status", nil, &s)
	return s, err
}

// Enter makes somebody, who has this Ed25519 key, an operator: one of the first two,
// or with approvals (ApproveOperator) of two others, together or one after the other.
func (o *Operator) Enter(ctx context.Context, name string, key ed25519.PublicKey, approvals ...[]byte) (e OperatorEntry, err error) {
	if len(key) != ed25519.PublicKeySize {
		return e, errors.New("authority's operator: not an Ed25519 key")
	}
	err = o.call(ctx, http.MethodPost, "/admin/operator", operatorRequest{Name: name, Key: HexHash(key), Approvals: approvals}, &e)
	return e, err
}

// Approve approves, as the operator who has this key, that the login server of a
// service fetches this authority's share of its server key, once. The service is
// one that Status named, and shown to the operator as Status named it.
func (o *Operator) Approve(ctx context.Context, key ed25519.PrivateKey, service ServiceState) (a Approved, err error) {
	signed, err := o.sign(ctx, key, approved{actServerKey, slices.Concat(service.Service[:], service.Generation)})
	if err != nil {
		return a, err
	}
	err = o.call(ctx, http.MethodPost, "/admin/approve", approveRequest{signed}, &a)
	return a, err
}

// ApproveOperator returns the approval, by the operator who has key as, of who is to
// become one.
func (o *Operator) ApproveOperator(ctx context.Context, as ed25519.PrivateKey, name string, key ed25519.PublicKey) ([]byte, error) {
	return o.sign(ctx, as, operator{name: name, key: key}.approved())
}

// sign signs for this authority at its own time.
func (o *Operator) sign(ctx context.Context, key ed25519.PrivateKey, a approved) ([]byte, error) {
	status, err := o.Status(ctx)
	if err != nil {
		return nil, err
	}
	return encoding.Sign(key, a.body(status.Key[:], unixSeconds(status.Clock))), nil
}

func (o *Operator) call(ctx context.Context, method, path string, in, out any) error {
	body := new(bytes.Buffer)
	if in != nil {
		if err := json.NewEncoder(body).Encode(in); err != nil {
			return fmt.Errorf("authority's operator: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://authority"+path, body)
	if err != nil {
		return fmt.Errorf("authority's operator: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := o.client.Do(request)
	if err != nil {
		return fmt.Errorf("authority's operator: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		refused, err := problem.Read(response)
		if err != nil {
			return fmt.Errorf("authority's operator: %w", err)
		}
		return refused
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("authority's operator: %w", err)
	}
	return nil
}
