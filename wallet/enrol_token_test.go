package wallet_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
	"milagro.dev/wallet"
)

const podName = "spiffe://example.org/ns/shop/sa/web"

// tokenTown is a domain of two out of three whose authorities trust one issuer.
func tokenTown(t *testing.T, binding authority.Binding) (*authoritytest.Domain, *authoritytest.TokenIssuer) {
	t.Helper()
	issuer := authoritytest.NewTokenIssuer(t, time.Now)
	allow, err := identity.ParsePattern("spiffe://example.org/ns/shop/sa/*")
	if err != nil {
		t.Fatal(err)
	}
	root := authority.TokenRoot{Name: "cluster", Issuer: issuer.URL, Keys: issuer.URL + "/jwks", Binding: binding, Allow: []identity.Pattern{allow},
		NameTemplate: "spiffe://example.org/ns/{/kubernetes.io/namespace}/sa/{/kubernetes.io/serviceaccount/name}"}
	return authoritytest.New(t, authoritytest.Config{Threshold: 2, Flags: []string{"shared-root"},
		TokenRoots: func(uint32) []authority.TokenRoot { return []authority.TokenRoot{root} }}), issuer
}

// lossy loses the answers to issuances while lose is set.
type lossy struct{ lose atomic.Bool }

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && l.lose.Load() && strings.HasSuffix(r.URL.Path, "/v1/issue") {
		response.Body.Close()
		return nil, errors.New("connection reset")
	}
	return response, err
}

func TestTokensEnrolByAudienceAndDevice(t *testing.T) {
	d, issuer := tokenTown(t, authority.BindAudience)
	w, n := pinned(t, d), parseName(t, podName)
	var mu sync.Mutex
	asked := map[uint32][]string{}
	tokens := func(_ context.Context, a dta.Authority, audience string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		asked[a.Index] = append(asked[a.Index], audience)
		if a.Index == 3 {
			return "", errors.New("no metadata server")
		}
		return " " + issuer.Sign(authoritytest.Kubernetes("shop", "web", audience)) + "\n", nil
	}
	r, err := w.EnrolToken(t.Context(), n, identity.Channel, tokens)
	if err != nil {
		t.Fatal(err)
	}
	for index := uint32(1); index <= 3; index++ {
		want := fmt.Sprintf("[%s#%v]", d.Members[index-1].URL(), r.Device)
		if got := fmt.Sprint(asked[index]); got != want {
			t.Errorf("authority %d: asked for %s, want %s", index, got, want)
		}
	}
	authorities := r.Keys[0].Authorities
	if authorities[0].Outcome != wallet.OK || authorities[1].Outcome != wallet.OK || authorities[2].Outcome != wallet.Skipped {
		t.Errorf("%s", r.Text())
	}
	if _, err := w.Renew(t.Context(), n); err != nil {
		t.Error("renewal:", err)
	}
}

func TestFewerThanTTokensAreShownToNobody(t *testing.T) {
	d, issuer := tokenTown(t, authority.BindAudience)
	w, n := pinned(t, d), parseName(t, podName)
	const key = "-----BEGIN PRIVATE KEY-----"
	_, err := w.EnrolToken(t.Context(), n, identity.Channel, func(_ context.Context, a dta.Authority, audience string) (string, error) {
		if a.Index == 1 {
			return issuer.Sign(authoritytest.Kubernetes("shop", "web", audience)), nil
		}
		return key, nil
	})
	if !errors.Is(err, wallet.ErrNoToken) || strings.Contains(fmt.Sprint(err), key) {
		t.Error(err)
	}
	for _, m := range d.Members {
		if status, err := m.Operator().Status(t.Context()); err != nil || status.Issued != 0 {
			t.Errorf("%s: %d shares issued, %v", m.Card.Name, status.Issued, err)
		}
	}
}

// TestInterruptedEnrolmentByTokenCompletes loses the answers of authorities that
// have spent the tokens: the next run shows the same ones.
func TestInterruptedEnrolmentByTokenCompletes(t *testing.T) {
	d, issuer := tokenTown(t, authority.BindSoleAudience)
	network := new(lossy)
	w, err := wallet.Open(wallet.Config{Dir: filepath.Join(t.TempDir(), "wallet"), Client: &dta.Client{HTTP: &http.Client{Transport: network}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Pin(t.Context(), d.Members[0].URL(), d.Published.Document.ID()); err != nil {
		t.Fatal(err)
	}
	n := parseName(t, podName)
	files := map[uint32]string{}
	for i, m := range d.Members {
		files[uint32(i+1)] = issuer.Sign(authoritytest.Kubernetes("shop", "web", m.URL()))
	}
	tokens := func(_ context.Context, a dta.Authority, _ string) (string, error) { return files[a.Index], nil }
	network.lose.Store(true)
	if _, err := w.EnrolToken(t.Context(), n, identity.Channel, tokens); !errors.Is(err, dta.ErrThreshold) {
		t.Fatal(err)
	}
	network.lose.Store(false)
	r, err := w.EnrolToken(t.Context(), n, identity.Channel, tokens)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Text())
	}
	for _, a := range r.Keys[0].Authorities {
		if a.Outcome != wallet.OK {
			t.Errorf("authority %d: %s", a.Index, a.Detail)
		}
	}
	// Whoever has the tokens besides, and no device key, gets nothing and is told why.
	r, err = pinned(t, d).EnrolToken(t.Context(), n, identity.Channel, tokens)
	if !errors.Is(err, problem.TokenUsed) || len(r.Keys) != 1 || !strings.Contains(r.Text(), "already used") {
		t.Errorf("%v\n%s", err, r.Text())
	}
}

func TestTokensThatDoNotComeAreNotWaitedForLong(t *testing.T) {
	d, issuer := tokenTown(t, authority.BindAudience)
	w, n := pinned(t, d), parseName(t, podName)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun := time.Now()
	_, err := w.EnrolToken(ctx, n, identity.Channel, func(ctx context.Context, a dta.Authority, audience string) (string, error) {
		if a.Index == 1 {
			return issuer.Sign(authoritytest.Kubernetes("shop", "web", audience)), nil
		}
		<-ctx.Done()
		return "", ctx.Err()
	})
	if !errors.Is(err, wallet.ErrNoToken) || !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
}
