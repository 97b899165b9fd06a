package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"pgregory.net/rapid"
)

// TestQuoteIsOneWordOfAShell asks a shell.
func TestQuoteIsOneWordOfAShell(t *testing.T) {
	for _, text := range []string{"", "plain", "two words", "it's", `a"b$c\d`, "`x`", "*", "a;b", "~", "ünï", "#"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("quote(%q) = %s: the shell says %q, %v", text, quote(text), out, err)
		}
	}
}

func TestArmourComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		if err := os.WriteFile(path, armour(b), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readArmour(path, nil)
		if err != nil || string(got) != string(b) {
			t.Fatalf("%x came back as %x, %v", b, got, err)
		}
	})
}

func TestWriteNewLeavesWhatExists(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := writeNew(path, 0o600, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(path, 0o600, []byte("second")); err == nil || len(hints(err)) == 0 {
		t.Errorf("error %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "first" {
		t.Errorf("the file holds %q", b)
	}
}

func TestReadInputRefusesHugeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, maxInputFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readInput(path, nil); err == nil {
		t.Error("a file over the limit was read")
	}
}

func name(t testing.TB, text string) identity.Name {
	t.Helper()
	n, err := identity.ParseName(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCodesAreReadFromBothForms(t *testing.T) {
	web := name(t, "spiffe://example.org/web")
	first, second := dta.NewCode(1).Canonical(), dta.NewCode(2).Canonical()
	other := dta.NewCode(1).Canonical()
	csv := codesHeader + "\nspiffe://example.org/other,channel," + other + ",2030-01-01T00:00:00Z\n" +
		"spiffe://example.org/web,decrypt," + other + ",2030-01-01T00:00:00Z\n" +
		"spiffe://example.org/web,channel," + first + ",2030-01-01T00:00:00Z\n"
	plain := "# of Beta\n\n  " + strings.ToLower(second) + "  \n"
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "a.csv"), "-"}
	if err := os.WriteFile(paths[0], []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	codes, err := readCodes(strings.NewReader(plain), paths, web, identity.Channel)
	if err != nil {
		t.Fatal(err)
	}
	if len(codes) != 2 || codes[1].Canonical() != first || codes[2].Canonical() != second {
		t.Errorf("codes %v", codes)
	}
}

func TestReadCodesRefuses(t *testing.T) {
	web, code := name(t, "spiffe://example.org/web"), dta.NewCode(1).Canonical()
	for what, text := range map[string]string{
		"nothing":                   "",
		"codes of other names":      codesHeader + "\nspiffe://example.org/other,channel," + code + ",2030-01-01T00:00:00Z\n",
		"two codes of an authority": code + "\n" + dta.NewCode(1).Canonical() + "\n",
		"a mistyped code":           code[:len(code)-1] + "#\n",
		"a CSV with a row cut":      codesHeader + "\nspiffe://example.org/web,channel," + code + "\n",
	} {
		_, err := readCodes(strings.NewReader(text), []string{"-"}, web, identity.Channel)
		if err == nil {
			t.Errorf("%s: accepted", what)
		} else if strings.Contains(err.Error(), code[2:20]) {
			t.Errorf("%s: the error shows the code: %v", what, err)
		}
	}
}

func FuzzCodesIn(f *testing.F) {
	web, err := identity.ParseName("spiffe://example.org/web")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(codesHeader + "\nspiffe://example.org/web,channel,1-A,2030-01-01T00:00:00Z\n"))
	f.Add([]byte("# x\n1-ABCD\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		texts, err := codesIn(b, web, identity.Channel)
		for _, text := range texts {
			if err != nil || !strings.Contains(string(b), text) {
				t.Errorf("%q is not in %q", text, b)
			}
		}
	})
}
