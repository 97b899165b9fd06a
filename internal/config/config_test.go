package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type settingsOfATest struct {
	Listen string     `toml:"listen"`
	Level  slog.Level `toml:"level"`
	Open   bool       `toml:"open"`
	Peers  []string   `toml:"peers"`
	Limits limits     `toml:"limits"`
	Handle func()     `toml:"-"`
	inner  string
}

type limits struct {
	PerName int8     `toml:"per_name"`
	Codes   uint16   `toml:"codes"`
	Window  Duration `toml:"window"`
	Ratio   float64  `toml:"ratio"`
}

func defaults() settingsOfATest {
	return settingsOfATest{Listen: "127.0.0.1:1", Limits: limits{PerName: 5, Window: Duration{time.Minute}}, inner: "x"}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "milagro.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourceWins(t *testing.T) {
	cfg := defaults()
	path := file(t, "listen = \"file\"\nlevel = \"warn\"\npeers = [\"a\", \"b\"]\n[limits]\nper_name = 7\nwindow = \"1h30m\"\n")
	if err := Load(path, &cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Listen != "file" || cfg.Level != slog.LevelWarn || len(cfg.Peers) != 2 || cfg.Limits.PerName != 7 || cfg.Limits.Window.Duration != 90*time.Minute || cfg.inner != "x" {
		t.Fatalf("from the file: %+v", cfg)
	}
	environ := []string{"MILAGRO_DTA_LISTEN=env=1", "MILAGRO_DTA_LIMITS_PER_NAME=8", "MILAGRO_DTA_OPEN=true", "MILAGRO_DTA_LEVEL=",
		"MILAGRO_DTA_PORT_80_TCP=tcp://10.0.0.1", "LISTEN=other", "MILAGRO_DTA_LIMITS_CODES=65535", "broken"}
	if err := Env("MILAGRO_DTA_", environ, &cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Listen != "env=1" || cfg.Limits.PerName != 8 || !cfg.Open || cfg.Level != slog.LevelWarn || cfg.Limits.Codes != 65535 {
		t.Fatalf("from the environment: %+v", cfg)
	}
	for key, text := range map[string]string{"listen": "flag", "limits.window": "10s", "peers": "c,d,e", "open": "false", "level": "DEBUG"} {
		if err := Set(&cfg, key, text); err != nil {
			t.Fatal(err)
		}
	}
	if cfg.Listen != "flag" || cfg.Limits.Window.Duration != 10*time.Second || strings.Join(cfg.Peers, "") != "cde" || cfg.Open || cfg.Level != slog.LevelDebug {
		t.Fatalf("from flags: %+v", cfg)
	}
}

// TestLoadNamesFileLineKeyAndRemedy also shows that a bad file is no reason to panic.
func TestLoadNamesFileLineKeyAndRemedy(t *testing.T) {
	for name, c := range map[string]struct {
		text, key, reason, hint string
		line                    int
	}{
		"unknown key":     {"listen = \"a\"\nlisen = \"b\"\n", "lisen", "unknown key", "known here: level, limits, listen, open, peers", 2},
		"unknown inside":  {"[limits]\n\nper_nmae = 1\n", "limits.per_nmae", "unknown key", "known here: codes, per_name, ratio, window", 3},
		"unknown section": {"[limit]\nper_name = 1\n", "limit", "unknown key", "known here", 1},
		"hidden field":    {"inner = \"b\"\n", "inner", "unknown key", "known here", 1},
		"wrong type":      {"\nopen = \"yes\"\n", "open", "", "quotes", 2},
		"too large":       {"[limits]\nper_name = 1000\n", "limits.per_name", "", "quotes", 2},
		"duration":        {"[limits]\nwindow = \"5 minutes\"\n", "limits.window", "no duration", "quotes", 2},
		"negative":        {"[limits]\nwindow = \"-5m\"\n", "limits.window", "no duration", "quotes", 2},
		"level":           {"level = \"loud\"\n", "level", "loud", "quotes", 1},
		"no TOML":         {"a: b\n", "", "", "quotes", 1},
		"twice":           {"listen = \"a\"\nlisten = \"b\"\n", "", "listen", "", 0},
		"unterminated":    {"listen = \"a\n", "", "", "quotes", 1},
	} {
		cfg := defaults()
		path := file(t, c.text)
		err := Load(path, &cfg)
		var e *Error
		if !errors.Is(err, ErrConfig) || !errors.As(err, &e) {
			t.Errorf("%s: %v, want an *Error", name, err)
			continue
		}
		if e.Source != path || (c.line > 0 && e.Line != c.line) || (c.key != "" && e.Key != c.key) || !strings.Contains(e.Reason, c.reason) || e.Reason == "" {
			t.Errorf("%s: %+v", name, e)
		}
		if !strings.Contains(e.Hint(), c.hint) || e.Hint() == "" {
			t.Errorf("%s: hint %q, want %q", name, e.Hint(), c.hint)
		}
		if strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), path+":") {
			t.Errorf("%s: reads %q", name, err)
		}
	}
}

