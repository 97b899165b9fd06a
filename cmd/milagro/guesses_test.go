//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/store/postgrestest"
	"milagro.dev/mpin"
)

const (
	rightPIN, wrongPIN = "472916", "472961"
	// atATime is how many guesses are under way at once, in rounds of which each is
	// followed by an unlocking.
	atATime, perRound = 50, 100
)

// TestGuessesThroughThePagesCalls: a thief of a device guesses through exactly the
// calls of the pages, many at once, at a server that is a process of its own and is
// killed in the middle, again and again: five in a row and fifty in all are counted,
// never one more or less, and no right PIN comes through after them.
func TestGuessesThroughThePagesCalls(t *testing.T) {
	for engine, c := range map[string]struct{ rounds, kills int }{"sqlite": {11, 5}, "postgres": {2, 2}} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			h := newHarbour(t, engine)
			h.signsIn(http.StatusOK)
			for round := range c.rounds {
				h.guesses(round < c.kills, int64(round))
				h.counts(min(round*5+5, 50))
				u, err := h.Operator().Unlock(t.Context(), h.person.Name, nil)
				if err != nil || u.Devices+u.Exhausted != 1 || (u.Exhausted == 1) != (round >= 9) {
					t.Fatalf("round %d: %+v, %v", round, u, err)
				}
			}
			if c.rounds > 10 {
				h.signsIn(http.StatusForbidden)
			} else {
				h.signsIn(http.StatusOK)
			}
		})
	}
}

// harbour is a login server with pages and OpenID that runs as a process, and somebody
// whose browser speaks to it alone.
type harbour struct {
	*logintest.Server
	t       *testing.T
	flags   []string
	running *exec.Cmd
	person  *logintest.Person
	app     string // client ID
}

func newHarbour(t *testing.T, engine string) *harbour {
	t.Helper()
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3})
	cfg := logintest.Config{Domain: d, Published: d.Published}
	h := &harbour{t: t, app: "app"}
	if engine == "postgres" {
		cfg.Login.Database = postgrestest.Start(t)
		h.flags = []string{"--database", cfg.Login.Database}
	}
	h.Server = logintest.New(t, cfg)
	h.person = h.Person(t, "acct:alice@example.org", rightPIN)
	h.done(h.Stop())
	h.start()
	t.Cleanup(func() { h.kill() })
	_, err := h.Operator().AddClient(t.Context(), login.Application{Client: h.app, Redirects: []string{"http://127.0.0.1:1/cb"}, Public: true})
	h.done(err)
	transport := &http.Transport{MaxIdleConnsPerHost: atATime}
	t.Cleanup(transport.CloseIdleConnections)
	h.person.Client = &dta.Client{HTTP: &http.Client{Transport: relaying{h, d, transport}}}
	return h
}

