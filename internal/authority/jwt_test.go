package authority_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
)

const (
	podTemplate = "spiffe://example.org/ns/{/kubernetes.io/namespace}/sa/{/kubernetes.io/serviceaccount/name}"
	pod         = "spiffe://example.org/ns/shop/sa/web"
)

// rootOf returns settings with which an authority takes the tokens of i.
func rootOf(t testing.TB, i *authoritytest.TokenIssuer, binding authority.Binding) authority.TokenRoot {
	t.Helper()
	allow, err := identity.ParsePattern("spiffe://example.org/ns/shop/sa/*")
	if err != nil {
		t.Fatal(err)
	}
	return authority.TokenRoot{Name: "cluster", Issuer: i.URL, Keys: i.URL + "/jwks", Binding: binding,
		NameTemplate: podTemplate, Allow: []identity.Pattern{allow}}
}

// trusting returns a domain of two authorities that share these roots, and whose document says so.
func trusting(t testing.TB, c *clock, roots ...authority.TokenRoot) *authoritytest.Domain {
	t.Helper()
	return authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: c.Now, Flags: []string{"shared-root"},
		TokenRoots: func(uint32) []authority.TokenRoot { return roots }})
}

func withToken(t testing.TB, token string) func(*dta.Request) {
	t.Helper()
	evidence, err := dta.TokenEvidence(token)
	if err != nil {
		t.Fatal(err)
	}
	return func(q *dta.Request) { q.Evidence = evidence }
}

// audienceAt returns what a's token for an authority must be for.
func (a *applicant) audienceAt(t testing.TB, index uint32) string {
	t.Helper()
	device, err := identity.DeviceOf(a.device)
	if err != nil {
		t.Fatal(err)
	}
	to, _ := a.domain.Published.Document.Authority(index)
	return to.TokenAudience(device.Hash())
}

func (a *applicant) url(index uint32) string {
	to, _ := a.domain.Published.Document.Authority(index)
	return to.URL
}

func TestTokenOfAPodEnrolsOnce(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	d := trusting(t, c, rootOf(t, issuer, authority.BindSoleAudience))
	a, thief := newApplicant(t, d, pod), newApplicant(t, d, pod)
	token := issuer.Sign(authoritytest.Kubernetes("shop", "web", a.url(1)))
	if err := a.ask(t, 1, withToken(t, token)); err != nil {
		t.Fatal(err)
	}
	refused(t, thief.ask(t, 1, withToken(t, token)), problem.TokenUsed)
	refused(t, a.ask(t, 1, withToken(t, token)), problem.TokenUsed)
	if err := a.ask(t, 1, nil); err != nil {
		t.Error("renewal by the device key:", err)
	}
	refused(t, thief.ask(t, 2, withToken(t, token)), problem.TokenRefused)
	// It stays used for as long as it could be shown, and after a restart.
	if err := d.Members[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.forward(9 * time.Minute)
	refused(t, thief.ask(t, 1, withToken(t, token)), problem.TokenUsed)
	c.forward(2 * time.Minute)
	refused(t, thief.ask(t, 1, withToken(t, token)), problem.TokenRefused)
	if n := issued(t, d.Members[0]); n != 2 {
		t.Errorf("%d shares issued", n)
	}
}

func TestOfTwoThatShowOneTokenAtOnceOneIsEnrolled(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	d := trusting(t, c, rootOf(t, issuer, authority.BindSoleAudience))
	const devices = 12
	token := issuer.Sign(authoritytest.Kubernetes("shop", "web", d.Members[0].URL()))
	errs := make([]error, devices)
	var all sync.WaitGroup
	for i := range devices {
		a := newApplicant(t, d, pod)
		all.Go(func() { errs[i] = a.ask(t, 1, withToken(t, token)) })
	}
	all.Wait()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
			continue
		}
		refused(t, err, problem.TokenUsed)
	}
	if n := issued(t, d.Members[0]); good != 1 || n != 1 {
		t.Errorf("%d devices enrolled, %d shares issued", good, n)
	}
}

func TestBoundTokensAreNothingToAnotherDevice(t *testing.T) {
	for _, binding := range []authority.Binding{authority.BindAudience, authority.BindNonce} {
		t.Run(string(binding), func(t *testing.T) {
			c := at(noon())
			issuer := authoritytest.NewTokenIssuer(t, c.Now)
			d := trusting(t, c, rootOf(t, issuer, binding))
			a, thief := newApplicant(t, d, pod), newApplicant(t, d, pod)
			said := authoritytest.Kubernetes("shop", "web", a.audienceAt(t, 1))
			if binding == authority.BindNonce {
				url, device, _ := strings.Cut(a.audienceAt(t, 1), "#")
				said["aud"], said["nonce"] = url, device
			}
			token := issuer.Sign(said)
			for range 2 { // a run that was interrupted shows it again
				if err := a.ask(t, 1, withToken(t, token)); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, thief.ask(t, 1, withToken(t, token)), problem.TokenRefused)
			refused(t, a.ask(t, 2, withToken(t, token)), problem.TokenRefused)
			said["aud"], said["nonce"] = a.url(1), nil
			refused(t, a.ask(t, 1, withToken(t, issuer.Sign(said))), problem.TokenRefused)
		})
	}
}

