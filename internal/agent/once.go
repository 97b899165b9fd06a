package agent

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// silence is how long a line is not said again.
	silence = time.Hour
	// maxSaid bounds how many lines are remembered.
	maxSaid = 256
)

// once passes on a line that was not said within the last hour, numbers in it apart:
// a wallet says at each look what it stumbles over, and ports differ each time.
type once struct {
	next slog.Handler
	said *said
}

// said is what handlers that belong together have passed on.
type said struct {
	mu    sync.Mutex
	lines map[string]time.Time
}

func sayOnce(next slog.Handler) slog.Handler {
	return once{next: next, said: &said{lines: map[string]time.Time{}}}
}

// Enabled implements slog.Handler.
func (h once) Enabled(ctx context.Context, level slog.Level) bool { return h.next.Enabled(ctx, level) }

// Handle implements slog.Handler.
func (h once) Handle(ctx context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		line.WriteString("\x00" + a.String())
		return true
	})
	if !h.said.fresh(strings.Map(withoutDigits, line.String())) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h once) WithAttrs(attrs []slog.Attr) slog.Handler {
	return once{next: h.next.WithAttrs(attrs), said: h.said}
}

// WithGroup implements slog.Handler.
func (h once) WithGroup(name string) slog.Handler {
	return once{next: h.next.WithGroup(name), said: h.said}
}

func withoutDigits(r rune) rune {
	if '0' <= r && r <= '9' {
		return -1
	}
	return r
}

func (s *said) fresh(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, known := s.lines[line]; known && time.Since(last) < silence {
		return false
	}
	if len(s.lines) >= maxSaid {
		clear(s.lines)
	}
	s.lines[line] = time.Now()
	return true
}
