package login

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"milagro.dev/dta"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/store"
)

// What lies in a login server's directory.
const (
	keysFile    = "keys.sealed"
	cardFile    = "card"
	stateFile   = "state.db"
	walletDir   = "wallet"
	journalFile = "revoked"
	socketFile  = "admin.sock"
)

const (
	keysLabel   = "milagro/v1 login keys"
	keysPurpose = "login server keys"
	maxCard     = 2 << 10
	p256Size    = 32
)

// InitConfig says which login server to make.
type InitConfig struct {
	// Dir is made, mode 0700.
	Dir string
	// Protector seals the server's keys.
	Protector custody.Protector
	// Service is the name of the service, Origin where it is served: the URL of its
	// pages, without a path.
	Service, Origin string
	// Database is Config.Database: with one, no SQLite file is made.
	Database string
}

// self is the login server as its card names it, with the private halves.
type self struct {
	card       *dta.LoginCard
	signing    ed25519.PrivateKey // vouchers, notices, requests for the server key
	statements *ecdsa.PrivateKey  // what accepted logins get
}

// Init makes the directory of a new login server: its keys, sealed, an empty state
// unless that is in PostgreSQL, and its signed card, for the plan of its service's
// ceremony. What a crash left in the middle is completed; a directory that is
// complete is left as it is: fs.ErrExist. Other errors wrap dta.ErrLoginServer or
// are the operating system's.
func Init(ctx context.Context, cfg InitConfig) (*dta.LoginCard, error) {
	card, err := initialise(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("make login server in %s: %w", cfg.Dir, err)
	}
	return card, nil
}

// initialise writes the keys last but for the card, a copy of what they hold:
// whatever a crash leaves without keys has signed nothing and is used again.
func initialise(ctx context.Context, cfg InitConfig) (*dta.LoginCard, error) {
	if _, err := os.Lstat(filepath.Join(cfg.Dir, keysFile)); err == nil {
		return complete(cfg)
	}
	me, err := newSelf(cfg.Service, cfg.Origin)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := checkPrivate(cfg.Dir); err != nil {
		return nil, err
	}
	if cfg.Database == "" {
		if err := makeState(ctx, cfg.Dir); err != nil {
			return nil, err
		}
	}
	if err := me.save(cfg.Dir, cfg.Protector); err != nil {
		return nil, err
	}
	return me.card, writeCard(cfg.Dir, me.card)
}

func makeState(ctx context.Context, dir string) error {
	db, err := store.Create(ctx, stateConfig(dir, ""))
	if errors.Is(err, fs.ErrExist) { // from a crash, if it is a state at all
		db, err = store.Open(ctx, stateConfig(dir, ""))
	}
	if err != nil {
		return err
	}
	return db.Close()
}

// complete writes the card that a crash left out, if the keys are those of this
// service.
func complete(cfg InitConfig) (*dta.LoginCard, error) {
	if _, err := os.Lstat(filepath.Join(cfg.Dir, cardFile)); err == nil {
		return nil, withHint(fmt.Errorf("%s: %w", keysFile, fs.ErrExist), "keys are never overwritten: choose an empty directory")
	}
	me, err := loadSelf(cfg.Dir, cfg.Protector)
	if err != nil {
		return nil, err
	}
	if me.card.Service != cfg.Service || me.card.Origin != cfg.Origin {
		return nil, fmt.Errorf("%s: %w, for %s at %s", keysFile, fs.ErrExist, me.card.Service, me.card.Origin)
	}
	return me.card, writeCard(cfg.Dir, me.card)
}

// ReadCard returns the card of the login server in dir; no secret is needed.
func ReadCard(dir string) (*dta.LoginCard, error) {
	path := filepath.Join(dir, cardFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	card, err := dta.ParseLoginCard(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return card, nil
}

// WalletDir returns where the login server in dir keeps the domain that it trusts.
func WalletDir(dir string) string { return filepath.Join(dir, walletDir) }

func newSelf(service, origin string) (*self, error) {
	_, signing, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	statements, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	card, err := dta.SignLoginCard(signing, service, origin)
	if err != nil {
		return nil, err
	}
	return &self{card: card, signing: signing, statements: statements}, nil
}

func (s *self) save(dir string, protector custody.Protector) error {
	statements, err := s.statements.Bytes()
	if err != nil {
		return err
	}
	defer clear(statements)
	secret := encoding.LP(keysLabel, s.signing.Seed(), statements, s.card.Bytes())
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
	seed, statements, card := r.Fixed(ed25519.SeedSize), r.Fixed(p256Size), r.Bytes(maxCard)
	if err := r.Close(); err != nil {
		return nil, err
	}
	me := &self{signing: ed25519.NewKeyFromSeed(seed)}
	var err error
	if me.statements, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), statements); err != nil {
		return nil, errors.New("the key of statements does not parse")
	}
	if me.card, err = dta.ParseLoginCard(card); err != nil {
		return nil, err
	}
	if !me.card.Ed25519.Equal(me.signing.Public()) {
		return nil, errors.New("the card is not of these keys")
	}
	return me, nil
}

func stateConfig(dir, url string) store.Config {
	if url != "" {
		return store.Config{URL: url, Schema: store.Login()}
	}
	return store.Config{Path: filepath.Join(dir, stateFile), Schema: store.Login()}
}

// writeCard replaces nothing: a card that is there is complete.
func writeCard(dir string, card *dta.LoginCard) error {
	path := filepath.Join(dir, cardFile)
	if err := os.WriteFile(path+".new", card.Bytes(), 0o644); err != nil {
		return err
	}
	f, err := os.Open(path + ".new")
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
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
