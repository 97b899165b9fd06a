package authority

import (
	"errors"
	"fmt"
	"strings"

	"milagro.dev/identity"
)

// template makes a name of claims (spec/issuance.md "Evidence: jwt"). Each
// placeholder is a whole segment of the name.
type template struct {
	domain   string
	literals []string // one more than pointers, around them
	pointers [][]string
}

// parseTemplate reads a template, whose names all lie in one domain.
func parseTemplate(text string) (*template, error) {
	t := new(template)
	rest := text
	for {
		literal, more, found := strings.Cut(rest, "{")
		t.literals = append(t.literals, literal)
		if !found {
			break
		}
		inside, after, closed := strings.Cut(more, "}")
		if !closed {
			return nil, errors.New("a { without its }")
		}
		pointer, err := parsePointer(inside)
		if err != nil {
			return nil, err
		}
		if !wholeSegment(text[:len(text)-len(more)-1], after) {
			return nil, fmt.Errorf("{%s} is not a whole segment of a path", inside)
		}
		t.pointers = append(t.pointers, pointer)
		rest = after
	}
	if len(t.pointers) == 0 {
		return nil, errors.New("no {/claim} in it: every token would have one name")
	}
	a, errA := identity.ParseName(t.fill("a"))
	b, errB := identity.ParseName(t.fill("b"))
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	if a.Domain() != b.Domain() {
		return nil, errors.New("a claim is no part of the domain")
	}
	t.domain = a.Domain()
	return t, nil
}

// wholeSegment reports whether what stands between before and after is a segment
// of a path, or the user part of an acct: name.
func wholeSegment(before, after string) bool {
	if before == "acct:" {
		return strings.HasPrefix(after, "@")
	}
	return strings.HasPrefix(before, "spiffe://") && strings.HasSuffix(before, "/") && (after == "" || after[0] == '/')
}

// fill returns the template with one text in every place.
func (t *template) fill(text string) string { return strings.Join(t.literals, text) }

// parsePointer reads a JSON pointer of RFC 6901 that is not the whole document.
func parsePointer(s string) ([]string, error) {
	rest, ok := strings.CutPrefix(s, "/")
	if !ok {
		return nil, fmt.Errorf("{%s} is no JSON pointer: it begins with /", s)
	}
	tokens := strings.Split(rest, "/")
	for i, token := range tokens {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(token), "~") {
			return nil, fmt.Errorf("{%s} is no JSON pointer: ~ is written ~0, and / in a key ~1", s)
		}
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
	}
	return tokens, nil
}

// name makes the name of a token's claims. An error is for whoever holds the
// token.
func (t *template) name(c claims) (identity.Name, error) {
	var b strings.Builder
	for i, pointer := range t.pointers {
		b.WriteString(t.literals[i])
		value, ok := c.text(pointer)
		where := strings.Join(pointer, " → ")
		switch {
		case !ok:
			return identity.Name{}, fmt.Errorf("it has no text in the claim %s", where)
		case !oneSegment(value):
			return identity.Name{}, fmt.Errorf("the claim %s is no segment of a name", where)
		}
		b.WriteString(value)
	}
	b.WriteString(t.literals[len(t.pointers)])
	name, err := identity.ParseName(b.String())
	if err != nil || name.Domain() != t.domain {
		return identity.Name{}, errors.New("its claims make no name")
	}
	return name, nil
}

// oneSegment reports whether a claim can be one segment of a name and no more: what
// other letters may stand in one ParseName says.
func oneSegment(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/@*%\\")
}
