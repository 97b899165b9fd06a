package agent

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/config"
	"milagro.dev/wallet"
)

// Settings are those of 'milagro agent' (doc/agent.md): from a TOML file, then
// from MILAGRO_AGENT_…, then from flags. The lists come from the file alone.
type Settings struct {
	Dir      string           `toml:"dir"`
	Metrics  string           `toml:"metrics"`
	LogLevel slog.Level       `toml:"log_level"`
	Domains  []DomainSettings `toml:"domain"`
	Names    []NameSettings   `toml:"name"`
}

// DomainSettings is a [[domain]].
type DomainSettings struct {
	URL         string            `toml:"url"`
	Fingerprint identity.DomainID `toml:"fingerprint"`
}

// NameSettings is a [[name]].
type NameSettings struct {
	Name         identity.Name     `toml:"name"`
	Purposes     []string          `toml:"purposes"`
	Codes        []string          `toml:"codes"`
	Tokens       map[string]string `toml:"tokens"`
	TokenCommand string            `toml:"token_command"`
}

// Sources are how codes are read and token commands are run.
type Sources struct {
	Codes   CodeReader
	Command func(command string) wallet.Tokens
}

// Load reads the file at path into s. Errors: those of config.Load.
func (s *Settings) Load(path string) error { return config.Load(path, s) }

// Plan returns what s, which was loaded from the file at path, asks for. An error is
// a *config.Error that names file, line and key.
func (s *Settings) Plan(path string, from Sources) (Plan, error) {
	var p Plan
	for i, d := range s.Domains {
		at := config.Place{Path: path, List: "domain", Index: i}
		if err := d.check(at); err != nil {
			return Plan{}, err
		}
		p.Domains = append(p.Domains, Domain(d))
	}
	for i, n := range s.Names {
		at := config.Place{Path: path, List: "name", Index: i}
		if slices.ContainsFunc(p.Names, func(other Name) bool { return other.Name == n.Name }) {
			return Plan{}, at.Error("name", fmt.Sprintf("%v is listed twice", n.Name), "one [[name]] says all of a name")
		}
		name, err := n.plan(at, from)
		if err != nil {
			return Plan{}, err
		}
		p.Names = append(p.Names, name)
	}
	return p, nil
}

func (d DomainSettings) check(at config.Place) error {
	u, err := url.Parse(d.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return at.Error("url", fmt.Sprintf("%q is no URL of an authority", d.URL), `url = "https://dta.alpha.example"`)
	}
	if d.Fingerprint == (identity.DomainID{}) {
		return at.Error("fingerprint", "it is missing", "get it from somebody you trust: it is all that is ever trusted")
	}
	return nil
}

func (n NameSettings) plan(at config.Place, from Sources) (Name, error) {
	name := Name{Name: n.Name}
	if n.Name.IsZero() {
		return name, at.Error("name", "it is missing", `name = "spiffe://example.org/web"`)
	}
	means, err := n.means(at, from)
	if err != nil {
		return name, err
	}
	for _, text := range n.Purposes {
		p := identity.Purpose(text)
		if p != identity.Channel && p != identity.Decrypt || slices.Contains(name.Purposes, p) {
			return name, at.Error("purposes", fmt.Sprintf("%q is not enrolled here, or stands twice", text), `purposes = ["channel"] or ["channel", "decrypt"]`)
		}
		name.Purposes = append(name.Purposes, p)
	}
	switch {
	case means == nil && len(n.Purposes) > 0:
		return name, at.Error("purposes", "there is nothing to enrol with", "add codes, tokens or token_command; without purposes, what the wallet has is kept")
	case means != nil && len(n.Purposes) == 0:
		name.Purposes = []identity.Purpose{identity.Channel}
	}
	name.Means = means
	return name, nil
}

// means returns how the name is enrolled, nil for not at all.
func (n NameSettings) means(at config.Place, from Sources) (Means, error) {
	var all []Means
	if len(n.Codes) > 0 {
		all = append(all, Codes{Paths: n.Codes, Read: from.Codes})
	}
	if n.TokenCommand != "" {
		all = append(all, TokenCommand{Command: n.TokenCommand, Run: from.Command(n.TokenCommand)})
	}
	if len(n.Tokens) > 0 {
		files := TokenFiles{}
		for text, path := range n.Tokens {
			index, err := strconv.ParseUint(text, 10, 32)
			if err != nil || index < 1 || index > dta.MaxAuthorities || path == "" || text != strconv.FormatUint(index, 10) {
				return nil, at.Error("tokens", fmt.Sprintf("%q = %q is no authority's index and a file", text, path), `tokens = { 1 = "/run/tokens/1", 2 = "/run/tokens/2" }`)
			}
			files[uint32(index)] = path
		}
		all = append(all, files)
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0], nil
	}
	return nil, at.Error("", fmt.Sprintf("%v is to be enrolled in %d ways", n.Name, len(all)), "give one of codes, tokens and token_command")
}