func (h *harbour) done(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// start starts the server's process and waits until people can log in.
func (h *harbour) start() {
	h.t.Helper()
	args := append([]string{"login", "serve", "--dir", h.Dir, "--key-file", h.KeyFile, "--listen", strings.TrimPrefix(h.URL(), "http://"), "--openid", "on"}, h.flags...)
	h.running = milagro(context.WithoutCancel(h.t.Context()), args...)
	log, err := os.CreateTemp(h.t.TempDir(), "log")
	h.done(err)
	defer log.Close()
	h.running.Stderr = log
	h.done(h.running.Start())
	if err := h.AwaitReady(h.t.Context()); err != nil {
		text, _ := os.ReadFile(log.Name())
		h.t.Fatalf("%v\n%s", err, text)
	}
}

// kill is kill -9.
func (h *harbour) kill() {
	h.running.Process.Kill()
	h.running.Wait() // it was killed
}

// relaying is the browser's way: everything at one origin.
type relaying struct {
	h      *harbour
	domain *authoritytest.Domain
	next   http.RoundTripper
}

func (r relaying) RoundTrip(q *http.Request) (*http.Response, error) {
	for i, m := range r.domain.Members {
		if "http://"+q.URL.Host == m.URL() {
			if q.URL.Path != "/v1/issue" {
				return nil, errors.New("a browser asks authorities for shares alone")
			}
			to, err := url.Parse(fmt.Sprintf("%s/v1/relay/%d", r.h.URL(), i+1))
			if err != nil {
				return nil, err
			}
			q = q.Clone(q.Context())
			q.URL, q.Host = to, ""
		}
	}
	return r.next.RoundTrip(q)
}

// guesses has wrong PINs tried, many at once. With killing, the process dies after a
// few answers, and who got none asks again.
func (h *harbour) guesses(killing bool, after int64) {
	h.t.Helper()
	proofs := make([]mpin.FinishRequest, perRound)
	h.done(atOnce(func(i int) error {
		a, err := h.person.Begun(h.t.Context(), wrongPIN, mpin.Intent{})
		if err == nil {
			proofs[i], err = a.Prove()
		}
		return err
	}))
	var sent, answered atomic.Int64
	up, over := make(chan struct{}), make(chan error, 1) // up is closed when the server is there to stay
	finish := func(i int) error {
		_, err := h.person.Client.FinishLogin(h.t.Context(), h.URL(), proofs[i])
		return err
	}
	go func() {
		over <- atOnce(func(i int) error {
			sent.Add(1)
			err := finish(i)
			if p := (*problem.Problem)(nil); !errors.As(err, &p) {
				<-up // cut off: it is sent again, to whoever is there now
				err = finish(i)
			}
			answered.Add(1)
			if errors.Is(err, problem.LoginRefused) || errors.Is(err, problem.SessionUnknown) {
				return nil
			}
			return fmt.Errorf("a wrong PIN: %v", err)
		})
	}()
	if killing {
		for sent.Load() < 5 || answered.Load() < after {
			time.Sleep(100 * time.Microsecond)
		}
		h.kill()
		h.start()
	}
	close(up)
	h.done(<-over)
}

func atOnce(do func(i int) error) error {
	var all sync.WaitGroup
	slots, errs := make(chan struct{}, atATime), make([]error, perRound)
	for i := range perRound {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(i)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// counts fails the test unless five in a row are counted, and so many in all.
func (h *harbour) counts(total int) {
	h.t.Helper()
	l, err := h.Operator().List(h.t.Context(), h.person.Name)
	h.done(err)
	state := "locked"
	if total == 50 {
		state = "exhausted"
	}
	if d := l.Devices[0]; d.Streak > 5 || d.Total != total || d.State != state {
		h.t.Fatalf("streak %d, total %d, %s; want at most 5, %d, %s", d.Streak, d.Total, d.State, total, state)
	}
}

// signsIn goes through the calls of a sign-in with the right PIN, as the page does.
func (h *harbour) signsIn(want int) {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	h.done(err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	q := url.Values{"client_id": {h.app}, "redirect_uri": {"http://127.0.0.1:1/cb"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"}}
	response, err := browser.Get(h.URL() + "/oauth/authorize?" + q.Encode())
	h.done(err)
	response.Body.Close()
	page, err := response.Location()
	h.done(err)
	_, err = h.person.Client.Domain(h.t.Context(), h.URL())
	h.done(err)
	answer, err := h.person.Login(h.t.Context(), rightPIN, mpin.Intent{})
	if want != http.StatusOK {
		if !errors.Is(err, problem.LoginRefused) {
			h.t.Errorf("the right PIN: %v", err)
		}
		return
	}
	h.done(err)
	body, err := json.Marshal(map[string]string{"request": page.Query().Get("request"), "statement": answer.Statement})
	h.done(err)
	response, err = browser.Post(h.URL()+"/oauth/signin", "application/json", bytes.NewReader(body))
	h.done(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	h.done(err)
	if response.StatusCode != want || !strings.Contains(string(text), "code=") {
		h.t.Errorf("%s: %s", response.Status, text)
	}
}
