// Package telemetry is what an operator sees of a running server: structured
// logs that carry no secret, Prometheus metrics that carry no name, and health
// and readiness for whatever supervises the process.
//
// A log line is an event: a lower-case message that is always the same text,
// and attributes. Secrets are kept out twice: their types print "[redacted]", and
// the handler here withholds attributes by their key and all raw bytes. Labels of
// metrics come from closed lists (route, status, purpose, kind), never from a
// request, so their number is bounded and they identify nobody.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"
)

const redacted = "[redacted]"

// NewLogger returns a logger to w that drops lines below level: text when w is
// a terminal, else JSON, one object a line. Secrets are withheld as by Redact.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(Redact(slog.NewTextHandler(w, opts)))
	}
	return slog.New(Redact(slog.NewJSONHandler(w, opts)))
}

// secretWords are the words that make the key of an attribute secret.
func secretWords() []string {
	return []string{"code", "codes", "evidence", "key", "keys", "passphrase", "password", "pin", "pins",
		"secret", "secrets", "share", "shares", "token", "tokens"}
}

// Redact returns a handler that passes on to next what is no secret. The value
// of an attribute is withheld when a word of its key, or of a group that it is in, is in
// a closed list (code, evidence, passphrase, pin, secret, share, token, key, …), and
// when it is raw bytes.
func Redact(next slog.Handler) slog.Handler { return redactor{next: next} }

type redactor struct {
	next   slog.Handler
	secret bool // inside a group with a secret name
}

func (h redactor) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h redactor) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.clean(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	return redactor{next: h.next.WithAttrs(h.cleanAll(attrs)), secret: h.secret}
}

func (h redactor) WithGroup(name string) slog.Handler {
	return redactor{next: h.next.WithGroup(name), secret: h.secret || secretKey(name)}
}

func (h redactor) cleanAll(attrs []slog.Attr) []slog.Attr {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = h.clean(a)
	}
	return out
}

func (h redactor) clean(a slog.Attr) slog.Attr {
	if h.secret || secretKey(a.Key) {
		return slog.String(a.Key, redacted)
	}
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(h.cleanAll(v.Group())...)}
	case slog.KindAny:
		if b, ok := v.Any().([]byte); ok {
			return slog.String(a.Key, "["+strconv.Itoa(len(b))+" bytes]")
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}

func secretKey(key string) bool {
	words := strings.FieldsFunc(strings.ToLower(key), func(r rune) bool {
		return strings.ContainsRune("_-. /", r)
	})
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(secretWords(), w) })
}
