package identity

import (
	"fmt"
	"strings"
)

// Pattern stands for the names of one domain that look alike
// (spec/identity.md "Patterns"): a name in which whole path segments may be *,
// exactly one segment, and the last one may be **, one or more segments. Of a
// person's name the whole user part may be *. The domain is always spelled out.
// Patterns compare with ==. The zero Pattern matches nothing.
type Pattern struct {
	text   string
	domain string
}

// ParsePattern reads a pattern of at most MaxName bytes. Every name is a
// pattern that matches itself alone. What is not a wildcard must be as in
// ParseName; an error wraps ErrName.
func ParsePattern(s string) (Pattern, error) {
	if len(s) > MaxName {
		return Pattern{}, fmt.Errorf("%w: pattern longer than %d bytes", ErrName, MaxName)
	}
	n, err := ParseName(instance(s))
	if err != nil {
		return Pattern{}, fmt.Errorf("pattern %q: %w", s, err)
	}
	return Pattern{text: s, domain: n.Domain()}, nil
}

// instance returns s with an x in the place of each wildcard. A star that is
// none stays, and ParseName refuses it.
func instance(s string) string {
	if rest, ok := strings.CutPrefix(s, "acct:*@"); ok {
		return "acct:x@" + rest
	}
	rest, ok := strings.CutPrefix(s, "spiffe://")
	if !ok {
		return s
	}
	domain, path, ok := strings.Cut(rest, "/")
	if !ok {
		return s
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if segment == "*" || segment == "**" && i == len(segments)-1 {
			segments[i] = "x"
		}
	}
	return "spiffe://" + domain + "/" + strings.Join(segments, "/")
}

// Match reports whether p stands for n.
func (p Pattern) Match(n Name) bool {
	if p.text == "" || p.domain != n.domain {
		return false
	}
	if strings.HasPrefix(p.text, "acct:*@") {
		return n.Person()
	}
	pattern, isPath := strings.CutPrefix(p.text, "spiffe://"+p.domain+"/")
	path, hasPath := strings.CutPrefix(n.text, "spiffe://"+p.domain+"/")
	if !isPath || !hasPath {
		return p.text == n.text
	}
	for {
		want, wantMore, goesOn := strings.Cut(pattern, "/")
		if want == "**" {
			return true
		}
		segment, more, hasMore := strings.Cut(path, "/")
		if want != "*" && want != segment {
			return false
		}
		if !goesOn || !hasMore {
			return goesOn == hasMore
		}
		pattern, path = wantMore, more
	}
}

// String returns the text that was parsed, the inverse of ParsePattern.
func (p Pattern) String() string { return p.text }

// Domain returns the domain name in which all names lie that p matches.
func (p Pattern) Domain() string { return p.domain }

// IsZero reports whether p is no pattern.
func (p Pattern) IsZero() bool { return p.text == "" }

// MarshalText returns the text of p.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText is ParsePattern.
func (p *Pattern) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePattern(string(b))
	return err
}
