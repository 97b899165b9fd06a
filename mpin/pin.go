package mpin

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const (
	// SaltSize is the length of a salt, in bytes.
	SaltSize = 32
	// MinPIN and MaxPIN bound the length of a PIN, in characters.
	MinPIN, MaxPIN = 4, 64

	pinLabel    = "milagro/v1 pin"
	pinDST      = "MILAGRO-V1-PIN-SCALAR_XMD:SHA-256"
	stretchSize = 32
)

var (
	// ErrPIN says that a PIN is not of the form of one. It does not repeat it.
	ErrPIN = fmt.Errorf("a PIN has %d to %d printable ASCII characters", MinPIN, MaxPIN)
	// ErrFactor says that a factor is empty or was erased: with α = 0 a token would be
	// the whole key.
	ErrFactor = errors.New("no PIN factor: it was erased")
	// ErrParams says that the cost of stretching is out of bounds.
	ErrParams = errors.New("cost of Argon2id out of bounds")
)

// Params are the cost of Argon2id (RFC 9106).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// DefaultParams returns 64 MiB, three passes, one thread.
func DefaultParams() Params { return Params{Memory: 64 << 10, Time: 3, Threads: 1} }

// Check returns an error that wraps ErrParams unless p lies between the floor,
// below which a PIN would be too cheap to search, and the ceiling, above which a
// damaged file would take the machine.
func (p Params) Check() error {
	ok := p.Memory >= 19<<10 && p.Memory <= 1<<20 && p.Time >= 2 && p.Time <= 16 && p.Threads >= 1 && p.Threads <= 4
	if !ok {
		return fmt.Errorf("%w: %d KiB, %d passes, %d threads", ErrParams, p.Memory, p.Time, p.Threads)
	}
	return nil
}

// CheckPIN returns ErrPIN unless pin is of the form of a PIN.
func CheckPIN(pin []byte) error {
	if len(pin) < MinPIN || len(pin) > MaxPIN {
		return ErrPIN
	}
	for _, c := range pin {
		if c < ' ' || c > '~' {
			return ErrPIN
		}
	}
	return nil
}

// Factor is α, what a PIN is worth on one device. It is secret and is kept
// nowhere.
type Factor struct{ alpha pairing.Secret }

// Stretch makes the factor of a PIN with the salt of its token. It takes as long
// as p says. Errors are ErrPIN, or wrap ErrParams.
func Stretch(pin []byte, salt [SaltSize]byte, p Params) (Factor, error) {
	if err := CheckPIN(pin); err != nil {
		return Factor{}, err
	}
	if err := p.Check(); err != nil {
		return Factor{}, err
	}
	stretched := argon2.IDKey(pin, salt[:], p.Time, p.Memory, p.Threads, stretchSize)
	defer clear(stretched)
	return newFactor(stretched)
}

func newFactor(stretched []byte) (Factor, error) {
	message := encoding.LP(pinLabel, stretched)
	defer clear(message)
	alpha, err := pairing.HashToSecret(pinDST, message)
	return Factor{alpha}, err
}

// Split makes the token T = Σ λ_i(s_i·A − αA) of the verified shares of key, whose
// purpose is mpin. The whole key is never made. Errors are those of
// keys.Combine, wrap identity.ErrPurpose, or are ErrFactor.
func (f Factor) Split(key identity.Key, threshold int, shares []keys.Share) (keys.Private, error) {
	if key.Purpose != identity.MPin {
		return keys.Private{}, fmt.Errorf("%w: %q is not split by a PIN", identity.ErrPurpose, key.Purpose)
	}
	if f.alpha.IsZero() {
		return keys.Private{}, ErrFactor
	}
	a, err := key.Point()
	if err != nil {
		return keys.Private{}, err
	}
	part := a.MulSecret(f.alpha)
	defer part.Erase()
	return keys.CombineLess(threshold, shares, part)
}

// Erase overwrites the factor; f is of no further use.
func (f *Factor) Erase() { f.alpha.Erase() }

// String does not tell the factor.
func (f Factor) String() string { return "PIN factor [redacted]" }

// GoString returns what String does.
func (f Factor) GoString() string { return f.String() }
