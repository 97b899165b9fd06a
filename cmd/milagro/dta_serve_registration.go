package main

import (
	"encoding/hex"
	"errors"

	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/config"
)

// registrationConfig is a section [[registration]]: a registration authority whose
// word enrols people (spec/enrolment.md "Evidence: voucher").
type registrationConfig struct {
	Name     string             `toml:"name"`
	Key      publicKey          `toml:"key"`
	Allow    []identity.Pattern `toml:"allow"`
	Services []string           `toml:"services"`
	Code     authority.CodeBy   `toml:"code"`
	Root     authority.Extent   `toml:"root"`
}

// publicKey is an Ed25519 key in hexadecimal digits, as cards are shown with it.
type publicKey []byte

// UnmarshalText reads 64 hexadecimal digits.
func (k *publicKey) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != 32 {
		return errors.New("a key is 64 hexadecimal digits: 'milagro login card' shows that of a login server")
	}
	*k = b
	return nil
}

// registrations returns the sections as the authority takes them.
func (s serveSettings) registrations() []authority.RegistrationRoot {
	var roots []authority.RegistrationRoot
	for _, c := range s.Registration {
		roots = append(roots, authority.RegistrationRoot{Name: c.Name, Key: []byte(c.Key), Allow: c.Allow, Services: c.Services, Code: c.Code, Extent: c.Root})
	}
	return roots
}

// checkRegistration says where in the file at path a section cannot be used.
func (s serveSettings) checkRegistration(path string) error {
	wrong, ok := errors.AsType[*authority.SettingError](authority.CheckRegistrationRoots(s.registrations(), s.Email.config()))
	if !ok {
		return nil
	}
	return config.Place{Path: path, List: "registration", Index: wrong.Index}.Error(wrong.Setting, wrong.Err.Error(), "spec/enrolment.md \"Evidence: voucher\" has the settings of a section")
}
