package wallet

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/mpin"
)

// Config says where a wallet lies and what it works with.
type Config struct {
	// Dir is the wallet's directory. It is made, mode 0700, when missing.
	Dir string
	// DeviceKey returns the P-256 key with which the requests for a name are
	// signed, and must return the same one ever after: it may live in a TPM. Nil
	// makes a key for each name and keeps it in Dir.
	DeviceKey func(identity.Name) (crypto.Signer, error)
	// LoginKey does the same for logins, each of which needs a device key of its own,
	// as does each new PIN: it returns the P-256 key called id, 32 hexadecimal digits,
	// and makes it the first time. Nil makes keys and keeps them in Dir.
	LoginKey func(id string) (crypto.Signer, error)
	// Client speaks to authorities and login servers; nil stands for the zero Client.
	Client *dta.Client
	// Clock tells the time; nil stands for time.Now.
	Clock func() time.Time
	// Logger gets what nobody waits for an answer to: renewals by Keep, and
	// troubles that did not stop a Source. Nil stands for none.
	Logger *slog.Logger
	// Renewed, if not nil, is told in place of Logger what came of each try of Keep. It
	// is called by many goroutines and is quick.
	Renewed func(Renewal)
}

// Wallet is an open wallet. Its methods may be called by many goroutines, and
// other processes may have the same directory open.
type Wallet struct {
	dir       string
	disk      disk
	deviceKey func(identity.Name) (crypto.Signer, error)
	loginKey  func(id string) (crypto.Signer, error)
	client    *dta.Client
	clock     func() time.Time
	log       *slog.Logger
	renewed   func(Renewal)
	params    mpin.Params // of new tokens

	deny     denyList
	listings listings

	mu      sync.Mutex // of domains
	domains map[string]*domain
}

// Open opens the wallet in c.Dir. It refuses, with a *FileError that wraps
// ErrPermissions, a directory that others than the owner may enter.
func Open(c Config) (*Wallet, error) { return open(c, disk{}) }

func open(c Config, d disk) (*Wallet, error) {
	if c.Dir == "" {
		return nil, errors.New("open wallet: no directory given")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	w := &Wallet{dir: dir, disk: d, deviceKey: c.DeviceKey, loginKey: c.LoginKey, clock: c.Clock, params: mpin.DefaultParams(), domains: map[string]*domain{},
		client: cmp.Or(c.Client, new(dta.Client)), log: cmp.Or(c.Logger, slog.New(slog.DiscardHandler)), renewed: c.Renewed}
	if w.clock == nil {
		w.clock = time.Now
	}
	if w.renewed == nil {
		w.renewed = w.logRenewal
	}
	if err := w.makeDirs(); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Wallet) makeDirs() error {
	for _, path := range []string{w.dir, w.domainsDir(), w.namesDir(), w.loginsDir(), w.evidenceDir()} {
		if err := w.disk.makeDir(path); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return fileError(path, err)
		}
		if err := private(path, info); err != nil {
			return err
		}
	}
	return nil
}

// Dir returns the absolute path of the wallet's directory.
func (w *Wallet) Dir() string { return w.dir }

// now returns the time in unix seconds.
func (w *Wallet) now() uint64 { return uint64(max(0, w.clock().Unix())) }

func (w *Wallet) domainsDir() string  { return filepath.Join(w.dir, "domains") }
func (w *Wallet) namesDir() string    { return filepath.Join(w.dir, "names") }
func (w *Wallet) loginsDir() string   { return filepath.Join(w.dir, "logins") }
func (w *Wallet) evidenceDir() string { return filepath.Join(w.dir, "evidence") }

// domainDir is safe as a path: a domain name has no slash and no empty label.
func (w *Wallet) domainDir(domain string) string { return filepath.Join(w.domainsDir(), domain) }

// nameDir is a hash, since names are longer than file names may be, and differ
// by case where file systems do not.
func (w *Wallet) nameDir(n identity.Name) string {
	sum := sha256.Sum256(encoding.LP("milagro/v1 wallet name", []byte(n.String())))
	return filepath.Join(w.namesDir(), hex.EncodeToString(sum[:]))
}
