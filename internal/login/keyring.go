package login

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"milagro.dev/identity"
	"milagro.dev/internal/custody"
	"milagro.dev/keys"
)

// keyring keeps the server key S at rest, and until it is whole its shares: sealed
// files, each for one service and generation, which are never replaced.
type keyring struct {
	dir       string
	protector custody.Protector
}

// errUnfit says that a sealed server key is not that of the service's master.
var errUnfit = errors.New("the sealed server key does not fit the service's master")

func (k *keyring) keyPath(g keys.Generation) string {
	return filepath.Join(k.dir, fmt.Sprintf("server-key-%d-%x", g.Counter, g.Hash))
}

func (k *keyring) sharePath(g keys.Generation, index uint32) string {
	return filepath.Join(k.dir, fmt.Sprintf("server-share-%d-%d-%x", index, g.Counter, g.Hash))
}

func keyPurpose(id identity.ServiceID, g keys.Generation) string {
	return fmt.Sprintf("server key %x %x", id, g.Bytes())
}

func serverSharePurpose(id identity.ServiceID, g keys.Generation, index uint32) string {
	return fmt.Sprintf("server share %d %x %x", index, id, g.Bytes())
}

// load returns the server key of a service, verified against its master.
func (k *keyring) load(s *served) (keys.ServerKey, error) {
	path := k.keyPath(s.service.Generation)
	secret, err := k.open(path, keyPurpose(s.id, s.service.Generation))
	if err != nil {
		return keys.ServerKey{}, err
	}
	defer clear(secret)
	key, err := keys.ParseServerKey(secret)
	if err != nil {
		return keys.ServerKey{}, fmt.Errorf("%s: %w: %w", path, custody.ErrDamaged, err)
	}
	if err := key.Verify(s.service.Master); err != nil {
		return keys.ServerKey{}, fmt.Errorf("%s: %w", path, errUnfit)
	}
	return key, nil
}

// save returns when the server key is durable; then its shares are erased.
func (k *keyring) save(s *served, key keys.ServerKey) error {
	secret := key.Expose()
	defer clear(secret)
	g := s.service.Generation
	if err := k.seal(k.keyPath(g), keyPurpose(s.id, g), secret); err != nil {
		return err
	}
	return k.eraseShares(g)
}

func (k *keyring) eraseShares(g keys.Generation) error {
	paths, err := filepath.Glob(filepath.Join(k.dir, fmt.Sprintf("server-share-*-%d-%x", g.Counter, g.Hash)))
	for _, path := range paths {
		err = errors.Join(err, custody.RemoveSecretFile(path))
	}
	return err
}

// saveShare returns when an authority's share is durable.
func (k *keyring) saveShare(s *served, share keys.ServerShare) error {
	secret := share.Expose()
	defer clear(secret)
	return k.seal(k.sharePath(share.Generation(), share.Index()), serverSharePurpose(s.id, share.Generation(), share.Index()), secret)
}

// loadShare returns an authority's share, verified against what is public of it.
func (k *keyring) loadShare(s *served, index uint32) (keys.ServerShare, error) {
	g := s.service.Generation
	path := k.sharePath(g, index)
	secret, err := k.open(path, serverSharePurpose(s.id, g, index))
	if err != nil {
		return keys.ServerShare{}, err
	}
	defer clear(secret)
	share, err := keys.ParseServerShare(index, g, secret)
	if err != nil {
		return keys.ServerShare{}, fmt.Errorf("%s: %w: %w", path, custody.ErrDamaged, err)
	}
	return share, share.Verify(s.service.Public[index-1])
}

// others reports whether there is a server key of another generation.
func (k *keyring) others() bool {
	paths, err := filepath.Glob(filepath.Join(k.dir, "server-key-*"))
	return err == nil && len(paths) > 0
}

func (k *keyring) seal(path, purpose string, secret []byte) error {
	sealed, err := k.protector.Seal(secret, purpose)
	if err != nil {
		return err
	}
	return custody.WriteSecretFile(path, sealed)
}

func (k *keyring) open(path, purpose string) ([]byte, error) {
	sealed, err := custody.ReadSecretFile(path)
	if err != nil {
		return nil, err
	}
	secret, err := k.protector.Open(sealed, purpose)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return secret, nil
}

// keyFault says in words for strangers why a sealed server key cannot be used.
func keyFault(err error) error {
	switch {
	case errors.Is(err, custody.ErrWrongKey):
		return errors.New("the sealed server key was sealed with another key")
	case errors.Is(err, custody.ErrPurpose):
		return errors.New("the sealed server key is that of another service or generation")
	case errors.Is(err, custody.ErrDamaged):
		return errors.New("the sealed server key is damaged")
	case errors.Is(err, errUnfit):
		return errUnfit
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the server key is not here")
	}
	return errors.New("the sealed server key cannot be read")
}
