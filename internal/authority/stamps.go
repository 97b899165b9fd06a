package authority

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"milagro.dev/dta"
	"milagro.dev/keys"
)

const (
	// stampRetry is the first pause after a failed collection; it doubles.
	stampRetry = 250 * time.Millisecond
	// stampCheck is how often a day's end is looked for, and the longest pause.
	stampCheck = time.Minute
)

// collector obtains the stamp of each day: the shares of any t authorities, its
// own among them. An authority that slept through a new document learns of it here.
type collector struct {
	documents *documents
	client    *dta.Client
	log       *slog.Logger
}

// run collects until ctx ends.
func (c *collector) run(ctx context.Context) {
	c.ask(ctx)
	pause := stampRetry
	for {
		wait := stampCheck
		if err := c.collect(ctx); err != nil {
			c.log.Debug("no stamp yet", "error", err)
			wait, pause = pause, min(2*pause, stampCheck)
		}
		// Not all authorities at the same instant.
		timer := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-c.documents.changed:
			timer.Stop()
			pause = stampRetry
		case <-timer.C:
		}
	}
}

// ask looks for a document that others have and this authority lacks.
func (c *collector) ask(ctx context.Context) {
	s, err := c.documents.published()
	if err != nil {
		return
	}
	for _, peer := range s.Document.Authorities() {
		if peer.Ed25519.Equal(c.documents.self.card.Ed25519) {
			continue
		}
		if err := c.catchUp(ctx, peer.URL, s.Document); err != nil {
			c.log.Debug("no news", "authority", peer.Index, "error", err)
		}
	}
}

// collect makes the stamp of the latest day that is stamped now, unless it is
// there.
func (c *collector) collect(ctx context.Context) error {
	s, err := c.documents.serving()
	if err != nil {
		return nil // nothing to stamp: a document will wake us
	}
	day := c.documents.latestDay()
	if s.Stamp != nil && s.Stamp.Day >= day {
		return nil
	}
	shares, err := c.shares(ctx, s, day)
	if err != nil {
		return err
	}
	signature, bad, err := s.Document.CombineSignature(s.Document.FreshPoint(day), shares)
	for _, index := range bad {
		c.log.Warn("an authority gave a false share of a stamp", "authority", index)
	}
	if err != nil {
		return err
	}
	stamp := &dta.Stamp{Revision: s.Document.Revision(), Hash: s.Document.Hash(), Day: day, Signature: signature}
	if err := c.documents.stamped(ctx, stamp); err != nil {
		return err
	}
	c.log.Info("document stamped", "revision", stamp.Revision, "day", day)
	return nil
}

type stampAnswer struct {
	from  dta.Authority
	share dta.StampShare
	err   error
}

// shares asks every peer at once and returns as soon as t shares are good.
func (c *collector) shares(ctx context.Context, s *served, day uint32) (map[uint32][]byte, error) {
	own, err := c.documents.stampShare(ctx, day)
	if err != nil {
		c.ask(ctx) // it may be refused because of a higher document that only others have
		return nil, err
	}
	shares := map[uint32][]byte{own.Index: own.Share}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	peers := s.Document.Authorities()
	answers := make(chan stampAnswer, len(peers))
	for _, peer := range peers {
		if peer.Index == own.Index {
			answers <- stampAnswer{from: peer, share: own}
			continue
		}
		go func() {
			share, err := c.client.StampShare(ctx, peer.URL, day)
			answers <- stampAnswer{peer, share, err}
		}()
	}
	var faults []error
	for range peers {
		answer := <-answers
		if err := c.accept(ctx, s, day, answer); err != nil {
			faults = append(faults, fmt.Errorf("authority %d: %w", answer.from.Index, err))
			continue
		}
		shares[answer.from.Index] = answer.share.Share
		if len(shares) == s.Document.Threshold() {
			return shares, nil
		}
	}
	return nil, errors.Join(faults...)
}

// accept refuses an answer that does not count. One about a higher document is
// the sign to fetch it.
func (c *collector) accept(ctx context.Context, s *served, day uint32, a stampAnswer) error {
	if a.err != nil {
		return a.err
	}
	if a.share.Revision > s.Document.Revision() {
		return errors.Join(fmt.Errorf("it serves revision %d", a.share.Revision), c.catchUp(ctx, a.from.URL, s.Document))
	}
	if hash := s.Document.Hash(); string(a.share.Hash) != string(hash[:]) || a.share.Day != day {
		return errors.New("it stamps something else")
	}
	share, err := keys.ParseShare(a.from.Index, s.Document.Generation(), a.share.Share)
	if err != nil {
		return err
	}
	return share.Verify(s.Document.FreshPoint(day), a.from.Public)
}

// catchUp serves the document of a peer if it is higher, once its signature is
// verified.
func (c *collector) catchUp(ctx context.Context, url string, current *dta.Document) error {
	p, err := c.client.Domain(ctx, url)
	if err != nil {
		return err
	}
	if p.Document.Hash() == current.Hash() || p.Document.Revision() < current.Revision() {
		return nil
	}
	if err := p.Verify(current.ID()); err != nil {
		return err
	}
	return c.documents.adopt(ctx, p)
}
