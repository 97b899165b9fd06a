//go:build !unix

package login_test

import (
	"testing"

	"milagro.dev/internal/login/logintest"
)

// engines runs a test on SQLite.
func engines(t *testing.T, run func(t *testing.T, engine func(*logintest.Config))) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, nil) })
}
