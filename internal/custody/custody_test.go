package custody

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"milagro.dev/internal/encoding"
)

// quick is a passphrase protector that costs milliseconds.
func quick(t testing.TB, passphrase string) Protector {
	t.Helper()
	p, err := fromPassphrase([]byte(passphrase), 8)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func keyed(t testing.TB) Protector {
	t.Helper()
	p, err := NewKeyFile(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sealed(t testing.TB, p Protector, secret, purpose string) []byte {
	t.Helper()
	b, err := p.Seal([]byte(secret), purpose)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealedSecretsOpen(t *testing.T) {
	for name, p := range map[string]Protector{"passphrase": quick(t, "correct horse"), "key file": keyed(t)} {
		rapid.Check(t, func(t *rapid.T) {
			secret := rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(t, "secret")
			purpose := rapid.StringMatching(`[a-z0-9 /.]{1,64}`).Draw(t, "purpose")
			one, err1 := p.Seal(secret, purpose)
			two, err2 := p.Seal(secret, purpose)
			if err1 != nil || err2 != nil {
				t.Fatal(name, err1, err2)
			}
			if bytes.Equal(one, two) {
				t.Fatal(name, "sealed twice alike")
			}
			if len(secret) > 8 && bytes.Contains(one, secret) {
				t.Fatal(name, "the secret is readable")
			}
			got, err := p.Open(one, purpose)
			if err != nil || !bytes.Equal(got, secret) {
				t.Fatal(name, err)
			}
		})
	}
}

func TestOpenTellsWrongKeyFromDamage(t *testing.T) {
	for name, pair := range map[string][2]Protector{
		"passphrase":                 {quick(t, "correct horse"), quick(t, "wrong horse")},
		"key file":                   {keyed(t), keyed(t)},
		"passphrase for a key file":  {keyed(t), quick(t, "correct horse")},
		"key file for a passphrase ": {quick(t, "correct horse"), keyed(t)},
	} {
		good := sealed(t, pair[0], "a share", "share of generation 1")
		if _, err := pair[1].Open(good, "share of generation 1"); !errors.Is(err, ErrWrongKey) || errors.Is(err, ErrDamaged) {
			t.Errorf("%s: other key: %v, want ErrWrongKey", name, err)
		}
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1
			if _, err := pair[0].Open(bad, "share of generation 1"); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s: byte %d flipped: %v, want ErrDamaged", name, i, err)
			}
		}
		for _, bad := range [][]byte{nil, good[:len(good)-1], good[:len(good)/2], append(bytes.Clone(good), 0)} {
			if _, err := pair[0].Open(bad, "share of generation 1"); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %d bytes of %d: %v, want ErrDamaged", name, len(bad), len(good), err)
			}
		}
	}
}

// TestOpenRefusesAlterationBehindAGoodChecksum shows that the checksum is not
// what protects the secret.
func TestOpenRefusesAlterationBehindAGoodChecksum(t *testing.T) {
	p := keyed(t)
	file, err := parseSealed(sealed(t, p, "a share", "share"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 1
		sum := sha256.Sum256(bad)
		_, err := p.Open(encoding.LP(sealedLabel, sum[:], bad), "share")
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
}

func TestOpenRefusesASecretOfAnotherPurpose(t *testing.T) {
	p := quick(t, "correct horse")
	old := sealed(t, p, "the old share", "share of generation 1")
	if _, err := p.Open(old, "share of generation 2"); !errors.Is(err, ErrPurpose) {
		t.Fatalf("error %v, want ErrPurpose", err)
	}
}

func TestOpenRefusesExpensivePassphraseFiles(t *testing.T) {
	costly, err := fromPassphrase([]byte("correct horse"), 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := quick(t, "correct horse").Open(sealed(t, costly, "x", "y"), "y"); !errors.Is(err, ErrDamaged) {
		t.Fatalf("error %v, want ErrDamaged", err)
	}
}

func TestPassphraseIsStretchedAsAgeDoes(t *testing.T) {
	p, err := FromPassphrase([]byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	b := sealed(t, p, "x", "y")
	if header, _, _ := bytes.Cut(b[bytes.Index(b, []byte("-> scrypt")):], []byte("\n")); !bytes.HasSuffix(header, []byte(" 18")) {
		t.Fatalf("stanza %q, want a work factor of 18", header)
	}
}

func TestSealRefusesWhatItCannotKeep(t *testing.T) {
	p := quick(t, "correct horse")
	if _, err := p.Seal(make([]byte, MaxSecret+1), "y"); err == nil {
		t.Error("too large a secret was sealed")
	}
	for _, purpose := range []string{"", strings.Repeat("y", maxPurpose+1)} {
		if _, err := p.Seal([]byte("x"), purpose); err == nil {
			t.Errorf("sealed for a purpose of %d bytes", len(purpose))
		}
	}
	if _, err := (Protector{}).Seal([]byte("x"), "y"); err == nil {
		t.Error("the zero Protector seals")
	}
	if _, err := (Protector{}).Open(sealed(t, p, "x", "y"), "y"); err == nil {
		t.Error("the zero Protector opens")
	}
	if _, err := FromPassphrase(nil); err == nil {
		t.Error("an empty passphrase protects")
	}
	largest := make([]byte, MaxSecret)
	b, err := p.Seal(largest, strings.Repeat("y", maxPurpose))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Open(b, strings.Repeat("y", maxPurpose)); err != nil || len(got) != MaxSecret {
		t.Errorf("the largest secret: %d bytes, %v", len(got), err)
	}
}

func TestProtectorDoesNotPrintItsKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	p, err := NewKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(file), "\n")[1]
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	logger.Info("start", "protector", p)
	fmt.Fprintf(&out, "%v %+v %#v %s", p, p, p, quick(t, "correct horse"))
	for _, canary := range []string{secret, secret[20:60], "correct horse", "0x"} {
		if strings.Contains(out.String(), canary) {
			t.Errorf("printed: %s", out.String())
		}
	}
}

func FuzzOpen(f *testing.F) {
	p := quick(f, "correct horse")
	f.Add(sealed(f, p, "a share", "share"))
	f.Add([]byte("age-encryption.org/v1\n-> scrypt "))
	f.Fuzz(func(t *testing.T, b []byte) {
		secret, err := p.Open(b, "share")
		if err == nil && string(secret) != "a share" {
			t.Fatalf("opened %q", secret)
		}
	})
}
