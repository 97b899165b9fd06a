package authority_test

import (
	"maps"
	"strings"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
)

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
	maps.Copy(a, b)
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
