package bridge

import (
	"errors"
	"fmt"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// errNoCredential is why no SVID can be had: the identity key behind it does not
// hold now.
var errNoCredential = errors.New("no identity key that holds now")

// holding is a name of the bridge. It is guarded by the bridge's lock.
type holding struct {
	source     idtls.Source
	credential *idtls.Credential // of the last look; nil: none
	err        error             // of the last look: why there is none
	renew      time.Time         // when SVIDs made since the last edition are replaced
	edition    uint64            // rises with each of these
}

// look brings the bridge up to date with its clock and its sources, and wakes
// the streams if that changed anything.
func (b *Bridge) look() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lookLocked(b.clock())
}

func (b *Bridge) lookLocked(now time.Time) error {
	before := b.total()
	for _, a := range b.authorities {
		if err := a.turn(now); err != nil {
			return fmt.Errorf("authority of %s: %w", a.domain, err)
		}
	}
	for name, h := range b.names {
		b.lookAt(name, h, now)
	}
	if b.total() != before {
		close(b.changed)
		b.changed = make(chan struct{})
	}
	return nil
}

// total is a number that differs after any change: editions only rise.
func (b *Bridge) total() uint64 {
	var sum uint64
	for _, a := range b.authorities {
		sum += a.edition
	}
	for _, h := range b.names {
		sum += h.edition
	}
	return sum
}

// lookAt asks the source of a name. A new edition begins when the credential
// changes, comes or goes, and when SVIDs are to be replaced.
func (b *Bridge) lookAt(name identity.Name, h *holding, now time.Time) {
	credential, err := usable(name, h.source, now)
	first, same := h.edition == 0, sameKey(credential, h.credential)
	switch {
	case credential == nil && (first || !same):
		b.log.Warn("no X.509 certificates", "name", name, "error", err)
	case !first && h.credential == nil && credential != nil:
		b.log.Info("X.509 certificates again", "name", name)
	}
	h.credential, h.err = credential, err
	if !first && same && (credential == nil || now.Before(h.renew)) {
		return
	}
	h.edition++
	if credential == nil {
		return
	}
	// What ends with its epoch cannot be replaced by anything better before.
	h.renew = b.end(h, now)
	if half := now.Add(b.lifetime / 2); half.Before(h.renew) && now.Add(b.lifetime).Equal(h.renew) {
		h.renew = half
	}
}

func sameKey(x, y *idtls.Credential) bool {
	if x == nil || y == nil {
		return x == y
	}
	return x.Epoch == y.Epoch && x.Device == y.Device && x.Domain.ID == y.Domain.ID
}

// usable returns the credential of a source if its epoch is one that peers
// accept now and is not over. An error wraps errNoCredential.
func usable(name identity.Name, source idtls.Source, now time.Time) (*idtls.Credential, error) {
	c, err := source.Credential()
	if err == nil && (c == nil || c.Domain == nil) {
		err = errors.New("the source gave none")
	}
	if err == nil && c.Name != name {
		err = fmt.Errorf("the source gave that of %v", c.Name)
	}
	if err == nil {
		err = holds(c, uint64(max(0, now.Unix())))
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w: %w", name, errNoCredential, err)
	}
	return c, nil
}

func holds(c *idtls.Credential, now uint64) error {
	if err := c.Domain.Schedule.Accepts(c.Epoch, now); err != nil {
		return err
	}
	if now >= c.Epoch.End() {
		return errors.New("its epoch is over")
	}
	own := idtls.Peer{Name: c.Name, Device: c.Device, Epoch: c.Epoch, Domain: c.Domain.ID}
	if c.Domain.Revoked != nil && c.Domain.Revoked(own) {
		return errors.New("it is on the deny list")
	}
	return nil
}

// end returns when an SVID ends that is made now.
func (b *Bridge) end(h *holding, now time.Time) time.Time {
	end := now.Add(b.lifetime)
	if last := time.Unix(int64(h.credential.Epoch.End()), 0); end.After(last) {
		return last
	}
	return end
}

// answer is what a caller is given, and how to learn that it is out of date.
type answer struct {
	svids    []*svid           // of those names that have a credential
	bundles  map[string][]byte // by trust domain, of these names
	editions []uint64
	changed  <-chan struct{} // closed when any edition changes
}

// answer makes SVIDs of names, and the bundles that go with them, as of one
// moment. An error, when there is nothing to give, wraps errNoCredential.
func (b *Bridge) answer(names []identity.Name) (*answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock()
	if err := b.lookLocked(now); err != nil {
		return nil, err
	}
	out := &answer{bundles: map[string][]byte{}, editions: b.editionsLocked(names), changed: b.changed}
	var errs []error
	for _, name := range names {
		h, a := b.names[name], b.authorities[name.Domain()]
		if h.credential == nil {
			errs = append(errs, h.err)
			continue
		}
		s, err := a.issue(name, now, b.end(h, now))
		if err != nil {
			return nil, err
		}
		out.svids, out.bundles[a.domain] = append(out.svids, s), a.bundle()
	}
	if len(out.svids) == 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// editions returns the state of all that an answer about names depends on, and a
// channel that closes when anything changes.
func (b *Bridge) editions(names []identity.Name) ([]uint64, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.editionsLocked(names), b.changed
}

func (b *Bridge) editionsLocked(names []identity.Name) []uint64 {
	var all []uint64
	for _, name := range names {
		all = append(all, b.names[name].edition, b.authorities[name.Domain()].edition)
	}
	return all
}
