package identity

import (
	"fmt"
	"sync"
)

// Watermark remembers the highest epoch that a verifier has accepted for one
// domain and purpose, so that a clock set back revives no key. It is safe for
// concurrent use; its owner keeps Highest across restarts.
type Watermark struct {
	mu      sync.Mutex
	highest Epoch
}

// NewWatermark returns a Watermark that has seen highest; the zero Epoch if
// nothing was seen.
func NewWatermark(highest Epoch) *Watermark { return &Watermark{highest: highest} }

// Admit returns an error that wraps ErrEpoch if e ended before the highest
// epoch seen began.
func (w *Watermark) Admit(e Epoch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.End() < w.highest.Start {
		return fmt.Errorf("%w: %v ended before %v began, which was accepted already", ErrEpoch, e, w.highest)
	}
	return nil
}

// Raise records that e was accepted.
func (w *Watermark) Raise(e Epoch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Start > w.highest.Start {
		w.highest = e
	}
}

// Highest returns the highest epoch recorded.
func (w *Watermark) Highest() Epoch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.highest
}
