package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const maxInputFile = 1 << 20

// readInput reads the file at path, or stdin for "-".
func readInput(path string, stdin io.Reader) ([]byte, error) {
	r := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxInputFile+1))
	if err == nil && len(b) > maxInputFile {
		err = fmt.Errorf("%s: longer than %d bytes", path, maxInputFile)
	}
	return b, err
}

// readArmour reads the bytes that armour wrote: cards and plans travel by mail.
func readArmour(path string, stdin io.Reader) ([]byte, error) {
	text, err := readInput(path, stdin)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: not the one line of base64 that milagro writes: %w", path, err)
	}
	return b, nil
}

// armour returns b as one line of text.
func armour(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b) + "\n") }

// mustBeNew refuses a path at which something exists, before work is done for
// it.
func mustBeNew(path string) error {
	if _, err := os.Lstat(path); err != nil {
		return nil // whatever it is, writeNew will say
	}
	return withHint(fmt.Errorf("%s exists", path), "files are never overwritten: name another, or move this one away")
}

// writeNew writes a file that did not exist. It appears whole or not at all.
func writeNew(path string, mode os.FileMode, b []byte) error {
	if err := mustBeNew(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".milagro-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); !errors.Is(err, os.ErrExist) {
		return err
	}
	return mustBeNew(path)
}

// quote returns text as one word of a shell.
func quote(text string) string {
	plain := strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:/@%+=,", r)
	}) < 0
	if plain && text != "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
