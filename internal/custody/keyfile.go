package custody

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
)

const keyFileComment = "# Milagro key file: whoever reads it opens every secret sealed with it.\n"

// NewKeyFile makes a key, writes it to a new file at path (mode 0600, text) and
// returns its Protector. An existing file is refused with fs.ErrExist.
func NewKeyFile(path string) (Protector, error) {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return Protector{}, fmt.Errorf("key file %s: %w", path, err)
	}
	if err := WriteSecretFile(path, []byte(keyFileComment+identity.String()+"\n")); err != nil {
		return Protector{}, err
	}
	return Protector{recipient: identity.Recipient(), identity: identity}, nil
}

// FromKeyFile returns the Protector of a file that NewKeyFile made, or that
// holds one post-quantum key of age-keygen. Errors: ErrPermissions, ErrDamaged
// when it holds no such key, or more than one.
func FromKeyFile(path string) (Protector, error) {
	b, err := ReadSecretFile(path)
	if err != nil {
		return Protector{}, err
	}
	defer clear(b)
	identity, err := parseKey(b)
	if err != nil {
		return Protector{}, &FileError{Path: path, err: fmt.Errorf("%w: %w", ErrDamaged, err),
			hint: "restore the key file from its copy: without it nothing sealed with it opens"}
	}
	return Protector{recipient: identity.Recipient(), identity: identity}, nil
}

// FromPassphraseFile returns the Protector of the passphrase in the file at
// path: its whole content without one final line end. Errors: ErrPermissions,
// ErrDamaged when it is empty.
func FromPassphraseFile(path string) (Protector, error) {
	b, err := ReadSecretFile(path)
	if err != nil {
		return Protector{}, err
	}
	defer clear(b)
	p, err := FromPassphrase(bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r")))
	if err != nil {
		return Protector{}, &FileError{Path: path, err: fmt.Errorf("%w: %w", ErrDamaged, err),
			hint: "the file holds the passphrase and nothing else"}
	}
	return p, nil
}

// parseKey reads the one key among comments and empty lines. Its errors never
// quote the text.
func parseKey(b []byte) (*age.HybridIdentity, error) {
	var key *age.HybridIdentity
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if key != nil {
			return nil, errors.New("more than one key")
		}
		parsed, err := age.ParseHybridIdentity(line)
		if err != nil {
			return nil, errors.New("not an age key of the post-quantum kind (AGE-SECRET-KEY-PQ-1…)")
		}
		key = parsed
	}
	if key == nil {
		return nil, errors.New("no key in it")
	}
	return key, nil
}
