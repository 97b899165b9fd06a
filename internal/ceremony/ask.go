package ceremony

import (
	"context"
	"errors"
	"sync"
	"time"

	"milagro.dev/internal/problem"
)

const (
	// patience is how long an authority that is silent is asked again, unless
	// the Coordinator says otherwise.
	patience = 20 * time.Second
	pause    = 200 * time.Millisecond
)

// gather asks all authorities at once and returns their answers by index − 1.
// Its error joins a *Fault for each that gave none; the answers of the others
// come with it.
func gather[T any](ctx context.Context, c *Coordinator, step string, ask func(index uint32, url string) (T, error)) ([]T, error) {
	cards := c.Plan.Cards()
	answers, errs := make([]T, len(cards)), make([]error, len(cards))
	var asking sync.WaitGroup
	for i, card := range cards {
		asking.Go(func() {
			errs[i] = c.fault(step, uint32(i+1), c.patiently(ctx, func() (err error) {
				answers[i], err = ask(uint32(i+1), card.URL)
				return err
			}))
		})
	}
	asking.Wait()
	return answers, errors.Join(errs...)
}

// each asks all authorities at once for something without an answer.
func (c *Coordinator) each(ctx context.Context, step string, ask func(index uint32, url string) error) error {
	_, err := gather(ctx, c, step, func(index uint32, url string) (struct{}, error) { return struct{}{}, ask(index, url) })
	return err
}

// patiently tries again until there is an answer: yes, or a refusal.
func (c *Coordinator) patiently(ctx context.Context, try func() error) error {
	wait := c.Patience
	if wait == 0 {
		wait = patience
	}
	for deadline := time.Now().Add(wait); ; {
		err := try()
		if err == nil || refused(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// refused reports whether err is an authority's answer that stands.
func refused(err error) bool {
	var answer *problem.Problem
	return errors.As(err, &answer) && !errors.Is(err, problem.Unavailable)
}

// onlyLost reports whether every fault that gather joined in err is that of an
// authority which has no such run any more, and none that of a silent one.
func onlyLost(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return false
	}
	for _, fault := range joined.Unwrap() {
		if !errors.Is(fault, problem.CeremonyState) {
			return false
		}
	}
	return true
}
