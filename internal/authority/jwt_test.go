package authority_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/encoding"
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

// trusting returns a domain of two out of three whose authorities share these
// roots, and whose document says so.
func trusting(t testing.TB, c *clock, roots ...authority.TokenRoot) *authoritytest.Domain {
	t.Helper()
	return authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Clock: c.Now, Flags: []string{"shared-root"},
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

// TestTokensAreRefused breaks one thing a time of a token that would enrol.
func TestTokensAreRefused(t *testing.T) {
	c := at(noon())
	issuer, other := authoritytest.NewTokenIssuer(t, c.Now), authoritytest.NewTokenIssuer(t, c.Now)
	d := trusting(t, c, rootOf(t, issuer, authority.BindAudience))
	a := newApplicant(t, d, pod)
	now := c.Now().Unix()
	good := func() authoritytest.Claims { return authoritytest.Kubernetes("shop", "web", a.audienceAt(t, 1)) }
	with := func(name string, value any) string {
		said := good()
		said[name] = value
		return issuer.Sign(said)
	}
	named := func(namespace, account string) string {
		return issuer.Sign(authoritytest.Kubernetes(namespace, account, a.audienceAt(t, 1)))
	}
	parts := strings.Split(issuer.Sign(good()), ".")
	elsewhere := good()
	elsewhere["iss"] = issuer.URL
	for name, row := range map[string]struct {
		token string
		kind  problem.Kind
	}{
		"unknown issuer":          {with("iss", "https://evil.example"), problem.TokenRefused},
		"issuer with a slash":     {with("iss", issuer.URL+"/"), problem.TokenRefused},
		"no issuer":               {with("iss", nil), problem.TokenRefused},
		"another issuer's key":    {other.Sign(elsewhere), problem.TokenRefused},
		"another token's claims":  {parts[0] + "." + strings.Split(named("shop", "api"), ".")[1] + "." + parts[2], problem.TokenRefused},
		"audience of another":     {with("aud", a.audienceAt(t, 2)), problem.TokenRefused},
		"two audiences":           {with("aud", []string{a.audienceAt(t, 1), "https://x"}), problem.TokenRefused},
		"no audience":             {with("aud", nil), problem.TokenRefused},
		"audience of no device":   {with("aud", a.url(1)), problem.TokenRefused},
		"expired":                 {issuer.Sign(merge(good(), authoritytest.Claims{"iat": now - 100, "exp": now - 31})), problem.TokenRefused},
		"of tomorrow":             {with("iat", now+86_400), problem.TokenRefused},
		"not yet":                 {with("nbf", now+60), problem.TokenRefused},
		"old":                     {issuer.Sign(merge(good(), authoritytest.Claims{"iat": now - 700, "exp": now + 700})), problem.TokenRefused},
		"no end":                  {with("exp", nil), problem.TokenRefused},
		"no beginning":            {with("iat", nil), problem.TokenRefused},
		"an end in words":         {with("exp", "tomorrow"), problem.TokenRefused},
		"ends before it begins":   {issuer.Sign(merge(good(), authoritytest.Claims{"iat": now + 20, "nbf": nil, "exp": now + 10})), problem.TokenRefused},
		"another account":         {named("shop", "api"), problem.NameRefused},
		"namespace not allowed":   {named("bank", "web"), problem.NameRefused},
		"a path in a claim":       {named("shop/sa", "web"), problem.TokenRefused},
		"a path back in a claim":  {named("bank/../shop", "web"), problem.TokenRefused},
		"dots":                    {named("..", "web"), problem.TokenRefused},
		"a star":                  {named("shop", "*"), problem.TokenRefused},
		"an escaped slash":        {named("shop", "web%2f"), problem.TokenRefused},
		"an empty claim":          {named("shop", ""), problem.TokenRefused},
		"a claim that is missing": {with("kubernetes.io", authoritytest.Claims{"namespace": "shop"}), problem.TokenRefused},
		"a claim that is a list":  {with("kubernetes.io", []string{"shop", "web"}), problem.TokenRefused},
	} {
		t.Run(name, func(t *testing.T) { refused(t, a.ask(t, 1, withToken(t, row.token)), row.kind) })
	}
	other2 := newApplicant(t, d, "spiffe://example.org/ns/bank/sa/web")
	bank := issuer.Sign(authoritytest.Kubernetes("bank", "web", other2.audienceAt(t, 1)))
	refused(t, other2.ask(t, 1, withToken(t, bank)), problem.NameRefused)
	token := issuer.Sign(authoritytest.Kubernetes("shop", "web", a.audienceAt(t, 1)))
	decrypt := func(q *dta.Request) { q.Key.Purpose = identity.Decrypt; withToken(t, token)(q) }
	refused(t, a.ask(t, 1, decrypt), problem.PurposeRefused)
	refused(t, a.ask(t, 1, func(q *dta.Request) {
		q.Evidence = encoding.LP("milagro/v1 evidence", []byte("jwt"), []byte("let me in"))
	}), problem.TokenRefused)
	if n := issued(t, d.Members[0]); n != 0 {
		t.Errorf("%d shares issued", n)
	}
	if err := a.ask(t, 1, withToken(t, token)); err != nil {
		t.Error("the unbroken token:", err)
	}
}

func merge(a, b authoritytest.Claims) authoritytest.Claims {
	for name, value := range b {
		a[name] = value
	}
	return a
}

func TestTokensThatAreBoundToNoDeviceLiveTenMinutesAndHaveAnID(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	d := trusting(t, c, rootOf(t, issuer, authority.BindSoleAudience))
	a := newApplicant(t, d, pod)
	now := c.Now().Unix()
	said := authoritytest.Kubernetes("shop", "web", a.url(1))
	for _, broken := range []authoritytest.Claims{{"exp": now + 601}, {"jti": nil}, {"jti": ""}, {"jti": strings.Repeat("x", 257)}, {"jti": 7},
		{"aud": []string{a.url(1), a.url(2)}}} {
		refused(t, a.ask(t, 1, withToken(t, issuer.Sign(merge(merge(authoritytest.Claims{}, said), broken)))), problem.TokenRefused)
	}
	if err := a.ask(t, 1, withToken(t, issuer.Sign(said))); err != nil {
		t.Error(err)
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

func TestStrangersWithTokensAreCounted(t *testing.T) {
	c := at(noon())
	issuer := authoritytest.NewTokenIssuer(t, c.Now)
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Clock: c.Now, Flags: []string{"shared-root"},
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
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Clock: c.Now, Flags: []string{"shared-root"},
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
	if n := issuer.Asked(); n != 2 {
		t.Errorf("keys fetched %d times", n)
	}
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
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Clock: c.Now})
	good.Binding = "none"
	_, err := authority.Open(context.Background(), authority.Config{Dir: d.Members[0].Dir, TokenRoots: []authority.TokenRoot{good}})
	if err == nil || !strings.Contains(err.Error(), "binding") {
		t.Errorf("opened: %v", err)
	}
}
