package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// alertWithin is how long a peer may take to say that it refuses.
const alertWithin = 5 * time.Second

// caller makes calls to a service, each over a connection of its own.
type caller struct {
	source idtls.Source
	to     identity.Name
	url    string
}

// call makes one call and returns the answer.
func (c caller) call(ctx context.Context) (string, error) {
	transport, err := idtls.Transport(c.source, idtls.Exactly(c.to))
	if err != nil {
		return "", err
	}
	transport.DisableKeepAlives = true
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: transport, Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", c.url, response.Status)
	}
	return string(answer), err
}

// why returns what the peer says of its refusal in place of err, if it refuses.
// An HTTP client, which sends before it knows that it is refused, often sees no
// more than a closed connection.
func (c caller) why(ctx context.Context, err error) error {
	if alert := c.alert(ctx); refusedByPeer(alert) {
		return fmt.Errorf("%v refuses this name or its key: %w", c.to, alert)
	}
	return err
}

// alert connects, sends nothing and returns what the peer says to that.
func (c caller) alert(ctx context.Context) error {
	at, err := url.Parse(c.url)
	if err != nil {
		return err
	}
	port := at.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, alertWithin)
	defer cancel()
	conn, err := idtls.Dial(ctx, "tcp", net.JoinHostPort(at.Hostname(), port), c.source, idtls.Exactly(c.to))
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// refusedByPeer reports whether err is the alert with which a peer refuses.
func refusedByPeer(err error) bool {
	var alert *net.OpError
	return errors.As(err, &alert) && alert.Op == "remote error"
}
