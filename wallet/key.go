package wallet

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const (
	keyLabel   = "milagro/v1 wallet key"
	maxPurpose = 16
)

// storedKey is what a key file holds.
type storedKey struct {
	key     identity.Key
	private keys.Private
}

func (s storedKey) bytes() []byte {
	k := s.key
	var device []byte
	if k.Device != (identity.DeviceHash{}) {
		device = k.Device[:]
	}
	private := s.private.Expose()
	defer clear(private)
	return encoding.LP(keyLabel, k.Domain[:], []byte(k.Purpose), []byte(k.Name.String()), device, k.Epoch.Bytes(), private)
}

// parseKey reads what bytes wrote. It does not yet know whether the key is that
// of its fields.
func parseKey(b []byte) (storedKey, error) {
	r := encoding.Open(b, keyLabel)
	var s storedKey
	var err error
	s.key.Domain = identity.DomainID(r.Fixed(32))
	s.key.Purpose = identity.Purpose(r.String(maxPurpose))
	name, device, epoch, private := r.String(identity.MaxName), r.Bytes(32), r.Fixed(identity.EpochSize), r.Fixed(pairing.G1Size)
	defer clear(private)
	if err := r.Close(); err != nil {
		return storedKey{}, err
	}
	if len(device) != 0 && copy(s.key.Device[:], device) != len(s.key.Device) {
		return storedKey{}, errors.New("a device has 32 bytes")
	}
	if s.key.Name, err = identity.ParseName(name); err != nil {
		return storedKey{}, err
	}
	if s.key.Epoch, err = identity.ParseEpoch(epoch); err != nil {
		return storedKey{}, err
	}
	if err := s.key.Check(); err != nil {
		return storedKey{}, err
	}
	if s.private, err = keys.ParsePrivate(private); err != nil {
		return storedKey{}, err
	}
	return s, nil
}

// keyOf returns the key of a name for purpose and epoch.
func keyOf(d *domain, n identity.Name, device identity.DeviceHash, p identity.Purpose, e identity.Epoch) identity.Key {
	k := identity.Key{Domain: d.ID, Purpose: p, Name: n, Device: device, Epoch: e}
	if p == identity.Decrypt {
		k.Device = identity.DeviceHash{}
	}
	return k
}

// verify returns nil iff the key is what the domain's master issues for its fields.
func (s storedKey) verify(master keys.Master) error {
	point, err := s.key.Point()
	if err != nil {
		return err
	}
	return s.private.Verify(point, master)
}

// keyFile returns the path of the key of n for purpose and epoch.
func (w *Wallet) keyFile(k identity.Key) string {
	return filepath.Join(w.nameDir(k.Name), fmt.Sprintf("%s-%d-%d", k.Purpose, k.Epoch.Start, k.Epoch.Length))
}

// parseKeyFile reads the purpose and epoch from the base name of keyFile.
func parseKeyFile(base string) (p identity.Purpose, e identity.Epoch, ok bool) {
	parts := strings.Split(base, "-")
	if len(parts) != 3 {
		return "", identity.Epoch{}, false
	}
	start, err1 := strconv.ParseUint(parts[1], 10, 63)
	length, err2 := strconv.ParseUint(parts[2], 10, 31)
	e = identity.Epoch{Start: start, Length: uint32(length)}
	p = identity.Purpose(parts[0])
	return p, e, err1 == nil && err2 == nil && base == fmt.Sprintf("%s-%d-%d", p, start, length)
}

// held returns the epochs of which there is a key file of n, oldest first.
func (w *Wallet) held(n identity.Name, purpose identity.Purpose) ([]identity.Epoch, error) {
	entries, err := os.ReadDir(w.nameDir(n))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fileError(w.nameDir(n), err)
	}
	var epochs []identity.Epoch
	for _, entry := range entries {
		if p, e, ok := parseKeyFile(entry.Name()); ok && p == purpose {
			epochs = append(epochs, e)
		}
	}
	slices.SortFunc(epochs, func(a, b identity.Epoch) int { return cmp.Compare(a.Start, b.Start) })
	return epochs, nil
}

// load reads the key k and verifies it against the pinned master.
func (w *Wallet) load(d *domain, k identity.Key) (keys.Private, error) {
	path := w.keyFile(k)
	b, err := w.disk.read(path)
	if err != nil {
		return keys.Private{}, err
	}
	defer clear(b)
	s, err := parseKey(b)
	if err == nil && s.key != k {
		err = errors.New("it is the key of another name, device or domain")
	}
	if err == nil {
		err = s.verify(d.tls.Master)
	}
	if err != nil {
		return keys.Private{}, damaged(path, err)
	}
	return s.private, nil
}

// save stores a key that was just issued, unless it is there already, and
// erases those that it outdates. The caller holds the name's lock.
func (w *Wallet) save(d *domain, s storedKey) error {
	if err := s.verify(d.tls.Master); err != nil {
		return err
	}
	held, err := w.held(s.key.Name, s.key.Purpose)
	if err != nil {
		return err
	}
	if slices.Contains(held, s.key.Epoch) {
		private, err := w.load(d, s.key)
		private.Erase()
		return err
	}
	b := s.bytes()
	defer clear(b)
	if err := w.disk.create(w.keyFile(s.key), b); err != nil {
		return err
	}
	return w.expire(s.key, held)
}

// expire erases the channel keys of n that ended before the epoch that precedes
// the one before k's. The authorities issued k now, so this depends on no clock
// here. Keys of other purposes open what was sealed in their time and stay.
func (w *Wallet) expire(k identity.Key, held []identity.Epoch) error {
	if k.Purpose != identity.Channel {
		return nil
	}
	for _, e := range held {
		if e.End()+uint64(e.Length) >= k.Epoch.Start {
			continue
		}
		old := k
		old.Epoch = e
		if err := w.disk.erase(w.keyFile(old)); err != nil {
			return err
		}
	}
	return nil
}
