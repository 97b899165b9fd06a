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
		var expires int64
		used, err := found(tx.QueryRowContext(ctx, "SELECT expires FROM tokens WHERE hash = ?", once[:]).Scan(&expires))
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
	took, err := exec(ctx, tx, "INSERT INTO tokens (hash, expires) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING",
		b.once[:], micros(b.expires))
	if err == nil && !took {
		err = problem.New(problem.TokenUsed, "")
	}
	return err
}

// forgetTokens deletes what is refused for its age, whatever the clock does within
// what the log bears.
func forgetTokens(ctx context.Context, tx *sql.Tx, now time.Time) error {
	_, err := exec(ctx, tx, "DELETE FROM tokens WHERE expires < ?", micros(now.Add(-tokenMemory)))
	return err
}
