package login

import (
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// askAgainFor is how long the same request is sent again when no answer came: its
// answer may be on its way, and two operators have approved that one alone.
// Authorities remember it for as long.
const askAgainFor = 24 * time.Hour

// courier brings the server key here, share by share (spec/mpin.md "Server key").
type courier struct {
	keyring *keyring
	client  *dta.Client
	signing ed25519.PrivateKey
	clock   func() time.Time
	log     *slog.Logger

	mu    sync.Mutex // of all below
	asked map[uint32]*asking
	why   map[uint32]string // why there is no share, in words for strangers
}

// asking is a request that was sent. Its reply key lives here alone.
type asking struct {
	request dta.ServerKeyRequest
	signed  []byte
	key     hpke.PrivateKey
	made    time.Time
}

// fetch asks every authority whose share is missing, and makes the key as soon as
// there are t.
func (c *courier) fetch(ctx context.Context, s *served) {
	if !errors.Is(c.usable(s), fs.ErrNotExist) {
		return // a file is in the way: it is left for somebody to look at
	}
	var all sync.WaitGroup
	for _, a := range s.document.Authorities() {
		if _, err := c.keyring.loadShare(s, a.Index); err == nil {
			continue
		}
		all.Go(func() { c.ask(ctx, s, a) })
	}
	all.Wait()
	if err := c.combine(s); err != nil {
		c.log.Error("server key not made", "error", err)
	}
}

func (c *courier) usable(s *served) error {
	key, err := c.keyring.load(s)
	if err == nil {
		key.Erase()
	}
	return err
}

// ask obtains one authority's share and seals it at once.
func (c *courier) ask(ctx context.Context, s *served, a dta.Authority) {
	err := c.obtain(ctx, s, a)
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.why[a.Index] = shareFault(err)
		c.log.Debug("no share of the server key", "authority", a.Index, "error", err)
		return
	}
	delete(c.why, a.Index)
	c.log.Info("authority gave its part of the server's secret", "authority", a.Index)
}

func (c *courier) obtain(ctx context.Context, s *served, a dta.Authority) error {
	q, err := c.request(s, a)
	if err != nil {
		return err
	}
	sealed, err := c.client.LoginKey(ctx, a.URL, q.signed)
	if p := (*problem.Problem)(nil); errors.As(err, &p) && p.Status() < http.StatusInternalServerError {
		c.forget(a.Index) // it was refused: nothing is on its way
	}
	if err != nil {
		return err
	}
	share, err := q.request.OpenServerShare(a, s.service, q.key, q.signed, sealed)
	if err != nil {
		c.log.Warn("an authority gave a bad share of the server key", "authority", a.Index, "error", err)
		return fmt.Errorf("%w: %w", errBadShare, err)
	}
	defer share.Erase()
	if err := c.keyring.saveShare(s, share); err != nil {
		return err
	}
	c.forget(a.Index)
	return nil
}

var errBadShare = errors.New("its share does not verify")

// request returns the request that is under way, or a new one.
func (c *courier) request(s *served, a dta.Authority) (*asking, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if q := c.asked[a.Index]; q != nil && q.request.Service == s.id && q.request.Generation == s.service.Generation {
		if age := now.Sub(q.made); age >= 0 && age < askAgainFor {
			return q, nil
		}
	}
	key, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, err
	}
	q := &asking{key: key, made: now, request: dta.ServerKeyRequest{Domain: s.document.ID(), Service: s.id, Generation: s.service.Generation,
		Index: a.Index, ReplyKey: key.PublicKey(), Time: unixSeconds(now)}}
	rand.Read(q.request.Nonce[:])
	q.signed = q.request.Sign(c.signing)
	c.asked[a.Index] = q
	return q, nil
}

func (c *courier) forget(index uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, index)
}

// shares returns the shares that are here and fit.
func (c *courier) shares(s *served) (shares []keys.ServerShare) {
	for _, index := range s.indices() {
		if share, err := c.keyring.loadShare(s, index); err == nil {
			shares = append(shares, share)
		}
	}
	return shares
}

// combine makes the server key if t shares are here, seals it and erases them.
func (c *courier) combine(s *served) error {
	shares := c.shares(s)
	defer func() {
		for i := range shares {
			shares[i].Erase()
		}
	}()
	if len(shares) < s.document.Threshold() {
		return nil
	}
	key, err := keys.CombineServer(s.document.Threshold(), shares)
	if err != nil {
		return err
	}
	defer key.Erase()
	if err := key.Verify(s.service.Master); err != nil {
		return err
	}
	if err := c.keyring.save(s, key); err != nil {
		return err
	}
	c.log.Info("the server's secret is whole and sealed", "service", s.service.Name, "generation", s.service.Generation.Counter)
	return nil
}

// missing says, in words for strangers, why there is no server key.
func (c *courier) missing(s *served, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return keyFault(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	parts := []string{fmt.Sprintf("server key: %d of %d shares", len(c.here(s)), s.document.Threshold())}
	if c.keyring.others() {
		parts[0] = fmt.Sprintf("server key: the one here is not of generation %d; %d of %d shares of that", s.service.Generation.Counter,
			len(c.here(s)), s.document.Threshold())
	}
	for _, index := range s.indices() {
		if why := c.why[index]; why != "" {
			parts = append(parts, fmt.Sprintf("authority %d: %s", index, why))
		}
	}
	return errors.New(strings.Join(parts, "; "))
}

// here returns the authorities whose shares are here and fit.
func (c *courier) here(s *served) (indices []uint32) {
	for _, share := range c.shares(s) {
		indices = append(indices, share.Index())
		share.Erase()
	}
	return indices
}

// shareFault words why an authority gave no share.
func shareFault(err error) string {
	var p *problem.Problem
	switch {
	case errors.Is(err, problem.NotApproved):
		return "two operators have not approved"
	case errors.As(err, &p):
		return p.Error()
	case errors.Is(err, errBadShare):
		return errBadShare.Error()
	case errors.Is(err, fs.ErrExist):
		return "a damaged share of it is in the way"
	}
	return "it does not answer"
}
