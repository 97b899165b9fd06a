package dta

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"milagro.dev/internal/problem"
)

// ClockError says that an authority, by its own signature, holds this
// machine's clock for wrong.
type ClockError struct {
	Authority Authority
	Ahead     int64 // seconds by which this clock is ahead of the authority's
	refusal   error
}

// Error tells by how much the clocks differ.
func (e *ClockError) Error() string {
	if e.Ahead < 0 {
		return fmt.Sprintf("this clock is %d s behind that of authority %d", -e.Ahead, e.Authority.Index)
	}
	return fmt.Sprintf("this clock is %d s ahead of that of authority %d", e.Ahead, e.Authority.Index)
}

// Unwrap returns the refusal as it came.
func (e *ClockError) Unwrap() error { return e.refusal }

// clockError turns a stale-time refusal whose time is signed into a
// ClockError; an unsigned one could be anybody's.
func clockError(err error, a Authority, app Application, sealed []byte) error {
	var refused *problem.Problem
	if !errors.As(err, &refused) || refused.Kind != problem.StaleTime {
		return err
	}
	if !VerifyTime(a, app.Domain.Document.ID(), sha256.Sum256(sealed), refused.Time, refused.Signature) {
		return err
	}
	return &ClockError{Authority: a, Ahead: int64(app.Now()) - int64(refused.Time), refusal: err}
}
