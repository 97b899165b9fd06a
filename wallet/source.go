package wallet

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/keys"
)

const (
	// settledLook is how often a source whose key is of the current epoch looks
	// whether the domain has a new document.
	settledLook = time.Second
	// anxiousLook is how often one looks whose key is not.
	anxiousLook = 100 * time.Millisecond
)

// Source returns the source of a name's channel credentials for package idtls.
// It hands out the key of the current epoch; while there is none, the newest one
// that peers still accept. It sees what this wallet or another process renews
// (see Keep) and waits for the disk at most, never for the network.
func (w *Wallet) Source(n identity.Name) idtls.Source { return &source{wallet: w, name: n} }

type source struct {
	wallet *Wallet
	name   identity.Name

	mu         sync.Mutex // of all below
	credential *idtls.Credential
	err        error // of the last look
	looked     time.Time
}

// Credential returns the credential for the present time. An error wraps
// ErrNotPinned, ErrNotEnrolled or ErrNoKey, or is a *FileError.
func (s *source) Credential() (*idtls.Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := s.wallet.clock()
	now := uint64(max(0, clock.Unix()))
	if since := clock.Sub(s.looked); since < 0 || since >= s.interval(now) {
		s.looked = clock
		s.look(now)
	}
	if s.credential != nil && s.credential.Domain.Schedule.Accepts(s.credential.Epoch, now) == nil {
		return s.credential, nil
	}
	if s.err == nil {
		s.err = noKey(s.name)
	}
	return nil, s.err
}

// interval returns how long the last look is good for.
func (s *source) interval(now uint64) time.Duration {
	if c := s.credential; c != nil && c.Epoch == c.Domain.Schedule.Current(now) {
		return settledLook
	}
	return anxiousLook
}

// look brings s up to date with the disk. A trouble is no reason to give up a
// credential that still holds.
func (s *source) look(now uint64) {
	next, err := s.read(now)
	if err != nil {
		if s.err == nil || s.err.Error() != err.Error() {
			s.wallet.log.Warn("no new credential", "name", s.name, "error", err)
		}
		s.err = err
		return
	}
	s.err = nil
	s.credential = next
}

// read returns the credential to use now: the one in use if it still is that.
func (s *source) read(now uint64) (*idtls.Credential, error) {
	if err := s.wallet.denyReady(); err != nil {
		return nil, err
	}
	record, err := s.wallet.enrolment(s.name)
	if err != nil {
		return nil, err
	}
	d, err := s.wallet.domain(s.name.Domain())
	if err != nil {
		return nil, err
	}
	held, err := s.wallet.held(s.name, identity.Channel)
	if err != nil {
		return nil, err
	}
	epoch, ok := best(d.tls.Schedule, now, held)
	if !ok {
		return nil, noKey(s.name)
	}
	device, err := identity.ParseDeviceHash(record.Device)
	if err != nil {
		return nil, err
	}
	if c := s.credential; c != nil && c.Epoch == epoch && c.Device == device && c.Domain == d.tls {
		return c, nil
	}
	return s.wallet.credential(d, keyOf(d, s.name, device, identity.Channel, epoch))
}

// best returns the epoch to show peers: the current one, or else the newest
// that they accept.
func best(s identity.Schedule, now uint64, held []identity.Epoch) (identity.Epoch, bool) {
	current := s.Current(now)
	if slices.Contains(held, current) {
		return current, true
	}
	for _, e := range slices.Backward(held) {
		if s.Accepts(e, now) == nil {
			return e, true
		}
	}
	return identity.Epoch{}, false
}

// credential reads the key k and makes a credential of it. The key is erased
// from memory when no handshake uses the credential any longer, which only the
// garbage collector can tell.
func (w *Wallet) credential(d *domain, k identity.Key) (*idtls.Credential, error) {
	private, err := w.load(d, k)
	if err != nil {
		return nil, err
	}
	if err := w.raise(d, k.Epoch); err != nil {
		w.log.Warn("highest epoch not recorded", "domain", d.tls.Name, "error", err)
	}
	c := &idtls.Credential{Name: k.Name, Device: k.Device, Epoch: k.Epoch, Key: private, Domain: d.tls}
	runtime.AddCleanup(c, func(old keys.Private) { old.Erase() }, private)
	return c, nil
}

func noKey(n identity.Name) error {
	return &advised{fmt.Errorf("%w: %v", ErrNoKey, n),
		fmt.Sprintf("milagro renew %v; if that works, nothing keeps it renewed", n)}
}
