package authority

import (
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"milagro.dev/internal/custody"
	"milagro.dev/internal/dkg"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/store"
)

// What lies in an authority's directory.
const (
	keysFile   = "keys.sealed"
	cardFile   = "card"
	stateFile  = "state.db"
	sharesDir  = "shares"
	socketFile = "admin.sock"
)

const (
	keysLabel   = "milagro/v1 authority keys"
	keysPurpose = "authority keys"
	maxHPKE     = 256
)

// self is the authority as its card names it, with the private halves.
type self struct {
	card    *dkg.Card
	signing ed25519.PrivateKey
	opening hpke.PrivateKey
}

// Init makes the directory of a new authority: its keys, sealed by protector, an
// empty state, and its signed card, which names it and the URL where it will
// serve. A directory that holds keys is left as it is: fs.ErrExist. Other errors
// wrap dkg.ErrCard or are the operating system's; Init may then be tried again.
func Init(ctx context.Context, dir string, protector custody.Protector, name, url string) (*dkg.Card, error) {
	card, err := initialise(ctx, dir, protector, name, url)
	if err != nil {
		return nil, fmt.Errorf("make authority in %s: %w", dir, err)
	}
	return card, nil
}

// initialise writes the keys last but for the card, a copy of what they hold:
// whatever a crash leaves without keys has signed nothing and is used again.
func initialise(ctx context.Context, dir string, protector custody.Protector, name, url string) (*dkg.Card, error) {
	if _, err := os.Lstat(filepath.Join(dir, keysFile)); err == nil {
		return nil, withHint(fmt.Errorf("%s: %w", keysFile, fs.ErrExist), "keys are never overwritten: choose an empty directory")
	}
	me, err := newSelf(name, url)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, sharesDir), 0o700); err != nil {
		return nil, err
	}
	if err := checkPrivate(dir); err != nil {
		return nil, err
	}
	db, err := store.Create(ctx, stateConfig(dir))
	if errors.Is(err, fs.ErrExist) { // from a crash, if it is a state at all
		db, err = store.Open(ctx, stateConfig(dir))
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		return nil, err
	}
	if err := me.save(dir, protector); err != nil {
		return nil, err
	}
	return me.card, writeCard(filepath.Join(dir, cardFile), me.card)
}

// ReadCard returns the card of the authority in dir; no secret is needed.
func ReadCard(dir string) (*dkg.Card, error) {
	path := filepath.Join(dir, cardFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	card, err := dkg.ParseCard(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return card, nil
}

func newSelf(name, url string) (*self, error) {
	_, signing, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	opening, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, err
	}
	card, err := dkg.SignCard(signing, name, url, opening.PublicKey())
	if err != nil {
		return nil, err
	}
	return &self{card: card, signing: signing, opening: opening}, nil
}

func (s *self) save(dir string, protector custody.Protector) error {
	opening, err := s.opening.Bytes()
	if err != nil {
		return err
	}
	secret := encoding.LP(keysLabel, s.signing.Seed(), opening, s.card.Bytes())
	defer clear(secret)
	sealed, err := protector.Seal(secret, keysPurpose)
	if err != nil {
		return err
	}
	return custody.WriteSecretFile(filepath.Join(dir, keysFile), sealed)
}

func loadSelf(dir string, protector custody.Protector) (*self, error) {
	path := filepath.Join(dir, keysFile)
	sealed, err := custody.ReadSecretFile(path)
	if err != nil {
		return nil, err
	}
	secret, err := protector.Open(sealed, keysPurpose)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer clear(secret)
	me, err := parseSelf(secret)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, custody.ErrDamaged, err)
	}
	return me, nil
}

func parseSelf(secret []byte) (*self, error) {
	r := encoding.Open(secret, keysLabel)
	seed, opening, card := r.Fixed(ed25519.SeedSize), r.Bytes(maxHPKE), r.Bytes(dkg.MaxCard)
	if err := r.Close(); err != nil {
		return nil, err
	}
	me := &self{signing: ed25519.NewKeyFromSeed(seed)}
	var err error
	if me.opening, err = hpke.MLKEM768X25519().NewPrivateKey(opening); err != nil {
		return nil, errors.New("the HPKE key does not parse")
	}
	if me.card, err = dkg.ParseCard(card); err != nil {
		return nil, err
	}
	if !me.card.Ed25519.Equal(me.signing.Public()) || string(me.card.HPKE.Bytes()) != string(me.opening.PublicKey().Bytes()) {
		return nil, errors.New("the card is not of these keys")
	}
	return me, nil
}

func stateConfig(dir string) store.Config {
	return store.Config{Path: filepath.Join(dir, stateFile), Schema: store.Authority()}
}

func writeCard(path string, card *dkg.Card) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(card.Bytes())
	return errors.Join(err, f.Sync(), f.Close())
}

func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return withHint(fmt.Errorf("%s: %w: mode %04o", dir, custody.ErrPermissions, perm), "chmod 700 "+dir)
	}
	return nil
}

// hinted is an error about which the operator can do something.
type hinted struct {
	error
	hint string
}

func withHint(err error, hint string) error { return &hinted{err, hint} }

// Unwrap returns the error without its hint.
func (h *hinted) Unwrap() error { return h.error }

// Hint returns what to do next.
func (h *hinted) Hint() string { return h.hint }