func TestLoadRefusesMissingAndHugeFiles(t *testing.T) {
	cfg := defaults()
	if err := Load(filepath.Join(t.TempDir(), "absent"), &cfg); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if err := Load(file(t, strings.Repeat("# comment\n", 200_000)), &cfg); !errors.Is(err, ErrConfig) {
		t.Errorf("huge: %v", err)
	}
	if err := Load(t.TempDir(), &cfg); err == nil {
		t.Error("loaded a directory")
	}
}

func TestEnvAndSetNameWhatTheyRefuse(t *testing.T) {
	for variable, reason := range map[string]string{
		"M_OPEN=perhaps": "neither true nor false", "M_LIMITS_PER_NAME=128": "8 bits", "M_LIMITS_CODES=-1": "from 0 of 16 bits",
		"M_LIMITS_WINDOW=soon": "no duration", "M_LIMITS_RATIO=0.5": "float64", "M_LEVEL=loud": "loud",
	} {
		cfg := defaults()
		err := Env("M_", []string{variable}, &cfg)
		name, _, _ := strings.Cut(variable, "=")
		if !errors.Is(err, ErrConfig) || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, want %q", variable, err, reason)
		}
	}
	cfg := defaults()
	var e *Error
	for _, key := range []string{"limits.rate", "limits", "", "inner", "-", "a.b.c"} {
		if err := Set(&cfg, key, "1"); !errors.As(err, &e) || e.Reason != "unknown key" || e.Hint() == "" {
			t.Errorf("Set(%q): %v", key, err)
		}
	}
	if !reflect.DeepEqual(cfg, defaults()) {
		t.Errorf("changed to %+v", cfg)
	}
}

func TestKeysAreTheSettings(t *testing.T) {
	cfg := defaults()
	want := "level limits.codes limits.per_name limits.ratio limits.window listen open peers"
	if got := strings.Join(Keys(&cfg), " "); got != want {
		t.Errorf("keys %q, want %q", got, want)
	}
}

func TestDurationIsItsOwnInverse(t *testing.T) {
	for _, d := range []time.Duration{0, time.Nanosecond, 90 * time.Second, 24 * time.Hour} {
		text, err := Duration{d}.MarshalText()
		var back Duration
		if err != nil || back.UnmarshalText(text) != nil || back.Duration != d {
			t.Errorf("%v became %q became %v", d, text, back)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("listen = \"a\"\n[limits]\nper_name = 1\nwindow = \"5s\"\n"))
	f.Add([]byte("limits.per_name = 300\nx.y = 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg := defaults()
		err := decode("f", text, &cfg)
		if err != nil && !errors.Is(err, ErrConfig) {
			t.Fatal(err)
		}
		if err == nil && cfg.inner != "x" {
			t.Fatal("a hidden field was set")
		}
	})
}
