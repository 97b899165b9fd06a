package identity

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatternMatchesWholeSegments(t *testing.T) {
	for _, x := range []struct {
		pattern string
		matches []string
		others  []string
	}{
		{"spiffe://example.org/web", []string{"spiffe://example.org/web"},
			[]string{"spiffe://example.org/web/a", "spiffe://example.org/we", "spiffe://example.com/web", "acct:web@example.org"}},
		{"spiffe://example.org/*", []string{"spiffe://example.org/web", "spiffe://example.org/-"},
			[]string{"spiffe://example.org/web/a", "spiffe://example.org.evil/web", "acct:web@example.org"}},
		{"spiffe://example.org/**", []string{"spiffe://example.org/web", "spiffe://example.org/ns/a/sa/b"},
			[]string{"spiffe://sub.example.org/web", "spiffe://org/example.org/web", "acct:web@example.org"}},
		{"spiffe://example.org/ns/*/sa/web", []string{"spiffe://example.org/ns/prod/sa/web"},
			[]string{"spiffe://example.org/ns/prod/sa/api", "spiffe://example.org/ns/prod/x/sa/web", "spiffe://example.org/ns/sa/web",
				"spiffe://example.org/ns/prod/sa", "spiffe://example.org/ns/prod/sa/web/x", "spiffe://example.org/NS/prod/sa/web"}},
		{"spiffe://example.org/ns/prod/**", []string{"spiffe://example.org/ns/prod/a", "spiffe://example.org/ns/prod/a/b/c"},
			[]string{"spiffe://example.org/ns/prod", "spiffe://example.org/ns/production/a", "spiffe://example.org/ns"}},
		{"spiffe://example.org/*/**", []string{"spiffe://example.org/a/b"}, []string{"spiffe://example.org/a"}},
		{"acct:ann@example.org", []string{"acct:ann@example.org"}, []string{"acct:anna@example.org", "spiffe://example.org/ann"}},
		{"acct:*@example.org", []string{"acct:ann@example.org", "acct:a+b@example.org"},
			[]string{"acct:ann@example.com", "acct:ann@mail.example.org", "spiffe://example.org/ann"}},
	} {
		p, err := ParsePattern(x.pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, list := range [][]string{x.matches, x.others} {
			for _, s := range list {
				n, err := ParseName(s)
				if err != nil {
					t.Fatal(err)
				}
				if want := &list[0] == &x.matches[0]; p.Match(n) != want {
					t.Errorf("%v matches %v: %v", p, n, !want)
				}
			}
		}
		if p.Match(Name{}) || (Pattern{}).Match(Name{}) {
			t.Errorf("%v or the zero pattern matches no name", p)
		}
	}
}

func TestParsePatternRefuses(t *testing.T) {
	bad := map[string]string{
		"domain as wildcard":           "spiffe://*/web",
		"label as wildcard":            "spiffe://*.example.org/web",
		"no path":                      "spiffe://example.org",
		"star alone":                   "*",
		"part of a segment":            "spiffe://example.org/web-*",
		"two stars not last":           "spiffe://example.org/**/web",
		"two stars in a segment":       "spiffe://example.org/a**",
		"three stars":                  "spiffe://example.org/***",
		"trailing slash":               "spiffe://example.org/*/",
		"parent segment":               "spiffe://example.org/*/../web",
		"part of a user":               "acct:a*@example.org",
		"two stars as user":            "acct:**@example.org",
		"every person everywhere":      "acct:*@*",
		"person without a domain":      "acct:*@",
		"question mark":                "spiffe://example.org/we?",
		"longer than the longest name": longName + "p",
	}
	for why, s := range badNames {
		bad["name: "+why] = s
	}
	for why, s := range bad {
		if p, err := ParsePattern(s); !errors.Is(err, ErrName) || !p.IsZero() {
			t.Errorf("%s: %q gives %q, %v", why, s, p, err)
		}
	}
}

func TestEveryNameIsItsOwnPattern(t *testing.T) {
	for s, domain := range goodNames {
		p, err := ParsePattern(s)
		if err != nil {
			t.Error(err)
			continue
		}
		n, _ := ParseName(s)
		if !p.Match(n) || p.Domain() != domain || p.String() != s {
			t.Errorf("%q: match %v, domain %q, text %q", s, p.Match(n), p.Domain(), p)
		}
		for other := range goodNames {
			if o, _ := ParseName(other); o != n && p.Match(o) {
				t.Errorf("%q matches %q", s, other)
			}
		}
	}
}

// TestWildcardsStandForWhatTheyReplace makes a pattern of a name.
func TestWildcardsStandForWhatTheyReplace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,3}`), 1, 6).Draw(t, "segments")
		n, err := ParseName("spiffe://example.org/" + strings.Join(segments, "/"))
		if err != nil {
			t.Fatal(err)
		}
		pattern := append([]string(nil), segments...)
		pattern[rapid.IntRange(0, len(pattern)-1).Draw(t, "star")] = "*"
		if rapid.Bool().Draw(t, "tail") {
			pattern = append(pattern[:rapid.IntRange(0, len(pattern)-1).Draw(t, "cut")], "**")
		}
		p, err := ParsePattern("spiffe://example.org/" + strings.Join(pattern, "/"))
		if err != nil {
			t.Fatal(err)
		}
		if !p.Match(n) {
			t.Fatalf("%v does not match %v", p, n)
		}
		longer, _ := ParseName(n.String() + "/x")
		if p.Match(longer) != strings.HasSuffix(p.String(), "/**") {
			t.Fatalf("%v matches %v: %v", p, longer, p.Match(longer))
		}
	})
}

func TestPatternsRoundTripAsText(t *testing.T) {
	var patterns []Pattern
	text := `["spiffe://example.org/ns/*/sa/**","acct:*@example.org"]`
	if err := json.Unmarshal([]byte(text), &patterns); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(patterns); err != nil || string(again) != text {
		t.Errorf("%s, %v", again, err)
	}
	if err := json.Unmarshal([]byte(`["*"]`), &patterns); !errors.Is(err, ErrName) {
		t.Errorf("error = %v", err)
	}
}

func FuzzParsePattern(f *testing.F) {
	f.Add("spiffe://example.org/ns/*/sa/**", "spiffe://example.org/ns/a/sa/b")
	f.Add("acct:*@example.org", "acct:ann@example.org")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := ParsePattern(text)
		if err != nil {
			return
		}
		if p.String() != text {
			t.Fatalf("%q became %q", text, p)
		}
		n, err := ParseName(name)
		if err == nil && p.Match(n) && n.Domain() != p.Domain() {
			t.Fatalf("%v matches %v", p, n)
		}
	})
}
