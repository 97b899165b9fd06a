package wallet

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
	"milagro.dev/mpin"
)

const (
	tokenFile  = "token"
	tokenLabel = "milagro/v1 wallet token"
	// invitedFile marks a key that waits for its login with an invitation.
	invitedFile = "invited"

	permitLabel = "milagro/v1 wallet permit"

	maxStatements = 16
	maxStatement  = 8 << 10
)

// token is what an M-Pin key leaves on the device, with what else is made once
// for it. It is in one file, so that it is whole or not there.
type token struct {
	key        identity.Key // of purpose mpin
	salt       [mpin.SaltSize]byte
	params     mpin.Params
	private    keys.Private // T
	statements [][]byte     // of enrolment, by index

	dir string // where it lies
}

func (t *token) erase() { t.private.Erase() }

// bytes returns what parseToken reads. Nothing but the checksum at the end tells
// whether T, or the salt, is what it was: the PIN's part in them hides it.
func (t *token) bytes() []byte {
	private := t.private.Expose()
	defer clear(private)
	return summed(encoding.LP(tokenLabel, t.key.Domain[:], t.key.Service[:], []byte(t.key.Name.String()), t.key.Device[:], t.salt[:],
		encoding.U32(t.params.Memory), encoding.U32(t.params.Time), encoding.U8(t.params.Threads), private, encoding.List(t.statements...)))
}

func parseToken(b []byte) (*token, error) {
	body, err := unsummed(b)
	if err != nil {
		return nil, err
	}
	r := encoding.Open(body, tokenLabel)
	t := &token{}
	t.key.Purpose = identity.MPin
	t.key.Domain, t.key.Service = identity.DomainID(r.Fixed(32)), identity.ServiceID(r.Fixed(32))
	name := r.String(identity.MaxName)
	t.key.Device = identity.DeviceHash(r.Fixed(32))
	t.salt = [mpin.SaltSize]byte(r.Fixed(mpin.SaltSize))
	t.params = mpin.Params{Memory: r.U32(), Time: r.U32(), Threads: r.U8()}
	private := r.Fixed(pairing.G1Size)
	defer clear(private)
	t.statements = r.List(maxStatements, maxStatement)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if t.key.Name, err = identity.ParseName(name); err != nil {
		return nil, err
	}
	if err := errors.Join(t.key.Check(), t.params.Check()); err != nil {
		return nil, err
	}
	t.private, err = keys.ParsePrivate(private)
	return t, err
}

// summed returns body and its SHA-256. body is cleared.
func summed(body []byte) []byte {
	sum := sha256.Sum256(body)
	b := append(bytes.Clone(body), sum[:]...)
	clear(body)
	return b
}

func unsummed(b []byte) ([]byte, error) {
	at := len(b) - sha256.Size
	if at < 0 {
		return nil, errors.New("truncated")
	}
	if sum := sha256.Sum256(b[:at]); !bytes.Equal(sum[:], b[at:]) {
		return nil, errors.New("its checksum is wrong")
	}
	return b[:at], nil
}

// readToken reads the token of the login key id of a.
func (w *Wallet) readToken(a *account, id string) (*token, error) {
	dir := filepath.Join(a.dir, id)
	path := filepath.Join(dir, tokenFile)
	b, err := w.disk.read(path)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	t, err := parseToken(b)
	if err == nil && t.key.Name != a.record.Name {
		err = fmt.Errorf("it is that of %v", t.key.Name)
	}
	if err != nil {
		return nil, damaged(path, err)
	}
	t.dir = dir
	return t, nil
}

// permitBytes returns what parsePermit reads.
func permitBytes(s storedKey) []byte {
	private := s.private.Expose()
	defer clear(private)
	k := s.key
	return summed(encoding.LP(permitLabel, k.Domain[:], k.Service[:], []byte(k.Name.String()), k.Device[:], k.Epoch.Bytes(), private))
}

func parsePermit(b []byte) (storedKey, error) {
	body, err := unsummed(b)
	if err != nil {
		return storedKey{}, err
	}
	r := encoding.Open(body, permitLabel)
	s := storedKey{key: identity.Key{Domain: identity.DomainID(r.Fixed(32)), Purpose: identity.Permit, Service: identity.ServiceID(r.Fixed(32))}}
	name := r.String(identity.MaxName)
	s.key.Device = identity.DeviceHash(r.Fixed(32))
	epoch, private := r.Fixed(identity.EpochSize), r.Fixed(pairing.G1Size)
	defer clear(private)
	if err := r.Close(); err != nil {
		return storedKey{}, err
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
	s.private, err = keys.ParsePrivate(private)
	return s, err
}

// heldPermits returns the epochs of the permits in dir, oldest first.
func (w *Wallet) heldPermits(dir string) ([]identity.Epoch, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fileError(dir, err)
	}
	var epochs []identity.Epoch
	for _, entry := range entries {
		if p, e, ok := parseKeyFile(entry.Name()); ok && p == identity.Permit {
			epochs = append(epochs, e)
		}
	}
	slices.SortFunc(epochs, func(a, b identity.Epoch) int { return cmp.Compare(a.Start, b.Start) })
	return epochs, nil
}

