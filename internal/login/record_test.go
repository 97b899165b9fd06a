package login_test

import (
	"bytes"
	"log/slog"
	"sync"

	"milagro.dev/internal/telemetry"
)

// record takes what is written by many goroutines.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// logger writes everything to r.
func (r *record) logger() *slog.Logger { return telemetry.NewLogger(r, slog.LevelDebug) }
