package authority

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"milagro.dev/identity"
)

// Binding is how a token is bound to one device and to this authority.
type Binding string

const (
	// BindAudience is a token whose audience is this authority's, "#" and the hash of
	// the device.
	BindAudience Binding = "audience"
	// BindNonce is a token with the hash of the device in a claim.
	BindNonce Binding = "nonce"
	// BindSoleAudience is a token for this authority, of no device: it enrols once.
	BindSoleAudience Binding = "sole-audience"
)

// Extent is how many authorities of the domain trust one issuer.
type Extent string

const (
	// SharedRoot is an issuer that t or more authorities trust: it counts only where
	// the domain document has the flag shared-root.
	SharedRoot Extent = "shared"
	// OwnRoot is an issuer that fewer than t authorities trust, as the operator says.
	OwnRoot Extent = "own"
)

const (
	defaultTokenAge = 10 * time.Minute
	maxTokenAge     = time.Hour
	maxSetting      = 512 // bytes of a setting that is a text
)

// TokenRoot is an issuer whose JWTs are evidence at this authority. What the
// settings mean is in spec/issuance.md "Evidence: jwt".
type TokenRoot struct {
	Name         string // for operators: in log and errors
	Issuer       string
	Keys         string // path or URL of its JWKS
	Audience     string // empty for the URL of the authority's card
	Binding      Binding
	NonceClaim   string // of BindNonce; empty for "nonce"
	NameTemplate string
	Allow        []identity.Pattern
	Purposes     []identity.Purpose // empty for channel
	MaxAge       time.Duration      // 0 for ten minutes
	Extent       Extent             // empty for SharedRoot
}

// SettingError is a setting of a TokenRoot or RegistrationRoot that cannot be used.
type SettingError struct {
	Section string // jwt or registration
	Index   int    // of the root, from 0
	Setting string // as in the configuration file
	Err     error
}

// Error names root, setting and reason.
func (e *SettingError) Error() string {
	return fmt.Sprintf("%s %d: %s: %v", e.Section, e.Index+1, e.Setting, e.Err)
}

// Unwrap returns the reason.
func (e *SettingError) Unwrap() error { return e.Err }

// CheckTokenRoots returns a *SettingError for the first setting that cannot be
// used. It reads no keys.
func CheckTokenRoots(roots []TokenRoot) error {
	names, issuers := map[string]bool{}, map[string]bool{}
	for i, r := range roots {
		setting, err := r.withDefaults().check()
		switch {
		case err != nil:
		case names[r.Name]:
			setting, err = "name", fmt.Errorf("a second %q", r.Name)
		case issuers[r.Issuer]:
			setting, err = "issuer", fmt.Errorf("a second section for %s", r.Issuer)
		}
		if err != nil {
			return &SettingError{Section: "jwt", Index: i, Setting: setting, Err: err}
		}
		names[r.Name], issuers[r.Issuer] = true, true
	}
	return nil
}

func (r TokenRoot) withDefaults() TokenRoot {
	if r.NonceClaim == "" {
		r.NonceClaim = "nonce"
	}
	if len(r.Purposes) == 0 {
		r.Purposes = []identity.Purpose{identity.Channel}
	}
	if r.MaxAge == 0 {
		r.MaxAge = defaultTokenAge
	}
	if r.Extent == "" {
		r.Extent = SharedRoot
	}
	return r
}

// check returns the first setting that cannot be used, and why.
func (r TokenRoot) check() (setting string, err error) {
	for _, text := range []struct{ setting, text string }{{"name", r.Name}, {"issuer", r.Issuer}} {
		if text.text == "" || len(text.text) > maxSetting {
			return text.setting, fmt.Errorf("it has 1 to %d bytes", maxSetting)
		}
	}
	if err := checkKeysPlace(r.Keys); err != nil {
		return "jwks", err
	}
	switch r.Binding {
	case BindAudience, BindNonce, BindSoleAudience:
	case "":
		return "binding", errors.New("say how a token is bound: audience, nonce or sole-audience")
	default:
		return "binding", fmt.Errorf("%.32q is none of audience, nonce and sole-audience", string(r.Binding))
	}
	if r.Extent != SharedRoot && r.Extent != OwnRoot {
		return "root", fmt.Errorf("%.32q is neither shared nor own", string(r.Extent))
	}
	if r.MaxAge < time.Second || r.MaxAge > maxTokenAge {
		return "max_age", fmt.Errorf("%s is not from 1s to %s", r.MaxAge, maxTokenAge)
	}
	for _, p := range r.Purposes {
		if p != identity.Channel && p != identity.Decrypt {
			return "purposes", fmt.Errorf("%.32q: tokens enrol for channel and decrypt", string(p))
		}
	}
	return r.checkNames()
}

func (r TokenRoot) checkNames() (setting string, err error) {
	template, err := parseTemplate(r.NameTemplate)
	if err != nil {
		return "name_template", err
	}
	if len(r.Allow) == 0 {
		return "allow", errors.New("no name is allowed")
	}
	elsewhere := func(p identity.Pattern) bool { return p.Domain() != template.domain }
	if i := slices.IndexFunc(r.Allow, elsewhere); i >= 0 {
		return "allow", fmt.Errorf("%s lies outside %s, where the template's names are", r.Allow[i], template.domain)
	}
	return "", nil
}

// checkKeysPlace takes an absolute path, or a URL over which nobody on the way can
// put in keys.
func checkKeysPlace(place string) error {
	if filepath.IsAbs(place) {
		return nil
	}
	u, err := url.Parse(place)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("neither an absolute path nor a URL")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return errors.New("keys that come over http are anybody's: use https")
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
