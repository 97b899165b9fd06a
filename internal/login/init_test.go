package login_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/login"
	"milagro.dev/internal/store"
)

// initialised makes a login server's directory, which never ran.
func initialised(t *testing.T) (cfg login.InitConfig, card *dta.LoginCard) {
	t.Helper()
	protector, err := custody.NewKeyFile(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	cfg = login.InitConfig{Dir: filepath.Join(t.TempDir(), "login"), Protector: protector, Service: "login", Origin: "https://login.example.org"}
	card, err = login.Init(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, card
}

func TestInitOverwritesNothing(t *testing.T) {
	t.Parallel()
	cfg, card := initialised(t)
	read, err := login.ReadCard(cfg.Dir)
	if err != nil || !bytes.Equal(read.Bytes(), card.Bytes()) || read.Service != "login" || read.Origin != "https://login.example.org" {
		t.Errorf("%+v, %v", read, err)
	}
	before := filesIn(t, cfg.Dir)
	for name, mode := range before {
		if name != "card" && mode.Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, mode)
		}
	}
	if _, err := login.Init(t.Context(), cfg); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	again, err := login.ReadCard(cfg.Dir)
	if err != nil || !bytes.Equal(again.Bytes(), card.Bytes()) || len(filesIn(t, cfg.Dir)) != len(before) {
		t.Error("the directory was changed:", err)
	}
}

func filesIn(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]fs.FileMode{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		modes[e.Name()] = info.Mode()
	}
	return modes
}

