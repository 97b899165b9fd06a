package dta

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"milagro.dev/internal/encoding"
)

const (
	codeSecret = 10 // bytes: 80 random bits
	codeDigits = 16
	codeCheck  = 2
)

// ErrCode is wrapped by every refusal of a one-time code's text.
var ErrCode = errors.New("not a one-time code")

var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// Code is a one-time code of one authority: the evidence with which a name is
// first enrolled there (spec/issuance.md). It is a secret until used.
type Code struct {
	index  uint32
	secret [codeSecret]byte
}

// NewCode returns a fresh code of the authority with this index.
func NewCode(index uint32) Code {
	c := Code{index: index}
	rand.Read(c.secret[:])
	return c
}

// ParseCode reads the text of Canonical, in either case and with O for 0 and
// I or L for 1; an error wraps ErrCode and does not repeat the code.
func ParseCode(s string) (Code, error) {
	prefix, rest, ok := strings.Cut(strings.TrimSpace(s), "-")
	index, err := strconv.ParseUint(prefix, 10, 32)
	if !ok || err != nil || index < 1 || index > MaxAuthorities || strconv.FormatUint(index, 10) != prefix {
		return Code{}, fmt.Errorf("%w: it begins with the number of its authority and a hyphen", ErrCode)
	}
	digits := strings.NewReplacer("-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(rest))
	if len(digits) != codeDigits+codeCheck {
		return Code{}, fmt.Errorf("%w: %d characters where %d belong", ErrCode, len(digits), codeDigits+codeCheck)
	}
	secret, err := crockford.DecodeString(digits[:codeDigits])
	if err != nil || len(secret) != codeSecret { // base32 passes over ends of lines
		return Code{}, fmt.Errorf("%w: it has a character that codes do not use", ErrCode)
	}
	c := Code{index: uint32(index), secret: [codeSecret]byte(secret)}
	if c.check() != digits[codeDigits:] {
		return Code{}, fmt.Errorf("%w: mistyped, its last two characters do not fit", ErrCode)
	}
	return c, nil
}

// Index returns the index of the authority that made the code.
func (c Code) Index() uint32 { return c.index }

// Canonical returns INDEX-XXXX-XXXX-XXXX-XXXX-CC: the secret itself.
func (c Code) Canonical() string {
	d := crockford.EncodeToString(c.secret[:])
	return fmt.Sprintf("%d-%s-%s-%s-%s-%s", c.index, d[:4], d[4:8], d[8:12], d[12:], c.check())
}

// Hash returns what the authority stores instead of the code.
func (c Code) Hash() [32]byte {
	return sha256.Sum256(encoding.LP("milagro/v1 code", encoding.U32(c.index), c.secret[:]))
}

// String returns the code without its secret, for logs and errors.
func (c Code) String() string { return fmt.Sprintf("%d-[redacted]", c.index) }

// GoString returns what String does.
func (c Code) GoString() string { return c.String() }

func (c Code) check() string {
	sum := sha256.Sum256(encoding.LP("milagro/v1 code check", encoding.U32(c.index), c.secret[:]))
	return crockford.EncodeToString(sum[:])[:codeCheck]
}
