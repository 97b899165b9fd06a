package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/config"
	"milagro.dev/wallet"
)

const fingerprint = "milagro1t0f84xmnk6jh8d6kfpcrzxahkgz8394audqutdjq2spathl5ryuqa0esax"

// sources are none that are read.
func sources() Sources {
	return Sources{
		Codes: func([]string, identity.Name, identity.Purpose) (map[uint32]dta.Code, error) {
			return nil, errors.New("no codes")
		},
		Command: func(string) wallet.Tokens {
			return func(context.Context, dta.Authority, string) (string, error) { return "", errors.New("no command") }
		},
	}
}

func planOf(t testing.TB, text string) (string, Plan, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var s Settings
	if err := s.Load(path); err != nil {
		return path, Plan{}, err
	}
	p, err := s.Plan(path, sources())
	return path, p, err
}

func TestSettingsBecomeAPlan(t *testing.T) {
	_, p, err := planOf(t, `
dir = "/var/lib/milagro"
metrics = "127.0.0.1:9464"
log_level = "warn"

[[domain]]
url = "https://dta.alpha.example"
fingerprint = "`+fingerprint+`"

[[name]]
name = "spiffe://example.org/web"
codes = ["alpha.csv", "beta.csv"]

[[name]]
name = "spiffe://example.org/api"
purposes = ["decrypt", "channel"]
tokens = { 1 = "/run/1", 3 = "/run/3" }

[[name]]
name = "spiffe://example.org/db"
token_command = "print-token --secret x"

[[name]]
name = "acct:alice@example.org"
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.check(); err != nil || p.Scope != Everything || len(p.Domains) != 1 || len(p.Names) != 4 {
		t.Fatalf("%+v, %v", p, err)
	}
	for i, want := range []struct {
		means    string
		purposes []identity.Purpose
	}{
		{"one-time codes in alpha.csv, beta.csv", []identity.Purpose{identity.Channel}},
		{"tokens in /run/1, /run/3", []identity.Purpose{identity.Decrypt, identity.Channel}},
		{"tokens of a command", []identity.Purpose{identity.Channel}},
	} {
		if n := p.Names[i]; n.Means.String() != want.means || !slices.Equal(n.Purposes, want.purposes) {
			t.Errorf("%v: %v for %v", n.Name, n.Means, n.Purposes)
		}
	}
	if p.Names[3].Means != nil || p.Names[3].Purposes != nil {
		t.Errorf("%+v", p.Names[3])
	}
	only := p.Only([]identity.Name{parseName(t, api), parseName(t, "spiffe://example.org/other")})
	if only.Scope != Listed || len(only.Names) != 2 || only.Names[0].Means == nil || only.Names[1].Means != nil || len(only.Domains) != 1 {
		t.Errorf("%+v", only)
	}
}

func TestBadSettingsNameFileLineAndKey(t *testing.T) {
	web := "[[name]]\nname = \"spiffe://example.org/web\"\n"
	for text, want := range map[string]string{
		"listen = \"x\"\n": ":1: listen: unknown key",
		"[[name]]\n":       ":1: name.name: it is missing",
		"[[name]]\nname = \"spiffe://Example.org\"\n": ":2: name.name: ",
		web + web:                          ":4: name.name: spiffe://example.org/web is listed twice",
		web + "purposes = [\"channel\"]\n": ":3: name.purposes: there is nothing to enrol with",
		web + "codes = [\"c\"]\npurposes = [\"mpin\"]\n":                 ":4: name.purposes: \"mpin\"",
		web + "codes = [\"c\"]\npurposes = [\"channel\", \"channel\"]\n": ":4: name.purposes: \"channel\"",
		web + "codes = [\"c\"]\ntokens = { 1 = \"t\" }\n":                ":1: name: spiffe://example.org/web is to be enrolled in 2 ways",
		web + "tokens = { 0 = \"t\" }\n":                                 ":3: name.tokens: \"0\"",
		web + "tokens = { 01 = \"t\" }\n":                                ":3: name.tokens: \"01\"",
		web + "tokens = { 1 = \"\" }\n":                                  ":3: name.tokens: \"1\"",
		web + "tokens = [\"t\"]\n":                                       ":3: name.tokens: ",
		web + "token_command = 7\n":                                      ":3: name.token_command: ",
		"[[domain]]\nurl = \"dta.example\"\n":                            ":2: domain.url: \"dta.example\" is no URL",
		"[[domain]]\nurl = \"https://dta.example\"\n":                    ":1: domain.fingerprint: it is missing",
		"[[domain]]\nfingerprint = \"milagro1\"\n":                       ":2: domain.fingerprint: ",
		"log_level = \"loud\"\n":                                         ":1: log_level: ",
	} {
		path, _, err := planOf(t, text)
		var e *config.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), path+want) || e.Hint() == "" {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("[[name]]\nname = \"spiffe://example.org/web\"\ntokens = { 1 = \"t\" }\n")
	f.Add("[[domain]]\nurl = \"https://dta.example\"\nfingerprint = \"" + fingerprint + "\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, p, err := planOf(t, text)
		if err == nil {
			err = p.check()
		}
		if err != nil && !errors.Is(err, config.ErrConfig) {
			t.Fatal(err)
		}
	})
}

func TestTokenFilesSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA"
	if err := (TokenFiles{1: file("good", jwt+"\n")}).Check(identity.Name{}, identity.Channel); err != nil {
		t.Error(err)
	}
	for _, k := range []struct{ path, want string }{
		{filepath.Join(dir, "absent"), "no such file"}, {dir, "is a directory"}, {file("empty", "\n \n"), "empty"},
		{file("text", "hunter2"), "not a JWT"}, {file("huge", strings.Repeat("a", 1<<20)), "longer than"},
	} {
		err := (TokenFiles{2: k.path}).Check(identity.Name{}, identity.Channel)
		if err == nil || !strings.Contains(err.Error(), "token for authority 2: ") || !strings.Contains(err.Error(), k.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", k.path, err)
		}
	}
	if _, err := (TokenFiles{}).read(3); err == nil {
		t.Error("read no file")
	}
}
