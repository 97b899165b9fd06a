package authority

import (
	"context"
	"database/sql"
	"time"

	"milagro.dev/internal/problem"
)

// lookAtToken refuses a token that has enrolled somebody; it consumes nothing.
func (s *state) lookAtToken(ctx context.Context, once [32]byte) error {
	return s.db.Read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		used, err := usedOnce(ctx, tx, once)
		if err == nil && used {
			err = problem.New(problem.TokenUsed, "")
		}
		return err
	})
}

// consumeToken takes a token that enrols once, in one conditional statement: of two
// that show it at once, one gets it. Others count as often as they are shown.
func consumeToken(ctx context.Context, tx *sql.Tx, b *bearer) error {
	if !b.single() {
		return nil
	}
	took, err := takeOnce(ctx, tx, b.once, b.expires)
	if err == nil && !took {
		err = problem.New(problem.TokenUsed, "")
	}
	return err
}

// usedOnce reports whether what has this hash was consumed.
func usedOnce(ctx context.Context, tx *sql.Tx, hash [32]byte) (bool, error) {
	var expires int64
	return found(tx.QueryRowContext(ctx, "SELECT expires FROM tokens WHERE hash = ?", hash[:]).Scan(&expires))
}

// takeOnce consumes what has this hash, in one conditional statement, and reports
// whether nobody had.
func takeOnce(ctx context.Context, tx *sql.Tx, hash [32]byte, expires time.Time) (bool, error) {
	return exec(ctx, tx, "INSERT INTO tokens (hash, expires) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING", hash[:], micros(expires))
}

// forgetTokens deletes what is refused for its age, whatever the clock does within
// what the log bears.
func forgetTokens(ctx context.Context, tx *sql.Tx, now time.Time) error {
	_, err := exec(ctx, tx, "DELETE FROM tokens WHERE expires < ?", micros(now.Add(-tokenMemory)))
	return err
}
