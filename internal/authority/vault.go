package authority

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"milagro.dev/internal/custody"
	"milagro.dev/keys"
)

// vault keeps the shares of masters at rest: one sealed file a generation, which
// is never replaced. A file whose run was never confirmed may stay behind after a
// crash; it opens nothing.
type vault struct {
	dir       string
	protector custody.Protector
}

func (v *vault) path(g keys.Generation) string {
	return filepath.Join(v.dir, fmt.Sprintf("%d-%x.share", g.Counter, g.Hash))
}

func sharePurpose(g keys.Generation) string { return "master share " + hex.EncodeToString(g.Bytes()) }

// save returns when the share is durable.
func (v *vault) save(share keys.MasterShare) error {
	secret := share.Expose()
	defer clear(secret)
	sealed, err := v.protector.Seal(secret, sharePurpose(share.Generation()))
	if err != nil {
		return err
	}
	return custody.WriteSecretFile(v.path(share.Generation()), sealed)
}

// load returns the share of a generation; the caller compares it with what is
// public of it.
func (v *vault) load(g keys.Generation) (keys.MasterShare, error) {
	path := v.path(g)
	sealed, err := custody.ReadSecretFile(path)
	if err != nil {
		return keys.MasterShare{}, err
	}
	secret, err := v.protector.Open(sealed, sharePurpose(g))
	if err != nil {
		return keys.MasterShare{}, fmt.Errorf("%s: %w", path, err)
	}
	defer clear(secret)
	share, err := keys.ParseMasterShare(secret)
	if err == nil && share.Generation() != g {
		err = keys.ErrGeneration
	}
	if err != nil {
		return keys.MasterShare{}, fmt.Errorf("%s: %w: %w", path, custody.ErrDamaged, err)
	}
	return share, nil
}

// remove erases the share of a run that can never be certified.
func (v *vault) remove(g keys.Generation) error { return custody.RemoveSecretFile(v.path(g)) }

// shareFault says in words for strangers why a share cannot be used.
func shareFault(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the sealed share is not here")
	case errors.Is(err, custody.ErrWrongKey):
		return errors.New("the sealed share was sealed with another key")
	case errors.Is(err, custody.ErrDamaged), errors.Is(err, custody.ErrPurpose):
		return errors.New("the sealed share is damaged")
	case errors.Is(err, errOtherShare):
		return errOtherShare
	}
	return errors.New("the sealed share cannot be read")
}
