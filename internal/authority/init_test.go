package authority_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"milagro.dev/internal/authority"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/store"
)

const (
	someName = "operator one"
	someURL  = "https://dta1.example.org"
)

// place is where an authority is made: a directory that is not there yet, and
// what seals.
type place struct {
	dir       string
	protector custody.Protector
}

func newPlace(t *testing.T) place {
	t.Helper()
	dir := t.TempDir()
	protector, err := custody.NewKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	return place{filepath.Join(dir, "dta"), protector}
}

func (p place) init(t *testing.T) (*dkg.Card, error) {
	t.Helper()
	return authority.Init(t.Context(), p.dir, p.protector, someName, someURL)
}

// opens fails the test unless the authority opens, as the one of this card.
func (p place) opens(t *testing.T, card *dkg.Card) {
	t.Helper()
	kept, err := authority.ReadCard(p.dir)
	if err != nil || !bytes.Equal(kept.Bytes(), card.Bytes()) {
		t.Fatal("another card:", err)
	}
	a, err := authority.Open(t.Context(), authority.Config{Dir: p.dir, Protector: p.protector})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	status, err := a.Status(t.Context())
	if err != nil || status.Name != card.Name || status.URL != card.URL {
		t.Fatal(status, err)
	}
}

// openError returns why an authority does not open.
func (p place) openError(t *testing.T, protector custody.Protector) error {
	t.Helper()
	a, err := authority.Open(t.Context(), authority.Config{Dir: p.dir, Protector: protector})
	if err == nil {
		t.Error("it opens")
		a.Close()
	}
	return err
}

