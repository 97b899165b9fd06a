package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"milagro.dev/internal/login/logintest"
	"milagro.dev/mpin"
)

// visitor is one person with a connection, who logs in again and again. What
// travels is written before and read after: between, it is bytes.
type visitor struct {
	name     string
	login    mpin.Login
	secrets  mpin.Secrets
	conn     net.Conn
	from     *bufio.Reader
	attempts []*mpin.Attempt
	requests [][]byte // of the pass that comes next
	answers  [][]byte // of the one before
}

// enrol makes somebody with a row, a permit and a factor, who goes the way that
// everybody goes.
func (v *visitor) enrol(ctx context.Context, s *logintest.Server) error {
	p, err := s.NewDevice("acct:" + v.name + "@bench.example")
	if err != nil {
		return err
	}
	if err := p.Register(ctx, pin); err != nil {
		return err
	}
	if err := p.ShowRow(ctx); err != nil {
		return err
	}
	return v.know(ctx, s, p, p)
}

// know gives v the device of p and the secrets of another, who is mostly the same.
func (v *visitor) know(ctx context.Context, s *logintest.Server, p, other *logintest.Person) error {
	_, site, err := s.Site()
	if err != nil {
		return err
	}
	epoch, err := p.Epoch()
	if err != nil {
		return err
	}
	permit, err := other.Permit(ctx, epoch)
	if err != nil {
		return err
	}
	factor, err := other.Factor(pin)
	if err != nil {
		return err
	}
	v.login = mpin.Login{Domain: site.Domain, Service: site.ID, Origin: site.Origin, Name: p.Name, Device: p.Device, Epoch: epoch}
	v.secrets = mpin.Secrets{Token: other.Token, Permit: permit, Factor: factor, Signer: p.Signer}
	return nil
}

func (v *visitor) connect(address string) (err error) {
	v.conn, err = net.Dial("tcp", address)
	v.from = bufio.NewReader(v.conn)
	return err
}

func (v *visitor) hangUp() {
	if v.conn != nil {
		v.conn.Close()
	}
}

// prepare makes n attempts and their first messages.
func (v *visitor) prepare(n int) error {
	v.attempts, v.requests = nil, nil
	for range n {
		a, err := mpin.Begin(v.login, v.secrets)
		if err != nil {
			return err
		}
		l := v.login
		request, err := v.request("/v1/mpin/begin", mpin.BeginRequest{Service: l.Service[:], Name: l.Name, Device: l.Device.Bytes(),
			Epoch: l.Epoch.Bytes(), U: a.Commitment().Bytes()})
		if err != nil {
			return err
		}
		v.attempts, v.requests = append(v.attempts, a), append(v.requests, request)
	}
	return nil
}

// prove makes the second messages of all attempts that have begun.
func (v *visitor) prove() error {
	v.requests = nil
	for i, a := range v.attempts {
		var answer mpin.BeginAnswer
		if err := json.Unmarshal(v.answers[i], &answer); err != nil {
			return err
		}
		c := mpin.Challenge{Session: [mpin.SessionSize]byte(answer.Session), Nonce: [mpin.NonceSize]byte(answer.Nonce)}
		proof, err := a.Finish(c)
		if err != nil {
			return err
		}
		request, err := v.request("/v1/mpin/finish", mpin.FinishRequest{Session: answer.Session, V: proof.V[:], Signature: proof.Signature[:]})
		if err != nil {
			return err
		}
		v.requests = append(v.requests, request)
	}
	return nil
}

// turn makes the second messages of n logins and the first of n others, one after
// the other.
func (v *visitor) turn(n int) error {
	if len(v.attempts) != n {
		if err := errors.Join(v.prepare(n), v.served()); err != nil {
			return err
		}
	}
	if err := v.prove(); err != nil {
		return err
	}
	finishes := v.requests
	if err := v.prepare(n); err != nil {
		return err
	}
	begins := v.requests
	v.requests = nil
	for i := range n {
		v.requests = append(v.requests, finishes[i], begins[i])
	}
	return nil
}

// begun keeps, of the answers in a turn, those to first messages.
func (v *visitor) begun() {
	answers := v.answers
	v.answers = nil
	for i := 1; i < len(answers); i += 2 {
		v.answers = append(v.answers, answers[i])
	}
}

// request returns the bytes of a call.
func (v *visitor) request(path string, message any) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, v.login.Origin+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return wire(r)
}

// wire returns the bytes of a request.
func wire(r *http.Request) ([]byte, error) {
	var out bytes.Buffer
	err := r.Write(&out)
	return out.Bytes(), err
}

// pass sends the messages that are ready, one after the other, and takes the
// answers, all of this status.
func (v *visitor) pass(status int) error {
	v.answers = nil
	for _, request := range v.requests {
		_, body, err := v.exchange(request, status)
		if err != nil {
			return err
		}
		v.answers = append(v.answers, body)
	}
	return nil
}

// exchange sends one message and takes the answer, of this status.
func (v *visitor) exchange(request []byte, status int) (http.Header, []byte, error) {
	if _, err := v.conn.Write(request); err != nil {
		return nil, nil, err
	}
	response, err := http.ReadResponse(v.from, nil)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, err
	}
	if response.StatusCode != status {
		return nil, nil, fmt.Errorf("%s: status %d: %s", v.name, response.StatusCode, body)
	}
	return response.Header, body, nil
}

// served is pass where everything succeeds.
func (v *visitor) served() error { return v.pass(http.StatusOK) }
