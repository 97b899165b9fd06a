package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTypedLineHeedsTheKeysThatTakeBack(t *testing.T) {
	for typed, want := range map[string]string{
		"4711\r":                            "4711",
		"4711\n":                            "4711",
		"47\x7f\x7f\x7f12\r":                "12",
		"47\x0811\r":                        "411",
		"9999\x154711\r":                    "4711",
		strings.Repeat("1", 200) + "\r":     strings.Repeat("1", 65),
		"\x7f\r":                            "",
		"pass word\r, and what comes later": "pass word",
	} {
		if got, err := typedLine(strings.NewReader(typed)); string(got) != want || err != nil {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
	if _, err := typedLine(strings.NewReader("47\x03")); !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl-C: %v", err)
	}
	for _, typed := range []string{"47\x04", "47"} {
		if _, err := typedLine(strings.NewReader(typed)); err == nil {
			t.Errorf("%q is a line", typed)
		}
	}
	r := strings.NewReader("4711\rrest")
	if _, err := typedLine(r); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("it read too much: %q is left", rest)
	}
}

// script returns where PINs come from when nobody is there to ask.
func script(t *testing.T, lines string) (*pins, *bytes.Buffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pins")
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := mpinLoginCommand()
	cmd.SetErr(&out)
	p, err := openPINs(cmd, path)
	if err != nil {
		t.Fatal(err)
	}
	return p, &out
}

func TestPINsAreLinesForPrograms(t *testing.T) {
	p, _ := script(t, "4729\r\n830517\nlast of all")
	for _, want := range []string{"4729", "830517", "last of all"} {
		if pin, err := p.existing(t.Context(), "PIN"); string(pin) != want || err != nil {
			t.Errorf("%q, %v", pin, err)
		}
	}
	if _, err := p.existing(t.Context(), "old PIN"); err == nil || !strings.Contains(err.Error(), "old PIN is missing") || hints(err) == nil {
		t.Errorf("after the last line: %v", err)
	}
	p, _ = script(t, "123\n")
	if _, err := p.chosen(t.Context(), "new PIN"); err == nil || strings.Contains(err.Error(), "123") {
		t.Errorf("a short PIN: %v", err)
	}
}

func TestWeakPINIsHintedAtAndTaken(t *testing.T) {
	p, out := script(t, "123456\n")
	pin, err := p.chosen(t.Context(), "new PIN")
	if string(pin) != "123456" || err != nil || !strings.Contains(out.String(), "hint: it counts up or down") {
		t.Errorf("%q, %v, %q", pin, err, out)
	}
	p, out = script(t, "739184\n")
	if _, err := p.chosen(t.Context(), "new PIN"); err != nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, out)
	}
}

func TestPINFileOfOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pins")
	if err := os.WriteFile(path, []byte("4711\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openPINs(mpinLoginCommand(), path); err == nil || strings.Contains(err.Error(), "4711") {
		t.Errorf("a file that others read: %v", err)
	}
}
