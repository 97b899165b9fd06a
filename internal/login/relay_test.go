package login_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/login"
	"milagro.dev/internal/problem"
)

// relays is a transport that brings what goes to an authority to the relay of a
// login server.
type relays struct {
	server *stage
}

func (r relays) RoundTrip(q *http.Request) (*http.Response, error) {
	for i, m := range r.server.domain.Members {
		if "http://"+q.URL.Host == m.URL() && q.URL.Path == "/v1/issue" {
			to, err := http.NewRequestWithContext(q.Context(), http.MethodPost, fmt.Sprintf("%s/v1/relay/%d", r.server.URL(), i+1), q.Body)
			if err != nil {
				return nil, err
			}
			to.Header = q.Header.Clone()
			return http.DefaultTransport.RoundTrip(to)
		}
	}
	if "http://"+q.URL.Host != r.server.URL() {
		return nil, errors.New("nobody else is to be asked")
	}
	return http.DefaultTransport.RoundTrip(q)
}

// TestRelayPassesWhatAuthoritiesAnswer: a person enrols and logs in who speaks to
// the login server alone.
func TestRelayPassesWhatAuthoritiesAnswer(t *testing.T) {
	t.Parallel()
	s := newHouse(t, nil, func(r *authority.RegistrationRoot) { r.Code = authority.MailedCode })
	p, i := s.invited(alice)
	p.Client = &dta.Client{HTTP: &http.Client{Transport: relays{s}}}
	refused(t, p.EnrolInvited(t.Context(), right, i), problem.EmailSent)
	a, err := p.Claim(t.Context(), i)
	s.done(err)
	a.MailCode = s.reads
	s.done(p.Enrol(t.Context(), right, a))
	s.done(p.ShowRow(t.Context()))
	s.logsIn(p)
	// A refusal keeps its kind, and what belongs to it.
	err = p.Enrol(t.Context(), right, a)
	refused(t, err, problem.AlreadyEnrolled)
	_, err = p.Client.Issue(t.Context(), s.domain.Members[0].URL(), []byte("nothing sealed"))
	refused(t, err, problem.Malformed)
	s.done(s.domain.Members[2].Stop())
	_, err = p.Client.Issue(t.Context(), s.domain.Members[2].URL(), []byte("nothing sealed"))
	refused(t, err, problem.Unavailable)
}

func TestRelayIsBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	request := func() io.Reader { return strings.NewReader(`{"request":"AAAA"}`) }
	for path, kind := range map[string]problem.Kind{"/v1/relay/0": problem.WrongAuthority, "/v1/relay/4": problem.WrongAuthority, "/v1/relay/01": problem.Malformed,
		"/v1/relay/-1": problem.Malformed, "/v1/relay/4294967297": problem.Malformed, "/v1/relay/http:%2f%2f127.0.0.1": problem.Malformed} {
		if a := s.public().do(t, http.MethodPost, path, "application/json", request()); a.problem == nil || a.problem.Kind != kind {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.text)
		}
	}
	counted := 0
	for range 260 {
		a := s.public().do(t, http.MethodPost, "/v1/relay/1", "application/json", request())
		if a.StatusCode == http.StatusTooManyRequests {
			if a.problem.RetryAfter < 1 || a.problem.RetryAfter > 61 {
				t.Errorf("retry after %d s", a.problem.RetryAfter)
			}
			break
		}
		counted++
	}
	if counted > 240 || counted < 200 {
		t.Errorf("%d in a minute", counted)
	}
}

// TestHangingAuthorityHoldsUpNoOther: one takes requests and answers none, and many
// ask it; the others are reached.
func TestHangingAuthorityHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.done(s.domain.Members[2].Stop())
	hung, err := net.Listen("tcp", strings.TrimPrefix(s.domain.Members[2].URL(), "http://"))
	s.done(err)
	defer hung.Close()
	var held, busy atomic.Int64
	go func() {
		for {
			conn, err := hung.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			held.Add(1)
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	const many = 150
	for n := range many {
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/v1/relay/3", strings.NewReader(`{"request":"AAAA"}`))
		s.done(err)
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", n))
		crowd.Go(func() {
			if response, err := http.DefaultTransport.RoundTrip(q); err == nil {
				busy.Add(1)
				response.Body.Close()
			}
		})
	}
	s.eventually("64 hang, and the others are refused", func() bool { return held.Load() >= 64 && busy.Load() == many-64 })
	a := s.public().do(t, http.MethodPost, "/v1/relay/1", "application/json", strings.NewReader(`{"request":"AAAA"}`))
	if a.problem == nil || a.problem.Kind != problem.Malformed { // so says authority 1
		t.Errorf("the others: %d %s", a.StatusCode, a.text)
	}
	cancel()
	crowd.Wait()
}

// TestRelayTakesNoStrangeAnswers: whatever stands where an authority should does not
// speak to browsers through the login server's origin.
func TestRelayTakesNoStrangeAnswers(t *testing.T) {
	t.Parallel()
	for what, answer := range map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<script>")
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "<script>")
		},
		"an error of a page": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) },
		"a page that is JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, `"<script>"`)
		},
		"success that is a problem": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", problem.ContentType)
			io.WriteString(w, `{}`)
		},
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `"`+strings.Repeat("a", 130<<10)+`"`)
		},
	} {
		elsewhere := httptest.NewServer(answer)
		_, err := login.Relayed(t.Context(), elsewhere.URL, []byte("x"))
		if err == nil {
			t.Errorf("%s is passed on", what)
		}
		elsewhere.Close()
	}
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.Copy(w, r.Body)
	}))
	defer echo.Close()
	b, err := login.Relayed(t.Context(), echo.URL, []byte("sealed"))
	want, _ := json.Marshal(map[string][]byte{"request": []byte("sealed")})
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("%s, %v", b, err)
	}
}

// TestAddressesAreCountedApart: behind a proxy on this machine by what it says, from
// elsewhere by where they come from.
func TestAddressesAreCountedApart(t *testing.T) {
	for _, c := range []struct{ peer, forwarded, from string }{
		{"192.0.2.1:1000", "", "192.0.2.1/32"},
		{"192.0.2.1:1000", "198.51.100.7", "192.0.2.1/32"},
		{"127.0.0.1:1000", "198.51.100.7", "198.51.100.7/32"},
		{"127.0.0.1:1000", "203.0.113.9, 198.51.100.7", "198.51.100.7/32"},
		{"127.0.0.1:1000", "203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7/32"},
		{"10.1.2.3:1000", "198.51.100.7", "198.51.100.7/32"},
		{"127.0.0.1:1000", "nonsense", "127.0.0.1/32"},
		{"[::1]:1000", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"[2001:db8:1:2:9::1]:1000", "", "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.1]:1000", "", "192.0.2.1/32"},
	} {
		if got := login.From(c.peer, c.forwarded, "10.0.0.0/8"); got != c.from {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
