//go:build linux

package browser

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/mail/mailtest"
	"milagro.dev/internal/oidc"
	"milagro.dev/web"
)

// kind is how a town enrols people, and whom the errors of its pages are for.
type kind uint8

const (
	// plain takes the login server's word, and its errors are for people.
	plain kind = iota
	// careful has every authority mail codes of its own, and its errors are for
	// developers. Its flows take servers down: they are run one by one.
	careful
	// chips is plain, at localhost: browsers have WebAuthn for names alone.
	chips
)

// town is a 2 of 3 domain whose login server registers people, has pages, and signs
// them in to an application.
type town struct {
	*logintest.Server
	t      *testing.T
	domain *authoritytest.Domain
	// mail is the mail server of the login server, codes that of the authorities.
	mail, codes *mailtest.Server
	logged      *log
	application *application
}

// address is where the flows find a town.
type address struct {
	Origin      string `json:"origin"`
	Control     string `json:"control"`
	Application string `json:"application"`
	// Elsewhere is another origin, which relays everything.
	Elsewhere string `json:"elsewhere"`
}

func newTown(t *testing.T, k kind) *town {
	t.Helper()
	everybody, err := identity.ParsePattern("acct:*@example.org")
	if err != nil {
		t.Fatal(err)
	}
	s := &town{t: t, logged: &log{}, mail: mailtest.New(t), codes: mailtest.New(t), application: newApplication(t)}
	logger := slog.New(slog.NewTextHandler(s.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var roots []authority.RegistrationRoot
	s.domain = authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Flags: []string{"shared-root"}, Logger: logger,
		// All people of the test have one address.
		Limits: authority.Limits{Strangers: authority.Rate{Count: 10_000, Window: time.Minute}}, Mail: s.codes.Config(),
		Registrations: func(uint32) []authority.RegistrationRoot { return roots }})
	errorsFor, code := web.People, authority.NoCode
	if k == careful {
		errorsFor, code = web.Developers, authority.MailedCode
	}
	host := "127.0.0.1"
	if k == chips {
		host = "localhost"
	}
	pages, err := web.Handler(web.Config{Errors: errorsFor})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = logintest.New(t, logintest.Config{Domain: s.domain, Published: s.domain.Published, Host: host, Login: login.Config{Pages: pages, Logger: logger, Refresh: time.Second,
		Mail: s.mail.Config(), ByMail: []identity.Pattern{everybody}, OpenID: login.WithOpenID, Clients: []oidc.Client{s.application.client(t)}}})
	s.application.provider(t, s.URL())
	roots = []authority.RegistrationRoot{{Name: "login", Key: s.Card.Ed25519, Allow: []identity.Pattern{everybody}, Code: code}}
	for _, m := range s.domain.Members {
		if err := m.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// serve serves what the flows need besides.
func (s *town) serve() address {
	control := httptest.NewServer(s.control())
	s.t.Cleanup(control.Close)
	return address{Origin: s.URL(), Control: control.URL, Application: s.application.origin, Elsewhere: s.elsewhere()}
}

// elsewhere serves the same pages at another origin and relays all that they ask to
// the login server, as who is after a person's login would.
func (s *town) elsewhere() string {
	to, err := url.Parse(s.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	relay := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = to.Host
		r.Out.Header.Del("Origin")
		r.Out.Header.Del("Sec-Fetch-Site")
	}, ModifyResponse: func(r *http.Response) error {
		for _, h := range []string{"Content-Security-Policy", "Cross-Origin-Embedder-Policy", "X-Frame-Options"} {
			r.Header.Del(h)
		}
		return nil
	}})
	s.t.Cleanup(relay.Close)
	// Another host, so that not even cookies are shared.
	return strings.Replace(relay.URL, "127.0.0.1", "localhost", 1)
}

// log is what all servers of a town log.
type log struct {
	mu  sync.Mutex // of all
	all bytes.Buffer
}

// Write takes a line.
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

// has reports whether a text was logged.
func (l *log) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.all.Bytes(), []byte(text))
}
