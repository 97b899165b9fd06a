package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/wallet"
)

// stage is a real domain, and a host whose time is that of a synctest bubble. The
// authorities and the network between them live outside of it: their clocks show the
// bubble's time as of the last request.
type stage struct {
	domain *authoritytest.Domain
	issuer *authoritytest.TokenIssuer
	dir    string // of the wallet
	log    *journal
	lists  bool // whether lists of revocations, of which there are many, come through

	host  atomic.Int64  // by which the host's clock is wrong
	world atomic.Int64  // what the authorities' clocks show
	mu    sync.Mutex    // of jobs and over
	jobs  chan func()   // made outside of the bubble
	over  chan struct{} // made there too
}

// length is that of an epoch, in seconds; its skew is five minutes.
const length = 600

// newStage makes a domain of two authorities, unless change wants others.
func newStage(t *testing.T, change func(*authoritytest.Config, *stage)) *stage {
	t.Helper()
	t.Parallel()
	s := &stage{dir: filepath.Join(t.TempDir(), "wallet"), log: &journal{},
		jobs: make(chan func()), over: make(chan struct{})}
	s.world.Store(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()) // when bubbles begin
	clock := func() time.Time { return time.Unix(0, s.world.Load()) }
	s.issuer = authoritytest.NewTokenIssuer(t, clock)
	cfg := authoritytest.Config{Threshold: 2, Authorities: 2, Clock: clock,
		Epochs: map[identity.Purpose]uint32{identity.Channel: length, identity.Decrypt: length}}
	if change != nil {
		change(&cfg, s)
	}
	s.domain = authoritytest.New(t, cfg)
	go func() {
		for job := range s.jobs {
			job()
			s.over <- struct{}{}
		}
	}()
	t.Cleanup(func() { close(s.jobs) })
	return s
}

// play runs what happens on the host, whose time passes as fast as it can.
func (s *stage) play(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// outside runs f outside of the bubble, while time stands still.
func (s *stage) outside(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs <- f
	<-s.over
}

// now is the host's time.
func (s *stage) now() time.Time {
	return time.Now().Add(time.Duration(s.host.Load()))
}

// RoundTrip implements http.RoundTripper.
func (s *stage) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.lists && r.URL.Path == "/v1/revocations" {
		return nil, errors.New("lost on the way")
	}
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	method, url, header, now := r.Method, r.URL.String(), maps.Clone(r.Header), time.Now()
	recorder, failed := httptest.NewRecorder(), error(nil)
	s.outside(func() {
		s.world.Store(now.UnixNano())
		failed = forward(recorder, method, url, header, body)
	})
	if failed != nil {
		return nil, failed
	}
	return recorder.Result(), nil
}

func forward(answer *httptest.ResponseRecorder, method, url string, header http.Header, body []byte) error {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	maps.Copy(answer.Header(), response.Header)
	answer.WriteHeader(response.StatusCode)
	_, err = io.Copy(answer, response.Body)
	return err
}

// cut ends all authorities, restore starts them again.
func (s *stage) cut(t *testing.T) {
	t.Helper()
	s.outside(func() {
		for _, m := range s.domain.Members {
			if err := m.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func (s *stage) restore(t *testing.T) {
	t.Helper()
	s.outside(func() {
		for _, m := range s.domain.Members {
			if err := m.Start(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
}

// plan keeps these names, enrolled with codes that are given out now.
func (s *stage) plan(t *testing.T, names ...string) Plan {
	t.Helper()
	p := Plan{Domains: []Domain{{s.domain.Members[0].URL(), s.domain.Published.Document.ID()}}}
	for _, text := range names {
		n := parseName(t, text)
		codes := s.domain.Codes(t, n, identity.Channel)
		p.Names = append(p.Names, Name{Name: n, Purposes: []identity.Purpose{identity.Channel}, Means: given(codes)})
	}
	return p
}

// given are codes that need no file.
func given(codes map[uint32]dta.Code) Codes {
	return Codes{Read: func([]string, identity.Name, identity.Purpose) (map[uint32]dta.Code, error) { return codes, nil }}
}

// start runs an agent until stop, or the end of the bubble's function.
func (s *stage) start(t *testing.T, p Plan) (a *Agent, stop func()) {
	t.Helper()
	a, err := New(Config{Dir: s.dir, Plan: p, Client: &dta.Client{HTTP: &http.Client{Transport: s}}, Clock: s.now, Logger: s.log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	return a, run(t, a)
}

func run(t *testing.T, a *Agent) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- a.Run(ctx, nil) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

func parseName(t *testing.T, text string) identity.Name {
	t.Helper()
	n, err := identity.ParseName(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// get asks the agent's handler.
func get(t *testing.T, a *Agent, path string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	a.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

// lacks returns what /readyz says of each name that is not as it should be.
func lacks(t *testing.T, a *Agent) map[string]string {
	t.Helper()
	status, body := get(t, a, "/readyz")
	var answer struct {
		Ready  bool
		Checks map[string]string
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(answer.Checks, func(_, v string) bool { return v == "ok" })
	if ready := len(answer.Checks) == 0; answer.Ready != ready || (status == http.StatusOK) != ready {
		t.Errorf("status %d, %s", status, body)
	}
	return answer.Checks
}

// ready returns nil iff the agent has all the keys of all its names.
func ready(t *testing.T, a *Agent) bool {
	t.Helper()
	return len(lacks(t, a)) == 0
}

// within waits until f holds.
func within(t *testing.T, most time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(most); !f(); time.Sleep(time.Second) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", most, what)
		}
	}
}

// journal keeps the lines of a log.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(p))
	return len(p), nil
}

// count returns how many lines hold all of words.
func (j *journal) count(words ...string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, line := range j.lines {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			n++
		}
	}
	return n
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "")
}

// epochOf returns the epoch of the channel key in use.
func epochOf(t *testing.T, w *wallet.Wallet, n identity.Name) identity.Epoch {
	t.Helper()
	c, err := w.Source(n).Credential()
	if err != nil {
		t.Fatal(err)
	}
	return c.Epoch
}
