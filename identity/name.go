package identity

import (
	"errors"
	"fmt"
	"strings"
)

// MaxName is the greatest length of a name, in bytes.
const MaxName = 2048

const maxUser = 64

// ErrName is wrapped by every refusal of a name or domain name.
var ErrName = errors.New("not a canonical name")

// Name is who a key is for: spiffe://DOMAIN/PATH for a workload or a device,
// acct:USER@DOMAIN for a person (spec/identity.md "Names"). Names compare with
// ==. The zero Name is none.
type Name struct {
	text   string
	domain string
}

// ParseName reads a name of at most MaxName bytes. It repairs nothing: another
// spelling of a name is an error that wraps ErrName.
func ParseName(s string) (Name, error) {
	if len(s) > MaxName {
		return Name{}, fmt.Errorf("%w: longer than %d bytes", ErrName, MaxName)
	}
	if rest, ok := strings.CutPrefix(s, "spiffe://"); ok {
		return parseWorkload(s, rest)
	}
	if rest, ok := strings.CutPrefix(s, "acct:"); ok {
		return parsePerson(s, rest)
	}
	return Name{}, fmt.Errorf("%w: %q is neither a spiffe:// nor an acct: name", ErrName, s)
}

func parseWorkload(s, rest string) (Name, error) {
	domain, path, ok := strings.Cut(rest, "/")
	if !ok {
		return Name{}, fmt.Errorf("%w: %q has no path after the domain", ErrName, s)
	}
	if err := checkDomain(domain); err != nil {
		return Name{}, err
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || !only(segment, isPathByte) {
			return Name{}, fmt.Errorf("%w: %q has the path segment %q", ErrName, s, segment)
		}
	}
	return Name{text: s, domain: domain}, nil
}

func parsePerson(s, rest string) (Name, error) {
	user, domain, ok := strings.Cut(rest, "@")
	if !ok {
		return Name{}, fmt.Errorf("%w: %q has no @", ErrName, s)
	}
	if err := checkDomain(domain); err != nil {
		return Name{}, err
	}
	badDots := strings.HasPrefix(user, ".") || strings.HasSuffix(user, ".") || strings.Contains(user, "..")
	if user == "" || len(user) > maxUser || badDots || !only(user, isUserByte) {
		return Name{}, fmt.Errorf("%w: %q has the user part %q", ErrName, s, user)
	}
	return Name{text: s, domain: domain}, nil
}

// CheckDomain returns an error that wraps ErrName unless domain is a domain
// name in lower-case A-labels of at most 253 bytes.
func CheckDomain(domain string) error { return checkDomain(domain) }

func checkDomain(domain string) error {
	if domain == "" || len(domain) > 253 {
		return fmt.Errorf("%w: a domain has 1 to 253 bytes, not %d", ErrName, len(domain))
	}
	for l := range strings.SplitSeq(domain, ".") {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || !only(l, isLabelByte) {
			return fmt.Errorf("%w: domain %q has the label %q", ErrName, domain, l)
		}
	}
	return nil
}

// String returns the canonical text, the inverse of ParseName.
func (n Name) String() string { return n.text }

// Domain returns the domain name in which n lies.
func (n Name) Domain() string { return n.domain }

// IsZero reports whether n is no name.
func (n Name) IsZero() bool { return n.text == "" }

// Person reports whether n names a person (acct:) rather than a workload.
func (n Name) Person() bool { return strings.HasPrefix(n.text, "acct:") }

// MarshalText returns the canonical text.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.text), nil }

// UnmarshalText is ParseName.
func (n *Name) UnmarshalText(b []byte) (err error) {
	*n, err = ParseName(string(b))
	return err
}

func only(s string, allowed func(byte) bool) bool {
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return true
}

func isLower(c byte) bool     { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
func isLabelByte(c byte) bool { return isLower(c) || c == '-' }
func isUserByte(c byte) bool  { return isLower(c) || strings.IndexByte("._+-", c) >= 0 }
func isPathByte(c byte) bool {
	return isLower(c) || 'A' <= c && c <= 'Z' || strings.IndexByte("._-", c) >= 0
}
