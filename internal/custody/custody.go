// Package custody keeps secrets at rest: sealed by something the operator
// holds, in files that only the owner reads, each bound to its purpose.
//
// A Protector is made from a passphrase or from a key file and seals any
// number of secrets. What it seals is an age file (age-encryption.org/v1;
// scrypt for a passphrase, ML-KEM-768 with X25519 for a key file) in an
// envelope:
//
//	sealed    = LP("milagro/v1 sealed", SHA-256(age file), age file)
//	plaintext = LP("milagro/v1 custody", purpose, secret)
//
// The purpose is inside the encryption, so one sealed file cannot be passed
// off as another: a share of an old generation does not open as the current
// one. The hash outside is no protection against anybody; it tells a damaged
// disk (ErrDamaged) from a wrong passphrase (ErrWrongKey), which age alone
// cannot.
//
// Whoever holds the key file, or guesses the passphrase, and reads the sealed
// files has the secrets: keep them apart, and a copy of the key in a safe.
package custody

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"filippo.io/age"

	"milagro.dev/internal/encoding"
)

// MaxSecret is the largest secret that is sealed, in bytes.
const MaxSecret = 1 << 20

// workFactor is age's own default for scrypt: log2 of the iterations, about
// one second and 256 MiB. Files that ask for more are refused as damaged.
const workFactor = 18

const (
	sealedLabel   = "milagro/v1 sealed"
	envelopeLabel = "milagro/v1 custody"
	maxPurpose    = 256
)

var (
	// ErrWrongKey is wrapped when the sealed bytes are whole, but were sealed
	// with another passphrase or key file.
	ErrWrongKey = errors.New("wrong passphrase or key file")

	// ErrDamaged is wrapped when bytes are not what was once written. The
	// file they came from is left as it is.
	ErrDamaged = errors.New("damaged secret")

	// ErrPurpose is wrapped when the sealed bytes were sealed for something else.
	ErrPurpose = errors.New("sealed for another purpose")

	// ErrPermissions is wrapped when others than the owner may read or write
	// a secret file.
	ErrPermissions = errors.New("secret file open to others")
)

// Protector seals and opens secrets. The zero Protector does neither. It may
// be used by many goroutines and does not print what it holds.
type Protector struct {
	recipient age.Recipient
	identity  age.Identity
}

// String returns a fixed text, so that no log carries the key.
func (Protector) String() string { return "[redacted]" }

// GoString returns a fixed text, so that no log carries the key.
func (Protector) GoString() string { return "[redacted]" }

// LogValue returns a fixed text, so that no log carries the key.
func (Protector) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// FromPassphrase returns a Protector whose key is stretched from passphrase,
// anew for each secret: about one second and 256 MiB a call of Seal or Open.
// An empty passphrase is refused.
func FromPassphrase(passphrase []byte) (Protector, error) {
	return fromPassphrase(passphrase, workFactor)
}

func fromPassphrase(passphrase []byte, logN int) (Protector, error) {
	recipient, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return Protector{}, err
	}
	identity, err := age.NewScryptIdentity(string(passphrase))
	if err != nil {
		return Protector{}, err
	}
	recipient.SetWorkFactor(logN)
	identity.SetMaxWorkFactor(logN)
	return Protector{recipient: recipient, identity: identity}, nil
}

// Seal returns plaintext, at most MaxSecret bytes, encrypted and bound to
// purpose, a text of at most 256 bytes that names this secret alone. Two calls
// never return the same bytes.
func (p Protector) Seal(plaintext []byte, purpose string) ([]byte, error) {
	switch {
	case p.recipient == nil:
		return nil, errors.New("seal: no passphrase or key file")
	case len(plaintext) > MaxSecret:
		return nil, fmt.Errorf("seal: secret of %d bytes, at most %d", len(plaintext), MaxSecret)
	case purpose == "" || len(purpose) > maxPurpose:
		return nil, fmt.Errorf("seal: purpose of %d bytes, 1 to %d", len(purpose), maxPurpose)
	}
	var file bytes.Buffer
	w, err := age.Encrypt(&file, p.recipient)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	envelope := encoding.LP(envelopeLabel, []byte(purpose), plaintext)
	defer clear(envelope)
	if _, err := w.Write(envelope); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	sum := sha256.Sum256(file.Bytes())
	return encoding.LP(sealedLabel, sum[:], file.Bytes()), nil
}

// Open returns the secret that Seal was given with the same purpose. Errors:
// ErrDamaged, ErrWrongKey, ErrPurpose.
func (p Protector) Open(sealed []byte, purpose string) ([]byte, error) {
	if p.identity == nil {
		return nil, errors.New("open: no passphrase or key file")
	}
	file, err := parseSealed(sealed)
	if err != nil {
		return nil, err
	}
	envelope, err := p.decrypt(file)
	if err != nil {
		return nil, err
	}
	defer clear(envelope)
	r := encoding.Open(envelope, envelopeLabel)
	sealedFor, secret := r.String(maxPurpose), r.Bytes(MaxSecret)
	if err := r.Close(); err != nil {
		clear(secret)
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if sealedFor != purpose {
		clear(secret)
		return nil, fmt.Errorf("%w: %q, not %q", ErrPurpose, sealedFor, purpose)
	}
	return secret, nil
}

// parseSealed returns the age file in sealed.
func parseSealed(sealed []byte) ([]byte, error) {
	r := encoding.Open(sealed, sealedLabel)
	sum, file := r.Fixed(sha256.Size), r.Bytes(2*MaxSecret)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if sha256.Sum256(file) != [sha256.Size]byte(sum) {
		return nil, fmt.Errorf("%w: checksum differs", ErrDamaged)
	}
	return file, nil
}

func (p Protector) decrypt(file []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(file), p.identity)
	if mismatch := (*age.NoIdentityMatchError)(nil); errors.As(err, &mismatch) {
		return nil, ErrWrongKey
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	envelope, err := io.ReadAll(r)
	if err != nil {
		clear(envelope)
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return envelope, nil
}
