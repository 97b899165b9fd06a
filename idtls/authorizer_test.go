package idtls

import (
	"errors"
	"strings"
	"testing"

	"milagro.dev/identity"
)

func TestAuthorizers(t *testing.T) {
	web := Peer{Name: parseName(t, "spiffe://example.org/ns/prod/web")}
	other := Peer{Name: parseName(t, "spiffe://example.org.evil/ns/prod/web")}
	prod := Matching(patterns(t, "acct:*@example.org", "spiffe://example.org/ns/prod/*")...)
	onlyDevices := func(p Peer) error {
		if p.Device == (identity.DeviceHash{}) {
			return errors.New("no device")
		}
		return nil
	}
	for _, x := range []struct {
		name      string
		authorize Authorizer
		peer      Peer
		welcome   bool
	}{
		{"the name", Exactly(other.Name, web.Name), web, true},
		{"another name", Exactly(web.Name), other, false},
		{"no names", Exactly(), web, false},
		{"the domain", Member("example.org"), web, true},
		{"a longer domain", Member("example.org"), other, false},
		{"a parent domain", Member("org"), web, false},
		{"no domain", Member(""), web, false},
		{"a pattern", prod, web, true},
		{"a pattern of another domain", prod, other, false},
		{"a pattern of more segments", Matching(patterns(t, "spiffe://example.org/ns/prod/web/**")...), web, false},
		{"no patterns", Matching(), web, false},
		{"the zero pattern", Matching(identity.Pattern{}), web, false},
		{"the second", AnyOf(Exactly(other.Name), prod), web, true},
		{"none of two", AnyOf(Exactly(web.Name), prod), other, false},
		{"one that is nil", AnyOf(nil, Exactly(web.Name)), web, true},
		{"nil alone", AnyOf(nil), web, false},
		{"none at all", AnyOf(), web, false},
		{"a function", onlyDevices, web, false},
	} {
		if err := x.authorize(x.peer); (err == nil) != x.welcome {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// TestAuthorizersAreNotChangedBehindTheirBack: a caller reuses its slice.
func TestAuthorizersAreNotChangedBehindTheirBack(t *testing.T) {
	web, admin := parseName(t, "spiffe://example.org/web"), parseName(t, "spiffe://example.org/admin")
	names, some := []identity.Name{web}, patterns(t, "spiffe://example.org/web")
	some = append(some[:0:1], some[0])
	any := []Authorizer{Exactly(web)}
	all := []Authorizer{Exactly(names...), Matching(some...), AnyOf(any...)}
	names[0], some[0], any[0] = admin, patterns(t, "spiffe://example.org/*")[0], Member("example.org")
	for i, authorize := range all {
		if authorize(Peer{Name: admin}) == nil {
			t.Errorf("authorizer %d welcomes another", i)
		}
	}
}

func TestRefusalsSayWhoWouldBeWelcome(t *testing.T) {
	p := Peer{Name: parseName(t, "spiffe://example.org/web")}
	for want, authorize := range map[string]Authorizer{
		"spiffe://example.org/api, acct:ann@example.org": Exactly(parseName(t, "spiffe://example.org/api"), parseName(t, "acct:ann@example.org")),
		"spiffe://example.org/ns/*":                      Matching(patterns(t, "spiffe://example.org/ns/*")...),
		"names of example.com":                           AnyOf(Exactly(), Member("example.com")),
		"nobody":                                         Matching(),
	} {
		err := authorize(p)
		if err == nil || !strings.Contains(err.Error(), "only "+want) || !strings.Contains(err.Error(), p.Name.String()) {
			t.Errorf("%v, not %q", err, want)
		}
	}
}
