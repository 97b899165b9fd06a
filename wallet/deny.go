package wallet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

const (
	denyFile = "list"
	// denyLook is how often the file is looked at, when somebody asks: a change by
	// another process is seen so soon.
	denyLook = 100 * time.Millisecond
	// maxReason is the greatest length of a Denial's reason, in bytes.
	maxReason = 256
)

var (
	// ErrDenial says that a Denial cannot be entered as it is.
	ErrDenial = errors.New("not an entry of a deny list")
	// ErrNotDenied says that the deny list has no such entry.
	ErrNotDenied = errors.New("not on the deny list")
)

// Denial is an entry of the wallet's own deny list. A name alone denies every
// device of it, a device alone every name that it bears, both that pair.
type Denial struct {
	Name   identity.Name       // zero: every name
	Device identity.DeviceHash // zero: every device
	Reason string              // for people, at most 256 bytes; may be empty
	Time   time.Time           // of its entry, whole seconds; Deny sets it
}

func (d Denial) sameAs(o Denial) bool { return d.Name == o.Name && d.Device == o.Device }

// check returns an error that wraps ErrDenial.
func (d Denial) check() error {
	switch {
	case d.Name.IsZero() && d.Device == identity.DeviceHash{}:
		return fmt.Errorf("%w: it has neither name nor device", ErrDenial)
	case len(d.Reason) > maxReason || !utf8.ValidString(d.Reason):
		return fmt.Errorf("%w: its reason has more than %d bytes, or is no text", ErrDenial, maxReason)
	}
	return nil
}

// Deny enters d into the deny list, which is durable when Deny returns. Within a
// second every Source of this directory, in whatever process, refuses such peers,
// and open connections with them end (idtls.Watch). Entered again, d gets its new
// reason and time. An error wraps ErrDenial, or is a *FileError.
func (w *Wallet) Deny(ctx context.Context, d Denial) error {
	if err := d.check(); err != nil {
		return err
	}
	d.Time = w.clock().UTC().Truncate(time.Second)
	return w.changeDenied(ctx, func(all []Denial) ([]Denial, error) {
		return append(slices.DeleteFunc(all, d.sameAs), d), nil
	})
}

// Allow takes the entry with d's name and device off the deny list: no other, so
// that a name may still be denied for one device. An error wraps ErrNotDenied, or
// is a *FileError.
func (w *Wallet) Allow(ctx context.Context, d Denial) error {
	return w.changeDenied(ctx, func(all []Denial) ([]Denial, error) {
		left := slices.DeleteFunc(slices.Clone(all), d.sameAs)
		if len(left) == len(all) {
			return nil, ErrNotDenied
		}
		return left, nil
	})
}

// Denied returns the deny list in order of names, then of devices.
func (w *Wallet) Denied() ([]Denial, error) {
	r, err := readRecord[denyRecord](w.disk, w.denyPath())
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := r.denials()
	if err != nil {
		return nil, damaged(w.denyPath(), err)
	}
	return all, nil
}

func (w *Wallet) denyPath() string { return filepath.Join(w.dir, "deny", denyFile) }

