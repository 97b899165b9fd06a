package custody

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
)

// hinted is what a command needs to tell its user.
func hinted(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func TestSecretFilesAreNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "share")
	if err := WriteSecretFile(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	err := WriteSecretFile(path, []byte("second"))
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) || hinted(err) == "" {
		t.Errorf("error %v, want fs.ErrExist that names the file, with a hint", err)
	}
	if _, err := NewKeyFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("key file: %v, want fs.ErrExist", err)
	}
	if b, err := ReadSecretFile(path); err != nil || string(b) != "first" {
		t.Errorf("%q, %v", b, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("left behind %v", entries)
	}
}

func TestOfParallelWritersOneWinsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "share")
	var wg sync.WaitGroup
	var won sync.Map
	for i := range 20 {
		wg.Go(func() {
			data := bytes.Repeat([]byte{byte('a' + i)}, 10000)
			if err := WriteSecretFile(path, data); err == nil {
				won.Store(string(data), true)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b, err := ReadSecretFile(path)
	if err != nil {
		t.Fatal(err)
	}
	winners := 0
	won.Range(func(k, _ any) bool {
		winners++
		return k.(string) == string(b)
	})
	if winners != 1 {
		t.Fatalf("%d writers were told that they had written", winners)
	}
}

func TestWriteSecretFileNeedsItsDirectory(t *testing.T) {
	if err := WriteSecretFile(filepath.Join(t.TempDir(), "absent", "share"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v, want fs.ErrNotExist", err)
	}
}

func TestWriteSecretFileTakesAPlainName(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := WriteSecretFile("share", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadSecretFile("share"); err != nil || string(b) != "x" {
		t.Fatalf("%q, %v", b, err)
	}
}

func TestReadSecretFileRefusesWidePermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "share")
	if err := WriteSecretFile(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for mode := range fs.FileMode(0o100) {
		if err := os.Chmod(path, 0o600|mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadSecretFile(path)
		if mode == 0 && err != nil {
			t.Errorf("mode 0600: %v", err)
		}
		if mode != 0 && (!errors.Is(err, ErrPermissions) || !strings.HasPrefix(hinted(err), "chmod 600 "+path)) {
			t.Errorf("mode %04o: %v (%s), want ErrPermissions with the command to run", 0o600|mode, err, hinted(err))
		}
	}
}

func TestReadSecretFileRefusesWhatIsNoSecretFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadSecretFile(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v, want fs.ErrNotExist", err)
	}
	if _, err := ReadSecretFile(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a directory: %v, want ErrDamaged", err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecretFile(large); !errors.Is(err, ErrDamaged) {
		t.Errorf("too large: %v, want ErrDamaged", err)
	}
}

func TestRemovedSecretIsOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "share")
	if err := WriteSecretFile(path, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	other := path + ".other" // a second name shows what becomes of the content
	if err := os.Link(path, other); err != nil {
		t.Fatal(err)
	}
	if err := RemoveSecretFile(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	if b, _ := os.ReadFile(other); !bytes.Equal(b, make([]byte, 6)) {
		t.Errorf("content is still %q", b)
	}
	if err := RemoveSecretFile(path); err != nil {
		t.Errorf("removing it twice: %v", err)
	}
}

func TestKeyFileOpensWhatItSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	made, err := NewKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read, err := FromKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read.Open(sealed(t, made, "a share", "share"), "share"); err != nil || string(got) != "a share" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestFromKeyFileRefusesWhatIsNoKeyFile(t *testing.T) {
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "comment only": keyFileComment, "garbage": "hunter2\n",
		"not post-quantum": classic.String() + "\n", "two keys": hybrid.String() + "\n" + hybrid.String() + "\n",
		"cut short": hybrid.String()[:40] + "\n",
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := WriteSecretFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		_, err := FromKeyFile(path)
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) || hinted(err) == "" {
			t.Errorf("%s: %v, want ErrDamaged that names the file, with a hint", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "SECRET-KEY-1")) {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
	}
	if _, err := FromKeyFile(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

func TestPassphraseFileLosesOneLineEnd(t *testing.T) {
	for text, want := range map[string]string{"horse\n": "horse", "horse\r\n": "horse", "horse": "horse", " a b \n\n": " a b \n"} {
		path := filepath.Join(t.TempDir(), "passphrase")
		if err := WriteSecretFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		p, err := FromPassphraseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Open(sealed(t, quick(t, want), "x", "y"), "y"); err != nil || string(got) != "x" {
			t.Errorf("passphrase of %q is not %q: %v", text, want, err)
		}
	}
	for _, text := range []string{"", "\n"} {
		path := filepath.Join(t.TempDir(), "passphrase")
		if err := WriteSecretFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := FromPassphraseFile(path); !errors.Is(err, ErrDamaged) || hinted(err) == "" {
			t.Errorf("%q: %v, want ErrDamaged with a hint", text, err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(keyFileComment + identity.String() + "\n"))
	f.Add([]byte("AGE-SECRET-KEY-PQ-1QQQQ"))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := parseKey(b)
		if err == nil && !strings.Contains(strings.ToUpper(string(b)), key.String()) {
			t.Fatal("read a key that is not in the file")
		}
	})
}