func TestOneRootForAllNeedsAFlagInTheDocument(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	shared := rootOf(t, issuer, authority.BindAudience)
	own := shared
	own.Extent = authority.OwnRoot
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Clock: c.Now, TokenRoots: func(index uint32) []authority.TokenRoot {
		if index == 1 {
			return []authority.TokenRoot{own}
		}
		return []authority.TokenRoot{shared}
	}})
	a := newApplicant(t, d, pod)
	token := func(index uint32) func(*dta.Request) {
		return withToken(t, issuer.Sign(authoritytest.Kubernetes("shop", "web", a.audienceAt(t, index))))
	}
	refused(t, a.ask(t, 2, token(2)), problem.TokenRefused)
	refused(t, a.ask(t, 3, token(3)), problem.TokenRefused)
	if err := a.ask(t, 1, token(1)); err != nil {
		t.Error("its own root:", err)
	}
}

func TestLoginServersOfTheDomainAreNoIssuersUnlessItSaysSo(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	root := rootOf(t, issuer, authority.BindAudience)
	root.Issuer = "https://login.example.org"
	for _, flags := range [][]string{{"shared-root"}, {"login-issuer", "shared-root"}} {
		d := authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: c.Now, Flags: flags,
			TokenRoots: func(uint32) []authority.TokenRoot { return []authority.TokenRoot{root} }})
		a := newApplicant(t, d, pod)
		token := func() func(*dta.Request) {
			said := authoritytest.Kubernetes("shop", "web", a.audienceAt(t, 1))
			return withToken(t, issuer.Sign(merge(said, authoritytest.Claims{"iss": root.Issuer})))
		}
		if err := a.ask(t, 1, token()); err != nil {
			t.Error("a stranger to the domain:", err)
		}
		withLogin(t, d, "login")
		if err := a.ask(t, 1, token()); len(flags) == 2 && err != nil {
			t.Error("under the flag:", err)
		} else if len(flags) == 1 {
			refused(t, err, problem.TokenRefused)
		}
	}
}

// TestTrustRootsOfTwoMakeNoKeyOfThree has an issuer that signs whatever an enemy
// wants, and two of three authorities that trust it, where all three are needed.
func TestTrustRootsOfTwoMakeNoKeyOfThree(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	d := authoritytest.New(t, authoritytest.Config{Clock: c.Now, TokenRoots: func(index uint32) []authority.TokenRoot {
		if index == 3 {
			return nil
		}
		root := rootOf(t, issuer, authority.BindAudience)
		root.Extent = authority.OwnRoot
		return []authority.TokenRoot{root}
	}})
	a := newApplicant(t, d, pod)
	for index := uint32(1); index <= 2; index++ {
		if err := a.ask(t, index, withToken(t, issuer.Sign(authoritytest.Kubernetes("shop", "web", a.audienceAt(t, index))))); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, a.ask(t, 3, withToken(t, issuer.Sign(authoritytest.Kubernetes("shop", "web", a.audienceAt(t, 3))))), problem.TokenRefused)
	refused(t, a.ask(t, 3, nil), problem.NotEnrolled)
}

func TestOpenRefusesRootsThatCannotBeUsed(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	good := rootOf(t, issuer, authority.BindAudience)
	if err := authority.CheckTokenRoots([]authority.TokenRoot{good}); err != nil {
		t.Fatal(err)
	}
	for setting, edit := range map[string]func(*authority.TokenRoot){
		"name":          func(r *authority.TokenRoot) { r.Name = "" },
		"issuer":        func(r *authority.TokenRoot) { r.Issuer = "" },
		"jwks":          func(r *authority.TokenRoot) { r.Keys = "http://issuer.example/jwks" },
		"binding":       func(r *authority.TokenRoot) { r.Binding = "" },
		"root":          func(r *authority.TokenRoot) { r.Extent = "mine" },
		"max_age":       func(r *authority.TokenRoot) { r.MaxAge = 2 * time.Hour },
		"purposes":      func(r *authority.TokenRoot) { r.Purposes = []identity.Purpose{identity.MPin} },
		"name_template": func(r *authority.TokenRoot) { r.NameTemplate = "spiffe://example.org/web" },
		"allow":         func(r *authority.TokenRoot) { r.Allow = nil },
	} {
		broken := good
		edit(&broken)
		err := authority.CheckTokenRoots([]authority.TokenRoot{good, broken})
		if err == nil || !strings.HasPrefix(err.Error(), "jwt 2: "+setting+": ") {
			t.Errorf("%s: %v", setting, err)
		}
	}
	if err := authority.CheckTokenRoots([]authority.TokenRoot{good, good}); err == nil {
		t.Error("one root twice is taken")
	}
	good.Binding = "none"
	_, err := authority.Open(t.Context(), authority.Config{Dir: t.TempDir(), TokenRoots: []authority.TokenRoot{good}})
	if err == nil || !strings.Contains(err.Error(), "binding") {
		t.Errorf("opened: %v", err)
	}
}