func TestInitMakesAPrivateDirectory(t *testing.T) {
	p := newPlace(t)
	card, err := p.init(t)
	if err != nil {
		t.Fatal(err)
	}
	if card.Name != someName || card.URL != someURL {
		t.Error(card.Name, card.URL)
	}
	p.opens(t, card)
	for path, want := range map[string]fs.FileMode{"": fs.ModeDir | 0o700, "shares": fs.ModeDir | 0o700, "keys.sealed": 0o600, "state.db": 0o600, "card": 0o644} {
		if info, err := os.Lstat(filepath.Join(p.dir, path)); err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	for path := range filesIn(t, p.dir) {
		if name := filepath.Base(path); strings.HasPrefix(name, ".") || strings.Contains(name, "new") {
			t.Errorf("%s is left over", name)
		}
	}
}

func TestInitTwiceKeepsTheFirst(t *testing.T) {
	p := newPlace(t)
	card, err := p.init(t)
	if err != nil {
		t.Fatal(err)
	}
	before := filesIn(t, p.dir)
	again, err := authority.Init(t.Context(), p.dir, p.protector, "another", "https://other.example.org")
	if again != nil || !errors.Is(err, fs.ErrExist) || !strings.Contains(hintOf(err), "choose an empty directory") || !strings.Contains(err.Error(), p.dir) {
		t.Errorf("%v, hint %q", err, hintOf(err))
	}
	after := filesIn(t, p.dir)
	for path, content := range before {
		if !bytes.Equal(after[path], content) {
			t.Errorf("%s has changed", filepath.Base(path))
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files, were %d", len(after), len(before))
	}
	p.opens(t, card)
	// Keys whose card a crash prevented are keys all the same.
	if err := os.Remove(p.dir + "/card"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.init(t); !errors.Is(err, fs.ErrExist) {
		t.Error("without its card:", err)
	}
	if sealed := filesIn(t, p.dir)[p.dir+"/keys.sealed"]; !bytes.Equal(sealed, before[p.dir+"/keys.sealed"]) {
		t.Error("the keys have changed")
	}
}

func TestInitsAtOnceMakeOneAuthority(t *testing.T) {
	p := newPlace(t)
	cards, errs := make([]*dkg.Card, 4), make([]error, 4)
	var all sync.WaitGroup
	for i := range cards {
		all.Go(func() { cards[i], errs[i] = p.init(t) })
	}
	all.Wait()
	var made []*dkg.Card
	for i, card := range cards {
		if errs[i] == nil {
			made = append(made, card)
		} else if !errors.Is(errs[i], fs.ErrExist) && !errors.Is(errs[i], store.ErrInUse) {
			t.Error(errs[i])
		}
	}
	if len(made) != 1 {
		t.Fatalf("%d authorities: %v", len(made), errors.Join(errs...))
	}
	p.opens(t, made[0])
}

// TestInitRefusesNamesAndURLs that others could not read, or not call. Nothing is
// made of them.
func TestInitRefusesNamesAndURLs(t *testing.T) {
	p := newPlace(t)
	for _, c := range []struct{ name, url string }{
		{"", someURL}, {" one", someURL}, {"one ", someURL}, {"one\n", someURL}, {"\x1b[2Jone", someURL}, {"zwölf", someURL}, {strings.Repeat("n", 65), someURL},
		{someName, ""}, {someName, "dta.example.org"}, {someName, "ftp://dta.example.org"}, {someName, "https://"}, {someName, "https:///path"},
		{someName, someURL + "/"}, {someName, someURL + "?a=b"}, {someName, someURL + "#a"}, {someName, "https://user@dta.example.org"},
		{someName, "https://dta.example.org/a b"}, {someName, "https://" + strings.Repeat("u", 249)}, {someName, "HTTPS://dta.example.org"},
	} {
		if card, err := authority.Init(t.Context(), p.dir, p.protector, c.name, c.url); card != nil || !errors.Is(err, dkg.ErrCard) {
			t.Errorf("%q at %q: %v", c.name, c.url, err)
		}
	}
	if _, err := os.Lstat(p.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was made:", err)
	}
	longest := "https://" + strings.Repeat("u", 248)
	card, err := authority.Init(t.Context(), p.dir, p.protector, strings.Repeat("n", 64), longest)
	if err != nil {
		t.Fatal("the longest:", err)
	}
	p.opens(t, card)
}

func TestInitRefusesADirectoryThatOthersRead(t *testing.T) {
	p := newPlace(t)
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o755, 0o710, 0o701} {
		if err := os.Chmod(p.dir, mode); err != nil {
			t.Fatal(err)
		}
		_, err := p.init(t)
		if !errors.Is(err, custody.ErrPermissions) || hintOf(err) != "chmod 700 "+p.dir {
			t.Errorf("mode %o: %v, hint %q", mode, err, hintOf(err))
		}
		if _, err := os.Lstat(p.dir + "/keys.sealed"); err == nil {
			t.Fatal("keys were made")
		}
	}
	if err := os.Chmod(p.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	card, err := p.init(t)
	if err != nil {
		t.Fatal("after the advice:", err)
	}
	p.opens(t, card)
}

// TestInterruptedInitIsResumed makes authorities in what a crash can leave
// behind before there are keys.
func TestInterruptedInitIsResumed(t *testing.T) {
	for what, leave := range map[string]func(dir string) error{
		"the directory": func(string) error { return nil },
		"shares":        func(dir string) error { return os.Mkdir(dir+"/shares", 0o700) },
		"half a state":  func(dir string) error { return os.WriteFile(dir+"/state.db.new", []byte("SQLite format 3\x00"), 0o600) },
		"half of keys":  func(dir string) error { return os.WriteFile(dir+"/.keys.sealed.123", []byte("milagro"), 0o600) },
		"a lock":        func(dir string) error { return os.WriteFile(dir+"/state.db.lock", nil, 0o600) },
	} {
		t.Run(what, func(t *testing.T) {
			p := newPlace(t)
			if err := errors.Join(os.Mkdir(p.dir, 0o700), leave(p.dir)); err != nil {
				t.Fatal(err)
			}
			card, err := p.init(t)
			if err != nil {
				t.Fatal(err)
			}
			p.opens(t, card)
		})
	}
	t.Run("a whole state", func(t *testing.T) {
		p := newPlace(t)
		first, err := p.init(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(p.dir+"/keys.sealed"), os.Remove(p.dir+"/card")); err != nil {
			t.Fatal(err)
		}
		second, err := p.init(t)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(first.Ed25519, second.Ed25519) {
			t.Error("the same keys")
		}
		p.opens(t, second)
	})
}

// TestInitRefusesWhatItCannotResume: what is there may be somebody's.
func TestInitRefusesWhatItCannotResume(t *testing.T) {
	for what, c := range map[string]struct {
		file string
		want error
	}{
		"a damaged state": {"state.db", store.ErrDamaged}, "a file for shares": {"shares", nil}, "keys, damaged": {"keys.sealed", fs.ErrExist},
	} {
		p := newPlace(t)
		if err := errors.Join(os.Mkdir(p.dir, 0o700), os.WriteFile(filepath.Join(p.dir, c.file), []byte("precious"), 0o600)); err != nil {
			t.Fatal(err)
		}
		card, err := p.init(t)
		if card != nil || err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		files := filesIn(t, p.dir)
		if string(files[filepath.Join(p.dir, c.file)]) != "precious" {
			t.Errorf("%s: it is gone", what)
		}
		if _, made := files[p.dir+"/keys.sealed"]; made && c.file != "keys.sealed" {
			t.Errorf("%s: keys were made", what)
		}
	}
}

func TestOpenRefusesWhatInitDidNotMake(t *testing.T) {
	p := newPlace(t)
	if err := p.openError(t, p.protector); !errors.Is(err, fs.ErrNotExist) {
		t.Error("no directory:", err)
	}
	if _, err := p.init(t); err != nil {
		t.Fatal(err)
	}
	other, err := custody.NewKeyFile(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.openError(t, other); !errors.Is(err, custody.ErrWrongKey) || !strings.Contains(err.Error(), "keys.sealed") {
		t.Error("another key:", err)
	}
	if err := p.openError(t, custody.Protector{}); err == nil || !strings.Contains(err.Error(), "no passphrase or key file") {
		t.Error("no key:", err)
	}
	for _, c := range []struct {
		file   string
		change func(string) error
		want   error
	}{
		{"keys.sealed", func(path string) error { return os.Chmod(path, 0o640) }, custody.ErrPermissions},
		{"keys.sealed", func(path string) error { return os.Truncate(path, 500) }, custody.ErrDamaged},
		{"keys.sealed", os.Remove, fs.ErrNotExist},
		{"state.db", func(path string) error { return os.Chmod(path, 0o644) }, store.ErrPermissions},
		{"state.db", func(path string) error { return os.Truncate(path, 4096) }, store.ErrDamaged},
		{"state.db", os.Remove, fs.ErrNotExist},
	} {
		p := newPlace(t)
		if _, err := p.init(t); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(p.dir, c.file)
		if err := c.change(path); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(path)
		if err := p.openError(t, p.protector); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s: %v, want %v", c.file, err, c.want)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
			t.Errorf("%s was changed", c.file)
		}
	}
}

func TestReadCardRefusesAnAlteredCard(t *testing.T) {
	p := newPlace(t)
	card, err := p.init(t)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(card.Bytes()); at += 97 {
		altered := card.Bytes()
		altered[at] ^= 1
		if err := os.WriteFile(p.dir+"/card", altered, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := authority.ReadCard(p.dir); !errors.Is(err, dkg.ErrCard) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}
