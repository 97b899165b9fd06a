package authority

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"milagro.dev/identity"
	"milagro.dev/internal/mail"
)

// CodeBy is how an authority makes sure by itself of whom a registration names.
type CodeBy string

const (
	// NoCode takes the registration authority's word alone.
	NoCode CodeBy = "none"
	// MailedCode wants a code besides that this authority has mailed.
	MailedCode CodeBy = "mail"
)

// RegistrationRoot is a registration authority whose word is evidence here. What the
// settings mean is in spec/enrolment.md "Evidence: voucher".
type RegistrationRoot struct {
	Name     string // for operators: in log and errors
	Key      ed25519.PublicKey
	Allow    []identity.Pattern
	Services []string // names of login services; empty for all
	Code     CodeBy   // empty for NoCode
	Extent   Extent   // empty for SharedRoot
}

func (r RegistrationRoot) withDefaults() RegistrationRoot {
	if r.Code == "" {
		r.Code = NoCode
	}
	if r.Extent == "" {
		r.Extent = SharedRoot
	}
	return r
}

// CheckRegistrationRoots returns a *SettingError for the first setting that cannot
// be used by an authority with this mail server.
func CheckRegistrationRoots(roots []RegistrationRoot, by mail.Config) error {
	names, keys := map[string]bool{}, map[string]bool{}
	for i, r := range roots {
		setting, err := r.withDefaults().check(by)
		switch {
		case err != nil:
		case names[r.Name]:
			setting, err = "name", fmt.Errorf("a second %q", r.Name)
		case keys[string(r.Key)]:
			setting, err = "key", errors.New("a second section for this key")
		}
		if err != nil {
			return &SettingError{Section: "registration", Index: i, Setting: setting, Err: err}
		}
		names[r.Name], keys[string(r.Key)] = true, true
	}
	return nil
}

// check returns the first setting that cannot be used, and why.
func (r RegistrationRoot) check(by mail.Config) (setting string, err error) {
	switch {
	case r.Name == "" || len(r.Name) > maxSetting:
		return "name", fmt.Errorf("it has 1 to %d bytes", maxSetting)
	case len(r.Key) != ed25519.PublicKeySize:
		return "key", errors.New("an Ed25519 key, 64 hexadecimal digits: 'milagro login card' shows it")
	case len(r.Allow) == 0 || slices.ContainsFunc(r.Allow, identity.Pattern.IsZero):
		return "allow", errors.New("no name is allowed")
	case r.Code != NoCode && r.Code != MailedCode:
		return "code", fmt.Errorf("%.32q is neither mail nor none", string(r.Code))
	case r.Code == MailedCode && by.Host == "":
		return "code", errors.New("no mail server: set host in [email]")
	case r.Extent != SharedRoot && r.Extent != OwnRoot:
		return "root", fmt.Errorf("%.32q is neither shared nor own", string(r.Extent))
	}
	for _, service := range r.Services {
		if err := identity.CheckService(service); err != nil {
			return "services", err
		}
	}
	return "", nil
}
