// Package config fills a struct of settings from one TOML file, then from the
// environment, then from flags: the later wins.
//
//	cfg := Defaults()
//	err := config.Load(path, &cfg)                      // listen = "…", [limits] per_name = 20
//	err = config.Env("MILAGRO_DTA_", os.Environ(), &cfg) // MILAGRO_DTA_LIMITS_PER_NAME=20
//	err = config.Set(&cfg, "limits.per_name", "20")      // for each flag that was given
//
// The settings are the exported fields with a `toml` tag: strings, booleans,
// integers, lists of strings, Duration, anything with UnmarshalText, and structs
// of these. A file alone sets lists of structs, written as [[tables]], and maps of
// texts. An error says file, line and key, and what is known there; what a program
// finds wrong with a table itself it says with Place. Secrets
// are never settings: a setting is the path of the file that holds the secret.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// ErrConfig is wrapped by every error about a setting.
var ErrConfig = errors.New("bad configuration")

// Error is one setting that cannot be used.
type Error struct {
	Source string // path of the file, or name of the variable
	Line   int    // line in the file, from 1; 0 when there is none
	Key    string // dotted name of the setting; may be empty
	Reason string
	hint   string
}

// Error returns source, line, key and reason in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Source)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Key != "" && e.Key != e.Source {
		b.WriteString(": " + e.Key)
	}
	return b.String() + ": " + e.Reason
}

// Unwrap returns ErrConfig.
func (e *Error) Unwrap() error { return ErrConfig }

// Hint returns what to do next.
func (e *Error) Hint() string { return e.hint }

// Duration is a length of time, written as text: "10s", "1h30m".
type Duration struct{ time.Duration }

// UnmarshalText parses the form of time.ParseDuration; negative values are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration such as \"10s\" or \"1h30m\"", text)
	}
	d.Duration = v
	return nil
}

// MarshalText returns the form that UnmarshalText parses.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Load sets the fields of the struct that into points to from the TOML file at
// path; settings that the file does not name keep their value. A key that no
// field has is an error. Errors: *Error, those of the operating system.
func Load(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if len(text) > maxFile {
		return &Error{Source: path, Reason: fmt.Sprintf("more than %d bytes", maxFile), hint: "is this the right file?"}
	}
	return decode(path, text, into)
}

func decode(path string, text []byte, into any) error {
	dec := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		return nil
	}
	if unknown := (*toml.StrictMissingError)(nil); errors.As(err, &unknown) {
		first := unknown.Errors[0]
		line, _ := first.Position()
		key := strings.Join(first.Key(), ".")
		return &Error{Source: path, Line: line, Key: key, Reason: "unknown key", hint: known(into, first.Key())}
	}
	if at := (*toml.DecodeError)(nil); errors.As(err, &at) {
		line, _ := at.Position()
		return &Error{
			Source: path, Line: line, Key: strings.Join(at.Key(), "."),
			Reason: strings.TrimPrefix(at.Error(), "toml: "), hint: "correct the line; texts and durations stand in quotes",
		}
	}
	return &Error{Source: path, Reason: strings.TrimPrefix(err.Error(), "toml: "), hint: "the file is TOML: key = value, in [sections]"}
}