// changeDenied replaces the list by what change makes of it.
func (w *Wallet) changeDenied(ctx context.Context, change func([]Denial) ([]Denial, error)) error {
	dir := filepath.Dir(w.denyPath())
	if err := w.disk.makeDir(dir); err != nil {
		return err
	}
	unlock, err := w.lock(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	all, err := w.Denied()
	if err != nil {
		return err
	}
	if all, err = change(all); err != nil {
		return err
	}
	b, err := encodeRecord(newDenyRecord(all))
	if err != nil {
		return err
	}
	if len(b) > maxFile {
		return &advised{fmt.Errorf("the deny list is full with %d entries", len(all)-1), "deny a name in place of its devices, or remove what has ended by its epoch"}
	}
	if err := w.disk.replace(w.denyPath(), b); err != nil {
		return err
	}
	w.deny.gate.open()
	return nil
}

// denyRecord is the deny list on the disk.
type denyRecord struct {
	Format  string        `json:"format"`
	Entries []deniedEntry `json:"entries"`
}

type deniedEntry struct {
	Name   string `json:"name,omitempty"`
	Device string `json:"device,omitempty"`
	Reason string `json:"reason,omitempty"`
	Time   int64  `json:"time"`
}

func (denyRecord) format() string { return "milagro/v1 wallet deny list" }

func newDenyRecord(all []Denial) denyRecord {
	slices.SortFunc(all, func(a, b Denial) int {
		return cmp.Or(cmp.Compare(a.Name.String(), b.Name.String()), cmp.Compare(a.Device.String(), b.Device.String()))
	})
	r := denyRecord{Entries: []deniedEntry{}}
	r.Format = r.format()
	for _, d := range all {
		e := deniedEntry{Name: d.Name.String(), Reason: d.Reason, Time: d.Time.Unix()}
		if d.Device != (identity.DeviceHash{}) {
			e.Device = d.Device.String()
		}
		r.Entries = append(r.Entries, e)
	}
	return r
}

func (r denyRecord) denials() ([]Denial, error) {
	all := make([]Denial, 0, len(r.Entries))
	for _, e := range r.Entries {
		d := Denial{Reason: e.Reason, Time: time.Unix(e.Time, 0).UTC()}
		var err error
		if e.Name != "" {
			d.Name, err = identity.ParseName(e.Name)
		}
		if e.Device != "" && err == nil {
			d.Device, err = identity.ParseDeviceHash(e.Device)
		}
		if err := errors.Join(err, d.check()); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// denyList is the deny list in memory, for handshakes and for the sweeps over open
// connections: they look at a set that does not change.
type denyList struct {
	gate gate
	set  atomic.Pointer[denySet] // nil until a list was read, or seen to be missing

	// The gate guards all below.
	file fs.FileInfo // what set was read from, or what did not read
	err  error       // of the last look
}

type denySet struct {
	names   map[identity.Name]struct{}
	devices map[identity.DeviceHash]struct{}
	pairs   map[pair]struct{}
}

// pair is a device under a name.
type pair struct {
	name   identity.Name
	device identity.DeviceHash
}

func newDenySet(all []Denial) *denySet {
	s := &denySet{names: map[identity.Name]struct{}{}, devices: map[identity.DeviceHash]struct{}{}, pairs: map[pair]struct{}{}}
	for _, d := range all {
		switch {
		case d.Device == identity.DeviceHash{}:
			s.names[d.Name] = struct{}{}
		case d.Name.IsZero():
			s.devices[d.Device] = struct{}{}
		default:
			s.pairs[pair{d.Name, d.Device}] = struct{}{}
		}
	}
	return s
}

func (s *denySet) has(p pair) bool {
	_, name := s.names[p.name]
	_, device := s.devices[p.device]
	_, both := s.pairs[p]
	return name || device || both
}

// denies reports whether the deny list names a peer. A list that does not read, or
// is damaged, changes nothing as long as one was good before: to deny nobody would
// welcome whom the operator threw out, and to deny everybody would let a full disk
// end every connection. Without a good one everybody is denied, since nobody
// knows who was on it.
func (w *Wallet) denies(p idtls.Peer) bool {
	w.deny.gate.pass(denyLook, w.lookAtDenied)
	set := w.deny.set.Load()
	return set == nil || set.has(pair{p.Name, p.Device})
}

// denyReady returns why everybody is denied, or nil.
func (w *Wallet) denyReady() error {
	w.deny.gate.pass(denyLook, w.lookAtDenied)
	if w.deny.set.Load() != nil {
		return nil
	}
	w.deny.gate.mu.Lock()
	defer w.deny.gate.mu.Unlock()
	return w.deny.err
}

// lookAtDenied brings the set up to date with the file; the gate calls it.
func (w *Wallet) lookAtDenied() {
	l := &w.deny
	err := l.look(w)
	if err != nil && (l.err == nil || l.err.Error() != err.Error()) {
		w.log.Error("deny list not read", "last good one still holds", l.set.Load() != nil, "error", err)
	}
	l.err = err
}

func (l *denyList) look(w *Wallet) error {
	info, err := os.Stat(w.denyPath())
	if missing(err) {
		if l.file != nil || l.set.Load() == nil {
			l.file = nil
			l.set.Store(newDenySet(nil))
		}
		return nil
	}
	if err != nil {
		return fileError(w.denyPath(), err)
	}
	if l.file != nil && sameFile(l.file, info) && l.file.Mode() == info.Mode() {
		return l.err
	}
	all, err := w.Denied()
	if err == nil {
		l.set.Store(newDenySet(all))
	}
	if err == nil || errors.Is(err, ErrDamaged) {
		l.file = info // else it is read again: what stands there may be good
	}
	return err
}

// gate lets one caller through when the last that went through did so longer ago
// than an interval. Those who come while he looks wait for what he finds, which
// is brief: he looks at the disk and not at the network.
type gate struct {
	mu     sync.Mutex
	looked atomic.Int64 // unix nanoseconds; 0 never
}

func (g *gate) pass(every time.Duration, look func()) {
	if g.recent(every) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.recent(every) {
		return
	}
	now := time.Now().UnixNano() // before the look: the next sees what changes meanwhile
	look()
	g.looked.Store(now)
}

// recent is false also for a clock that was set back.
func (g *gate) recent(every time.Duration) bool {
	since := time.Duration(time.Now().UnixNano() - g.looked.Load())
	return since >= 0 && since < every
}

// open lets the next caller through.
func (g *gate) open() { g.looked.Store(0) }
