package authority_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
)

func TestStrangersWithTokensAreCounted(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	d := authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: c.Now, Flags: []string{"shared-root"},
		Limits: authority.Limits{Strangers: authority.Rate{Count: 3, Window: time.Minute}},
		TokenRoots: func(uint32) []authority.TokenRoot {
			return []authority.TokenRoot{rootOf(t, issuer, authority.BindAudience)}
		}})
	a := newApplicant(t, d, pod)
	bad := issuer.Sign(authoritytest.Kubernetes("shop", "web", "https://elsewhere"))
	for range 3 {
		refused(t, a.ask(t, 1, withToken(t, bad)), problem.TokenRefused)
	}
	refused(t, a.ask(t, 1, withToken(t, bad)), problem.RateLimited)
}

// TestTokensAreInNoLog looks for every part of a token in what three authorities
// write, while whom it names is there.
func TestTokensAreInNoLog(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	var log lockedBuffer
	d := authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: c.Now, Flags: []string{"shared-root"},
		Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		TokenRoots: func(uint32) []authority.TokenRoot {
			return []authority.TokenRoot{rootOf(t, issuer, authority.BindAudience)}
		}})
	a := newApplicant(t, d, pod)
	good := issuer.Sign(authoritytest.Kubernetes("shop", "web", a.audienceAt(t, 1)))
	bad := issuer.Sign(authoritytest.Kubernetes("shop", "web", a.audienceAt(t, 2)))
	refused(t, a.ask(t, 1, withToken(t, bad)), problem.TokenRefused)
	if err := a.ask(t, 1, withToken(t, good)); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	for _, part := range slices.Concat(strings.Split(good, ".")[1:], strings.Split(bad, ".")[1:]) {
		if strings.Contains(text, part) {
			t.Errorf("a token is in the log:\n%s", text)
		}
	}
	for _, want := range []string{`"msg":"token refused"`, `"subject":"system:serviceaccount:shop:web"`, `"root":"cluster"`, issuer.URL, `"basis":"jwt"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %s:\n%s", want, text)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestKeysOfAnIssuerRotateAndOutlastIt(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	d := trusting(t, c, rootOf(t, issuer, authority.BindAudience))
	a := newApplicant(t, d, pod)
	token := func() func(*dta.Request) {
		return withToken(t, issuer.Sign(authoritytest.Kubernetes("shop", "web", a.audienceAt(t, 1))))
	}
	if err := a.ask(t, 1, token()); err != nil {
		t.Fatal(err)
	}
	old := token()
	issuer.RotateRSA(t)
	refused(t, a.ask(t, 1, token()), problem.TokenRefused) // not asked again so soon
	if n := issuer.Asked(); n != 1 {
		t.Errorf("keys fetched %d times", n)
	}
	c.forward(31 * time.Second)
	if err := a.ask(t, 1, token()); err != nil {
		t.Error("after a rotation:", err)
	}
	refused(t, a.ask(t, 1, old), problem.TokenRefused)
	c.forward(time.Minute)
	text := publicOf(d.Members[0]).do(t, http.MethodGet, "/metrics", "", nil).text
	if age, err := strconv.ParseFloat(figure(text, `milagro_token_keys_age_seconds{root="cluster"}`), 64); err != nil || age < 60 || age > 600 {
		t.Errorf("the keys are %v s old, %v", age, err)
	}
	if got := figure(text, `milagro_issuances_total{basis="jwt",purpose="channel"}`); got != "2" {
		t.Errorf("%s issuances", got)
	}
	if n := issuer.Asked(); n != 2 {
		t.Errorf("keys fetched %d times", n)
	}
}
