package wallet

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/mpin"
)

// line is the way to a login server for one login.
type line struct {
	client  *dta.Client
	url     string
	channel mpin.Channel
	close   func()
}

// dial opens a line to a service.
func (w *Wallet) dial(ctx context.Context, s site, v Via) (*line, error) {
	if v.kind() == 0 {
		plain := http.Client{}
		if w.client.HTTP != nil {
			plain = *w.client.HTTP
		}
		plain.CheckRedirect = elsewhere
		return &line{client: &dta.Client{HTTP: &plain}, url: s.service.Origin, close: func() {}}, nil
	}
	conn, err := w.dialChannel(ctx, v)
	if err != nil {
		return nil, err
	}
	state := conn.ConnectionState()
	exporter, err := state.ExportKeyingMaterial(mpin.ExporterLabel, nil, mpin.ExporterSize)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	channel, err := mpin.Exporter(exporter)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	only := &http.Client{Transport: onlyOver(conn), CheckRedirect: elsewhere}
	return &line{client: &dta.Client{HTTP: only}, url: "https://" + v.Address, channel: channel, close: func() { conn.Close() }}, nil
}

// elsewhere refuses redirections: the origin is what a login is bound to.
func elsewhere(r *http.Request, _ []*http.Request) error {
	return fmt.Errorf("the login server sends us to %s, which is not its origin", r.URL.Host)
}

// dialChannel connects over identity TLS, with the channel key of the present time
// if it can be had.
func (w *Wallet) dialChannel(ctx context.Context, v Via) (*tls.Conn, error) {
	source := w.Source(v.As)
	if _, err := source.Credential(); errors.Is(err, ErrNoKey) {
		if _, err := w.renew(ctx, v.As, due); err != nil {
			return nil, fmt.Errorf("channel key of %v: %w", v.As, err)
		}
	}
	config, err := idtls.ClientConfig(source, idtls.Exactly(v.To), "http/1.1")
	if err != nil {
		return nil, err
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", v.Address)
	if err != nil {
		return nil, fmt.Errorf("login server at %s: %w", v.Address, err)
	}
	return conn.(*tls.Conn), nil
}

// onlyOver returns a transport over conn and no other connection: the exporter
// that a login is bound to is this one's.
func onlyOver(conn net.Conn) *http.Transport {
	var taken atomic.Bool
	return &http.Transport{MaxConnsPerHost: 1, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		if taken.Swap(true) {
			return nil, errors.New("the connection that the login is bound to is gone: log in again")
		}
		return conn, nil
	}}
}

// via returns how the login reaches its server. The record was checked.
func (r loginRecord) via() Via {
	as, _ := parseOptional(r.As)
	to, _ := parseOptional(r.To)
	return Via{As: as, To: to, Address: r.Address}
}

// key returns the key that logs in, or is about to.
func (r loginRecord) key() string { return cmp.Or(r.Active, r.Pending) }

func parseOptional(s string) (identity.Name, error) {
	if s == "" {
		return identity.Name{}, nil
	}
	return identity.ParseName(s)
}

// check returns an error about the file at path unless the record is one that a
// wallet writes.
func (r loginRecord) check(path string) error {
	_, asErr := parseOptional(r.As)
	_, toErr := parseOptional(r.To)
	err := errors.Join(identity.CheckService(r.Service), asErr, toErr)
	if err == nil {
		err = r.via().check()
	}
	for _, id := range []string{r.Active, r.Pending} {
		if err == nil && id != "" && !isLoginID(id) {
			err = errors.New("it names no key")
		}
	}
	if err == nil && (r.Name.IsZero() || r.Active == r.Pending) {
		err = errors.New("it has no key or no name")
	}
	if err != nil {
		return damaged(path, err)
	}
	return nil
}
