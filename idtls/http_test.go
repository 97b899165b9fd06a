package idtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// site is a Server and clients of it over wires, in a synctest bubble.
type site struct {
	wires  wires
	server *http.Server
	served chan error
	made   atomic.Int32 // connections
}

func openSite(t *testing.T, handler http.Handler, own Source) *site {
	t.Helper()
	server, err := Server(handler, own, anyone)
	check(t, err)
	server.ErrorLog = quiet(t)
	s := &site{wires: make(wires), server: server, served: make(chan error, 1)}
	go func() { s.served <- server.ServeTLS(s.wires, "", "") }()
	return s
}

func (s *site) close(t *testing.T) {
	t.Helper()
	close(s.wires)
	check(t, s.server.Close())
	<-s.served
	time.Sleep(2 * sweepInterval)
}

// client returns a client with an own pool of connections, which speaks
// HTTP/2, or what else protocols say.
func (s *site) client(t *testing.T, own Source, protocols ...string) *http.Client {
	t.Helper()
	transport, err := Transport(own, anyone)
	check(t, err)
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		client, server := newWire()
		s.made.Add(1)
		s.wires <- server
		return client, nil
	}
	if len(protocols) > 0 {
		transport.TLSClientConfig.NextProtos = protocols
		transport.ForceAttemptHTTP2, transport.Protocols = false, new(http.Protocols)
		transport.Protocols.SetHTTP1(true)
	}
	return &http.Client{Transport: transport}
}

func ask(client *http.Client, method string) (answer string, err error) {
	// A body that cannot be sent again: the transport does not hide a failure.
	r, err := http.NewRequest(method, "https://api.example/", io.MultiReader(strings.NewReader("once")))
	if err != nil {
		return "", err
	}
	response, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.Proto + " " + string(body), err
}

// TestNoRequestIsLostWhenEpochsPass keeps requests of a second and more in
// flight over epochs of ten, with clocks apart.
func TestNoRequestIsLostWhenEpochsPass(t *testing.T) {
	a := newAuthority("example.org")
	for _, proto := range []string{"HTTP/2.0", "HTTP/1.1"} {
		for _, behind := range []time.Duration{-2 * time.Second, 0, 2 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				renew := func(path string) *renewing {
					d := a.domain(t)
					d.Schedule.Length = 10
					return &renewing{t: t, issuer: a, domain: d, name: parseName(t, "spiffe://example.org"+path)}
				}
				web, api := renew("/web"), renew("/api")
				web.behind = max(0, behind)
				api.behind = max(0, -behind)
				s := openSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					time.Sleep(1300 * time.Millisecond)
					fmt.Fprint(w, "ok")
				}), api)
				var protocols []string
				if proto == "HTTP/1.1" {
					protocols = []string{"http/1.1"}
				}
				client := s.client(t, web, protocols...)
				began := time.Now()
				var all sync.WaitGroup
				for i := range 3 {
					all.Go(func() {
						time.Sleep(time.Duration(i) * 370 * time.Millisecond)
						for range 30 {
							if answer, err := ask(client, http.MethodPost); answer != proto+" ok" {
								t.Errorf("%s, behind %v, at %v: %q, %v", proto, behind, time.Since(began), answer, err)
							}
						}
					})
				}
				all.Wait()
				if made := s.made.Load(); made < 4 || made > 40 {
					t.Errorf("behind %v: %d connections in four epochs", behind, made)
				}
				client.CloseIdleConnections()
				s.close(t)
				for _, d := range []*Domain{web.domain, api.domain} {
					if open, runs := openWatches(d); open > 0 || runs {
						t.Errorf("%d watched, goroutine runs: %v", open, runs)
					}
				}
			})
		}
	}
}

// TestHTTPConnectionsAreWatched revokes each end in turn.
func TestHTTPConnectionsAreWatched(t *testing.T) {
	a := newAuthority("example.org")
	for _, end := range []string{"client", "server"} {
		synctest.Test(t, func(t *testing.T) {
			web, api := a.member(t, "/web"), a.member(t, "/api")
			var denied atomic.Bool
			revoked := func(Peer) bool { return denied.Load() }
			if end == "client" {
				api.Domain.Revoked = revoked
			} else {
				web.Domain.Revoked = revoked
			}
			asked, answer := make(chan struct{}), make(chan struct{})
			s := openSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(asked)
				<-answer
			}), holder{api})
			client := s.client(t, holder{web})
			failed := make(chan error, 1)
			go func() { failed <- second(ask(client, http.MethodGet)) }()
			<-asked
			denied.Store(true)
			began := time.Now()
			if err := <-failed; err == nil || time.Since(began) > sweepInterval {
				t.Errorf("%s revoked: after %v, %v", end, time.Since(began), err)
			}
			close(answer)
			client.CloseIdleConnections()
			s.close(t)
		})
	}
}

// TestServerServesNobodyWithoutAPeer: begun with Serve in place of ServeTLS it
// must not speak in clear.
func TestServerServesNobodyWithoutAPeer(t *testing.T) {
	a := newAuthority("example.org")
	server, err := Server(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") }), holder{a.member(t, "/api")}, anyone)
	check(t, err)
	for _, state := range []*tls.ConnectionState{nil, {}} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r = r.WithContext(server.ConnContext(r.Context(), stuckConn{}))
		r.TLS = state
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, r)
		if !slices.Contains([]int{http.StatusForbidden, http.StatusServiceUnavailable}, w.Code) {
			t.Errorf("status %d", w.Code)
		}
	}
}

// stuckConn is a connection of which nothing is asked.
type stuckConn struct{ net.Conn }

func TestTransportClosesWhatItCannotWatch(t *testing.T) {
	a := newAuthority("example.org")
	synctest.Test(t, func(t *testing.T) {
		client, server := newWire()
		go func() {
			conn := tls.Server(server, serverConfig(t, a.member(t, "/api"), anyone))
			_ = conn.Handshake()
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}()
		_, err := join(t.Context(), client, clientConfig(t, a.member(t, "/web"), anyone), empty{})
		if !errors.Is(err, errEmpty) || !client.closed.Load() {
			t.Errorf("closed: %v, error %v", client.closed.Load(), err)
		}
	})
}
