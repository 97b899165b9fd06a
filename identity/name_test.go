package identity

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var goodNames = map[string]string{ // name: its domain
	"spiffe://example.org/web":                         "example.org",
	"spiffe://example.org/ns/Prod/sa/web-1.2_x":        "example.org",
	"spiffe://localhost/a":                             "localhost",
	"spiffe://xn--bcher-kva.example/..a/b..":           "xn--bcher-kva.example",
	"spiffe://1.2.3.4/-":                               "1.2.3.4",
	"acct:user@example.org":                            "example.org",
	"acct:first.last+tag_x-1@mail.example.org":         "mail.example.org",
	"acct:" + strings.Repeat("u", 64) + "@example.org": "example.org",
	"spiffe://" + longDomain + "/a":                    longDomain,
	longName:                                           "example.org",
}

var (
	longDomain = strings.Repeat(strings.Repeat("a", 62)+".", 3) + strings.Repeat("b", 62) + ".c" // 253 bytes
	longName   = "spiffe://example.org/" + strings.Repeat("p", MaxName-len("spiffe://example.org/"))
)

var badNames = map[string]string{ // why: name
	"empty":                     "",
	"another scheme":            "https://example.org/web",
	"scheme in upper case":      "SPIFFE://example.org/web",
	"no path":                   "spiffe://example.org",
	"empty path":                "spiffe://example.org/",
	"trailing slash":            "spiffe://example.org/web/",
	"double slash":              "spiffe://example.org//web",
	"dot segment":               "spiffe://example.org/./web",
	"parent segment":            "spiffe://example.org/a/../web",
	"percent-encoding":          "spiffe://example.org/%2e",
	"port":                      "spiffe://example.org:443/web",
	"user information":          "spiffe://user@example.org/web",
	"query":                     "spiffe://example.org/web?x",
	"fragment":                  "spiffe://example.org/web#x",
	"space":                     "spiffe://example.org/w b",
	"trailing newline":          "spiffe://example.org/web\n",
	"NUL":                       "spiffe://example.org/web\x00",
	"path that is not ASCII":    "spiffe://example.org/wéb",
	"no domain":                 "spiffe:///web",
	"domain in upper case":      "spiffe://Example.org/web",
	"U-label":                   "spiffe://bücher.example/web",
	"underscore in the domain":  "spiffe://a_b.example/web",
	"trailing dot":              "spiffe://example.org./web",
	"empty label":               "spiffe://example..org/web",
	"label that begins with -":  "spiffe://-a.example/web",
	"label that ends with -":    "spiffe://a-.example/web",
	"label of 64 bytes":         "spiffe://" + strings.Repeat("a", 64) + ".org/web",
	"domain of 254 bytes":       "spiffe://" + longDomain + "d/web",
	"2049 bytes":                longName + "p",
	"person without @":          "acct:user",
	"person without a user":     "acct:@example.org",
	"person without a domain":   "acct:user@",
	"person with a second @":    "acct:a@b@example.org",
	"user in upper case":        "acct:User@example.org",
	"user that begins with dot": "acct:.user@example.org",
	"user that ends with dot":   "acct:user.@example.org",
	"user with two dots":        "acct:us..er@example.org",
	"user of 65 bytes":          "acct:" + strings.Repeat("u", 65) + "@example.org",
	"user with a slash":         "acct:us/er@example.org",
	"user with percent":         "acct:us%65r@example.org",
}

func TestParseNameAccepts(t *testing.T) {
	for s, domain := range goodNames {
		n, err := ParseName(s)
		if err != nil {
			t.Error(err)
			continue
		}
		if n.String() != s || n.Domain() != domain || n.IsZero() || n.Person() != strings.HasPrefix(s, "acct:") {
			t.Errorf("%q: text %q, domain %q, person %v", s, n, n.Domain(), n.Person())
		}
		if again, _ := ParseName(s); again != n {
			t.Errorf("%q is not equal to itself", s)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for why, s := range badNames {
		n, err := ParseName(s)
		if !errors.Is(err, ErrName) || !n.IsZero() {
			t.Errorf("%s: %q gives %q, %v", why, s, n, err)
		}
	}
}

// TestANameHasOneSpelling changes one byte of a good name: what is still a
// name is another one, and no two names differ in case of the domain alone.
func TestANameHasOneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		good := []byte(rapid.SampledFrom([]string{"spiffe://example.org/ns/web", "acct:user.name@example.org"}).Draw(t, "name"))
		good[rapid.IntRange(0, len(good)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		n, err := ParseName(string(good))
		if err == nil && n.String() != string(good) {
			t.Fatalf("%q was repaired to %q", good, n)
		}
		if err == nil && n.Domain() != strings.ToLower(n.Domain()) {
			t.Fatalf("%q has a domain in upper case", good)
		}
	})
}

func TestNameSurvivesItsText(t *testing.T) {
	var v struct{ Name Name }
	if err := json.Unmarshal([]byte(`{"Name":"spiffe://example.org/web"}`), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil || string(b) != `{"Name":"spiffe://example.org/web"}` {
		t.Errorf("%s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"Name":"spiffe://example.org/"}`), &v); !errors.Is(err, ErrName) {
		t.Errorf("a bad name in JSON: %v", err)
	}
}

func TestNameLiesInNoParentDomain(t *testing.T) {
	n, err := ParseName("spiffe://a.example.org/web")
	if err != nil || n.Domain() != "a.example.org" {
		t.Errorf("domain %q, error %v", n.Domain(), err)
	}
}

func TestCheckDomainRefuses(t *testing.T) {
	if err := CheckDomain(longDomain); err != nil || len(longDomain) != 253 {
		t.Errorf("%d bytes: %v", len(longDomain), err)
	}
	for _, d := range []string{"", ".", "a..b", "-a", "a-", "a_b", "example.org.", "Example.org", "example.org/web", longDomain + "d"} {
		if err := CheckDomain(d); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", d, err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for s := range goodNames {
		f.Add(s)
	}
	for _, s := range badNames {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		if n.String() != s || CheckDomain(n.Domain()) != nil || strings.ContainsAny(s, "%?# ") || len(s) > MaxName {
			t.Errorf("%q was accepted as %q of %q", s, n, n.Domain())
		}
	})
}