// TestInitIsCompletedAfterACrash: wherever it came.
func TestInitIsCompletedAfterACrash(t *testing.T) {
	t.Parallel()
	for _, missing := range [][]string{{"card"}, {"card", "keys.sealed"}, {"card", "keys.sealed", "state.db"}} {
		cfg, card := initialised(t)
		for _, name := range missing {
			if err := os.Remove(filepath.Join(cfg.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		other := cfg
		other.Service = "another"
		if len(missing) == 1 {
			if _, err := login.Init(t.Context(), other); !errors.Is(err, fs.ErrExist) {
				t.Errorf("keys of one service for another: %v", err)
			}
		}
		again, err := login.Init(t.Context(), cfg)
		if err != nil {
			t.Fatalf("without %q: %v", missing, err)
		}
		if kept := bytes.Equal(again.Bytes(), card.Bytes()); kept != (len(missing) == 1) {
			t.Errorf("without %q: the keys were kept: %t", missing, kept)
		}
		opens(t, cfg, nil)
	}
}

// TestInitRefusesWhatIsNoService leaves nothing behind that names it.
func TestInitRefusesWhatIsNoService(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ service, origin string }{{"", "https://a.example"}, {"Login", "https://a.example"}, {"login", ""}, {"login", "https://a.example/"},
		{"login", "ftp://a.example"}, {"login", "https://A.example"}, {"lo\ngin", "https://a.example"}} {
		cfg := login.InitConfig{Dir: filepath.Join(t.TempDir(), "login"), Service: c.service, Origin: c.origin}
		if _, err := login.Init(t.Context(), cfg); !errors.Is(err, dta.ErrLoginServer) {
			t.Errorf("%q at %q: %v", c.service, c.origin, err)
		}
		if _, err := os.Stat(cfg.Dir); err == nil {
			t.Errorf("%q at %q: something was made", c.service, c.origin)
		}
	}
}

// opens opens a login server after change, and closes it.
func opens(t *testing.T, cfg login.InitConfig, change func(*login.Config)) {
	t.Helper()
	if err := tryOpen(t, cfg, change); err != nil {
		t.Error(err)
	}
}

func tryOpen(t *testing.T, cfg login.InitConfig, change func(*login.Config)) error {
	t.Helper()
	c := login.Config{Dir: cfg.Dir, Protector: cfg.Protector}
	if change != nil {
		change(&c)
	}
	s, err := login.Open(t.Context(), c)
	if err != nil {
		return err
	}
	return s.Close()
}

// TestOpenRefusesWhatIsNotItsOwn breaks one file at a time. Nothing is made anew in
// its place.
func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	cfg, _ := initialised(t)
	opens(t, cfg, nil)
	stranger, err := custody.NewKeyFile(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), b, 0o600) }
	}
	remove := func(name string) func(string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
	}
	resealed := func(secret, purpose string) func(string) error {
		return func(dir string) error {
			sealed, err := cfg.Protector.Seal([]byte(secret), purpose)
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "keys.sealed"), sealed, 0o600))
		}
	}
	for name, c := range map[string]struct {
		protector custody.Protector
		hurt      func(dir string) error
		want      error
	}{
		"another key file":      {stranger, func(string) error { return nil }, custody.ErrWrongKey},
		"no keys":               {cfg.Protector, remove("keys.sealed"), fs.ErrNotExist},
		"keys damaged":          {cfg.Protector, write("keys.sealed", []byte("keys")), custody.ErrDamaged},
		"keys of something":     {cfg.Protector, resealed("keys", "login server keys"), custody.ErrDamaged},
		"keys of another place": {cfg.Protector, resealed("keys", "authority keys"), custody.ErrPurpose},
		"no state":              {cfg.Protector, remove("state.db"), fs.ErrNotExist},
		"state empty":           {cfg.Protector, write("state.db", nil), store.ErrDamaged},
		"state of something":    {cfg.Protector, write("state.db", bytes.Repeat([]byte("state"), 1000)), store.ErrDamaged},
		"state of an authority": {cfg.Protector, anAuthoritysState(t), store.ErrDamaged},
		"a journal of words":    {cfg.Protector, write("revoked", []byte("alice was revoked\n")), custody.ErrDamaged},
		"a journal cut inside":  {cfg.Protector, write("revoked", []byte("12 "+strings.Repeat("ab", 32)+" \n")), custody.ErrDamaged},
		"open to others":        {cfg.Protector, func(dir string) error { return os.Chmod(dir, 0o750) }, custody.ErrPermissions},
		"keys open to others":   {cfg.Protector, func(dir string) error { return os.Chmod(filepath.Join(dir, "keys.sealed"), 0o640) }, custody.ErrPermissions},
	} {
		t.Run(name, func(t *testing.T) {
			hurt := cfg
			hurt.Protector, hurt.Dir = c.protector, filepath.Join(t.TempDir(), "login")
			if err := errors.Join(os.CopyFS(hurt.Dir, os.DirFS(cfg.Dir)), private(hurt.Dir), c.hurt(hurt.Dir)); err != nil {
				t.Fatal(err)
			}
			if err := tryOpen(t, hurt, nil); !errors.Is(err, c.want) || !strings.HasPrefix(err.Error(), "open login server: ") {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func private(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return errors.Join(err, os.Chmod(path, 0o700))
		}
		return os.Chmod(path, 0o600)
	})
}

func anAuthoritysState(t *testing.T) func(string) error {
	return func(dir string) error {
		path := filepath.Join(dir, "state.db")
		if err := os.Remove(path); err != nil {
			return err
		}
		db, err := store.Create(context.WithoutCancel(t.Context()), store.Config{Path: path, Schema: store.Authority()})
		if err != nil {
			return err
		}
		return db.Close()
	}
}

// TestConfigIsChecked: what cannot be meant is no default.
func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	cfg, _ := initialised(t)
	for what, change := range map[string]func(*login.Config){
		"refresh":    func(c *login.Config) { c.Refresh = -time.Second },
		"sessions":   func(c *login.Config) { c.Sessions = -1 },
		"audit life": func(c *login.Config) { c.AuditLife = time.Hour },
		"batching":   func(c *login.Config) { c.Batching = 2 },
		"start":      func(c *login.Config) { c.Start = 2 },
		"database":   func(c *login.Config) { c.Database = "mysql://user:CANARY@host/db" },
	} {
		err := tryOpen(t, cfg, change)
		if err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := tryOpen(t, cfg, func(c *login.Config) { c.Database = "postgres://user:CANARY@127.0.0.1:1/none" }); err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Error(err)
	}
}

// TestTwoServersShareNoFile: the second is refused.
func TestTwoServersShareNoFile(t *testing.T) {
	t.Parallel()
	cfg, _ := initialised(t)
	first, err := login.Open(t.Context(), login.Config{Dir: cfg.Dir, Protector: cfg.Protector})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := tryOpen(t, cfg, nil); !errors.Is(err, store.ErrInUse) {
		t.Error(err)
	}
}
