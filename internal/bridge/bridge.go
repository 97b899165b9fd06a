package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

const (
	// DefaultLifetime is how long an SVID is valid at most, if Config does not say.
	DefaultLifetime = time.Hour
	// MaxLifetime bounds Config.Lifetime: an authority signs until 15 hours of its
	// 24 are over.
	MaxLifetime = 6 * time.Hour
)

// Config is what a Bridge is made of.
type Config struct {
	// Sources are the names for which SVIDs are made, each with the source of its
	// channel credentials. All are names of workloads (spiffe://).
	Sources map[identity.Name]idtls.Source
	// Entries say which workload has which names. None: the own user has all.
	Entries []Entry
	// Lifetime of an SVID, a second to MaxLifetime; zero: DefaultLifetime.
	Lifetime time.Duration
	// Clock is the time; nil: time.Now.
	Clock func() time.Time
	// Logger is told what is given to whom; nil: slog.Default.
	Logger *slog.Logger
}

// Entry gives a name to workloads.
type Entry struct {
	Name     identity.Name
	Workload Workload
}

// Workload is who may call: the processes of a user or of a primary group. The
// zero value is nobody.
type Workload struct {
	kind kind
	id   uint32
}

type kind uint8

const (
	nobody kind = iota
	ofUser
	ofGroup
)

// User returns the workloads that run with this effective user id.
func User(uid uint32) Workload { return Workload{ofUser, uid} }

// Group returns the workloads that run with this effective primary group id.
// The kernel does not tell a caller's other groups.
func Group(gid uint32) Workload { return Workload{ofGroup, gid} }

// LookupUser returns the workloads of the user with this name.
func LookupUser(name string) (Workload, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return Workload{}, fmt.Errorf("user %q: %w", name, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return Workload{}, fmt.Errorf("user %q has the id %q, which is no number", name, u.Uid)
	}
	return User(uint32(uid)), nil
}

// String returns "user 33" or the like.
func (w Workload) String() string {
	switch w.kind {
	case ofUser:
		return fmt.Sprintf("user %d", w.id)
	case ofGroup:
		return fmt.Sprintf("group %d", w.id)
	}
	return "nobody"
}

// caller is who is at the other end of the socket, by the kernel's word.
type caller struct{ uid, gid, pid uint32 }

func (w Workload) fits(c caller) bool {
	return w.kind == ofUser && w.id == c.uid || w.kind == ofGroup && w.id == c.gid
}

// Bridge makes SVIDs. It is safe for concurrent use.
type Bridge struct {
	entries  []Entry
	lifetime time.Duration
	clock    func() time.Time
	log      *slog.Logger

	mu          sync.Mutex // of all below
	names       map[identity.Name]*holding
	authorities map[string]*authority // by trust domain
	changed     chan struct{}         // closed when an edition changes
}

// New returns a Bridge with new authorities. An error says what in cfg makes no
// sense; that a source has no credential is none.
func New(cfg Config) (*Bridge, error) {
	if len(cfg.Sources) == 0 {
		return nil, errors.New("a bridge needs a name: it makes certificates for names whose keys it has")
	}
	if cfg.Lifetime < 0 || cfg.Lifetime > MaxLifetime || cfg.Lifetime > 0 && cfg.Lifetime < time.Second {
		return nil, fmt.Errorf("lifetime of a certificate: %v is not between 1s and %v", cfg.Lifetime, MaxLifetime)
	}
	b := &Bridge{
		entries: slices.Clone(cfg.Entries), lifetime: cfg.Lifetime, clock: cfg.Clock, log: cfg.Logger,
		names: map[identity.Name]*holding{}, authorities: map[string]*authority{}, changed: make(chan struct{}),
	}
	if b.lifetime == 0 {
		b.lifetime = DefaultLifetime
	}
	if b.clock == nil {
		b.clock = time.Now
	}
	if b.log == nil {
		b.log = slog.Default()
	}
	for _, name := range sorted(cfg.Sources) {
		if err := b.add(name, cfg.Sources[name]); err != nil {
			return nil, err
		}
	}
	return b, b.checkEntries()
}

// add takes a name up, and its domain if it is the first name there.
func (b *Bridge) add(name identity.Name, source idtls.Source) error {
	if name.IsZero() || name.Person() {
		return fmt.Errorf("%q is not the name of a workload: an SVID holds a spiffe:// name", name)
	}
	if _, err := netip.ParseAddr(name.Domain()); err == nil {
		return fmt.Errorf("%v: X.509 cannot confine an authority to a domain that reads as an address", name)
	}
	if source == nil {
		return fmt.Errorf("%v has no source of credentials", name)
	}
	b.names[name] = &holding{source: source}
	if b.authorities[name.Domain()] != nil {
		return nil
	}
	a, err := newAuthority(name.Domain(), b.clock())
	if err != nil {
		return err
	}
	b.authorities[name.Domain()] = a
	return nil
}

// checkEntries refuses entries that give nothing, and makes those that stand for
// none.
func (b *Bridge) checkEntries() error {
	for _, e := range b.entries {
		if b.names[e.Name] == nil {
			return fmt.Errorf("workload entry of %v: the bridge has no key of %q", e.Workload, e.Name)
		}
		if e.Workload.kind == nobody {
			return fmt.Errorf("workload entry %v: say whose it is", e.Name)
		}
	}
	if len(b.entries) == 0 {
		for _, name := range sorted(b.names) {
			b.entries = append(b.entries, Entry{name, User(uint32(os.Geteuid()))})
		}
	}
	return nil
}

// namesOf returns the names that c may have, in the order of the entries.
func (b *Bridge) namesOf(c caller) []identity.Name {
	var names []identity.Name
	for _, e := range b.entries {
		if e.Workload.fits(c) && !slices.Contains(names, e.Name) {
			names = append(names, e.Name)
		}
	}
	return names
}

func sorted[V any](m map[identity.Name]V) []identity.Name {
	return slices.SortedFunc(maps.Keys(m), func(x, y identity.Name) int { return strings.Compare(x.String(), y.String()) })
}
