package main

import (
	"errors"

	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/config"
)

// jwtConfig is a section [[jwt]]: an issuer whose tokens enrol (spec/issuance.md
// "Evidence: jwt").
type jwtConfig struct {
	Name         string             `toml:"name"`
	Issuer       string             `toml:"issuer"`
	JWKS         string             `toml:"jwks"`
	Audience     string             `toml:"audience"`
	Binding      authority.Binding  `toml:"binding"`
	NonceClaim   string             `toml:"nonce_claim"`
	NameTemplate string             `toml:"name_template"`
	Allow        []identity.Pattern `toml:"allow"`
	Purposes     []identity.Purpose `toml:"purposes"`
	MaxAge       config.Duration    `toml:"max_age"`
	Root         authority.Extent   `toml:"root"`
}

// tokenRoots returns the sections as the authority takes them.
func (s serveSettings) tokenRoots() []authority.TokenRoot {
	var roots []authority.TokenRoot
	for _, c := range s.JWT {
		roots = append(roots, authority.TokenRoot{Name: c.Name, Issuer: c.Issuer, Keys: c.JWKS, Audience: c.Audience, Binding: c.Binding,
			NonceClaim: c.NonceClaim, NameTemplate: c.NameTemplate, Allow: c.Allow, Purposes: c.Purposes, MaxAge: c.MaxAge.Duration, Extent: c.Root})
	}
	return roots
}

// checkJWT says where in the file at path a section cannot be used.
func (s serveSettings) checkJWT(path string) error {
	wrong, ok := errors.AsType[*authority.SettingError](authority.CheckTokenRoots(s.tokenRoots()))
	if !ok {
		return nil
	}
	return config.Place{Path: path, List: "jwt", Index: wrong.Index}.Error(wrong.Setting, wrong.Err.Error(), "spec/issuance.md \"Evidence: jwt\" has the settings of a section")
}
