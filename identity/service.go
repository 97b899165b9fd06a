package identity

import (
	"errors"
	"fmt"
	"strings"
)

const (
	maxServiceName = 64
	maxOrigin      = 256
)

// ErrService is wrapped by every refusal of a service's name or origin.
var ErrService = errors.New("not a login service")

// CheckService returns an error that wraps ErrService unless name is one of an
// M-Pin service: 1 to 64 of a-z, 0-9 and -, not beginning or ending with - (spec/identity.md
// "Domains and services").
func CheckService(name string) error {
	outside := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-", r) }
	if name == "" || len(name) > maxServiceName || strings.IndexFunc(name, outside) >= 0 || strings.Trim(name, "-") != name {
		return fmt.Errorf("%w: name %.80q is not 1 to %d of a-z, 0-9 and -", ErrService, name, maxServiceName)
	}
	return nil
}

// CheckOrigin returns an error that wraps ErrService unless origin is that of a web
// page, as a browser spells it: http:// or https://, a host in lower case and
// perhaps a port, and nothing after it (RFC 6454 section 6.2).
func CheckOrigin(origin string) error {
	host, ok := strings.CutPrefix(origin, "https://")
	if !ok {
		host, ok = strings.CutPrefix(origin, "http://")
	}
	outside := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-.:[]", r) }
	if !ok || host == "" || len(origin) > maxOrigin || strings.IndexFunc(host, outside) >= 0 {
		return fmt.Errorf("%w: %.300q is no origin: http(s)://host[:port], in lower case and nothing after it", ErrService, origin)
	}
	return nil
}
