package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
)

const (
	// demoCrossings is how many epochs pass under traffic.
	demoCrossings = 3
	demoPause     = 50 * time.Millisecond
)

// epochs has an enrolled service call another while epochs pass.
func (d *demo) epochs(ctx context.Context) (string, error) {
	addresses, err := webserver.FreeAddresses(1)
	if err != nil {
		return "", err
	}
	d.apiTwo = addresses[0]
	if err := d.serve(ctx, d.two, d.apiTwo); err != nil {
		return "", err
	}
	if _, err := d.wallet.Renew(ctx, d.two.name("web")); err != nil {
		return "", err
	}
	keeping, stop := context.WithCancel(ctx)
	kept := make(chan error, 1)
	go func() { kept <- d.wallet.Keep(keeping, d.two.name("web")) }()
	c := caller{source: d.wallet.Source(d.two.name("web")), to: d.two.name("api"), url: "https://" + d.apiTwo + "/"}
	calls, err := d.crossEpochs(ctx, c)
	stop()
	if ended := <-kept; err == nil && !errors.Is(ended, context.Canceled) {
		err = ended
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d calls across %d epochs of %d s, none refused", calls, demoCrossings, demoEpoch), nil
}

// crossEpochs calls until the own key has changed so often; no call may fail.
func (d *demo) crossEpochs(ctx context.Context, c caller) (calls int, err error) {
	up := func(ctx context.Context) error { _, err := c.call(ctx); return err }
	if err := await(ctx, d.services[len(d.services)-1], up); err != nil {
		return 0, err
	}
	var last identity.Epoch
	for crossed := -1; crossed < demoCrossings; calls++ {
		credential, err := c.source.Credential()
		if err != nil {
			return calls, err
		}
		if credential.Epoch != last {
			crossed, last = crossed+1, credential.Epoch
		}
		if _, err := c.call(ctx); err != nil {
			return calls, fmt.Errorf("call %d, after %d epochs: %w", calls+1, crossed, err)
		}
		time.Sleep(demoPause)
	}
	return calls, ctx.Err()
}

// revoked ends an enrolment at n−t+1 authorities: it gets no further key, and nobody
// takes the key that it has as soon as the authorities' lists have come round, at the
// latest when the key is over: its peers refuse it, and a second later its own side
// does not show it any more.
func (d *demo) revoked(ctx context.Context) (string, error) {
	name := d.two.name("web")
	credential, err := d.wallet.Source(name).Credential()
	if err != nil {
		return "", err
	}
	for _, m := range d.two.members[:2] {
		if _, err := m.operator().Revoke(ctx, name, nil); err != nil {
			return "", err
		}
	}
	began := time.Now()
	if _, err := d.wallet.Renew(ctx, name); !errors.Is(err, problem.Revoked) {
		return "", fmt.Errorf("renewal of a revoked device: %w", either(err, errors.New("granted")))
	}
	c := caller{source: stubborn{credential}, to: d.two.name("api"), url: "https://" + d.apiTwo + "/"}
	over := time.Unix(int64(credential.Epoch.End()+credential.Epoch.Skew()), 0)
	for time.Now().Before(over.Add(upWithin)) {
		_, err := c.call(ctx)
		switch {
		case err != nil && !errors.Is(err, identity.ErrEpoch) && !refusedByPeer(c.why(ctx, err)):
			return "", err
		case err != nil:
			return fmt.Sprintf("by two of three authorities: no further key, and the last one, good for %.0f s, is refused after %.1f s",
				over.Sub(began).Seconds(), time.Since(began).Seconds()), nil
		}
		time.Sleep(demoPause)
	}
	return "", fmt.Errorf("%v is still served with a key of epoch %v", name, credential.Epoch)
}

// stubborn is a source that goes on with the key it has, as somebody would
// whom nobody renews it for.
type stubborn struct{ credential *idtls.Credential }

// Credential returns the same credential for ever.
func (s stubborn) Credential() (*idtls.Credential, error) { return s.credential, nil }