func permitFile(dir string, e identity.Epoch) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%d-%d", identity.Permit, e.Start, e.Length))
}

// permitKey returns which permit belongs to t in an epoch.
func (t *token) permitKey(e identity.Epoch) identity.Key {
	k := t.key
	k.Purpose, k.Epoch = identity.Permit, e
	return k
}

// readPermit reads the permit of t for an epoch. Whether it is the master's only a
// login tells: of an M-Pin master no value in G2 is public.
func (w *Wallet) readPermit(t *token, e identity.Epoch) (keys.Private, error) {
	path := permitFile(t.dir, e)
	b, err := w.disk.read(path)
	if err != nil {
		return keys.Private{}, err
	}
	defer clear(b)
	s, err := parsePermit(b)
	if err == nil && s.key != t.permitKey(e) {
		err = errors.New("it is the permit of another name, device, service or epoch")
	}
	if err != nil {
		return keys.Private{}, damaged(path, err)
	}
	return s.private, nil
}

// storePermit stores a permit that was just issued, unless it is there, and erases
// those that ended before the epoch that precedes the one before it.
func (w *Wallet) storePermit(ctx context.Context, t *token, s storedKey) error {
	unlock, err := w.lock(ctx, t.dir)
	if err != nil {
		return err
	}
	defer unlock()
	held, err := w.heldPermits(t.dir)
	if err != nil {
		return err
	}
	if !slices.Contains(held, s.key.Epoch) {
		b := permitBytes(s)
		defer clear(b)
		if err := w.disk.create(permitFile(t.dir, s.key.Epoch), b); err != nil {
			return err
		}
	}
	for _, e := range held {
		if e.End()+uint64(e.Length) >= s.key.Epoch.Start {
			continue
		}
		if err := w.disk.erase(permitFile(t.dir, e)); err != nil {
			return err
		}
	}
	return nil
}

// makeKey makes the device key of a new enrolment in a directory of its own in
// dir, whose lock the caller holds. Until a record names it, the next who takes
// that lock erases it.
func (w *Wallet) makeKey(dir string) (id string, signer crypto.Signer, err error) {
	var random [loginID / 2]byte
	rand.Read(random[:])
	id = hex.EncodeToString(random[:])
	if err := w.disk.makeDir(filepath.Join(dir, id)); err != nil {
		return "", nil, err
	}
	if w.loginKey != nil {
		signer, err = w.loginKey(id)
		return id, signer, err
	}
	signer, err = w.makeDevice(filepath.Join(dir, id, deviceFile))
	return id, signer, err
}

// keyFor returns the device key of an invitation, which is for one: that of an
// earlier try, or a new one. Without an invitation, or where keys are not files, it is
// a new one each time.
func (w *Wallet) keyFor(dir string, i dta.Invitation) (id string, signer crypto.Signer, err error) {
	if i == (dta.Invitation{}) || w.loginKey != nil {
		return w.makeKey(dir)
	}
	hash := dta.InvitationHash(i.Token)
	id = hex.EncodeToString(hash[:loginID/2])
	path := filepath.Join(dir, id, deviceFile)
	if signer, err := w.readSigner(path); !missing(err) {
		return id, signer, err
	}
	if err := w.disk.makeDir(filepath.Join(dir, id)); err != nil {
		return "", nil, err
	}
	if err := w.disk.create(filepath.Join(dir, id, invitedFile), []byte("this key has an invitation\n")); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", nil, err
	}
	signer, err = w.makeDevice(path)
	return id, signer, err
}

// invited reports whether the key in dir has an invitation, which is for no other.
func invited(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, invitedFile))
	return err == nil
}

// signer returns the device key of t.
func (w *Wallet) signer(t *token) (crypto.Signer, error) {
	path := filepath.Join(t.dir, deviceFile)
	signer, err := w.readSigner(path)
	if err != nil {
		return nil, err
	}
	device, err := identity.DeviceOf(signer)
	if err != nil {
		return nil, err
	}
	if device.Hash() == t.key.Device {
		return signer, nil
	}
	err = fmt.Errorf("%w: %v is registered as device %v, this is %v", ErrDevice, t.key.Name, t.key.Device, device.Hash())
	if w.loginKey == nil {
		return nil, damaged(path, err)
	}
	return nil, &advised{err, "bring the old device key back, or forget the login and register it with new codes"}
}

func (w *Wallet) readSigner(path string) (crypto.Signer, error) {
	if w.loginKey != nil {
		return w.loginKey(filepath.Base(filepath.Dir(path)))
	}
	b, err := w.disk.read(path)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	key, err := parseDeviceKey(b)
	if err != nil {
		return nil, damaged(path, err)
	}
	return key, nil
}

// eraseKey erases a login key's directory with all that is in it.
func (w *Wallet) eraseKey(ctx context.Context, dir string) error {
	unlock, err := w.lock(ctx, dir)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fileError(dir, err)
	}
	for _, e := range entries {
		if e.Name() == lockFile {
			continue
		}
		if err := w.disk.erase(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	// Who waits for the lock finds no directory to write into.
	if err := errors.Join(w.disk.before("remove key "+filepath.Base(dir)), os.RemoveAll(dir)); err != nil {
		return fileError(dir, err)
	}
	return syncDir(filepath.Dir(dir))
}
