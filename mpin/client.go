package mpin

import (
	"crypto"
	"errors"
	"fmt"
	"sync"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const nonceLabel = "milagro/v1 mpin nonce"

// ErrUsed says that an attempt was finished before. Two answers for one U would
// give the key away.
var ErrUsed = errors.New("login attempt already answered")

// Secrets are what a client logs in with. Begin takes no copy of Factor that
// outlives it.
type Secrets struct {
	Token  keys.Private  // T
	Permit keys.Private  // P_e of the login's epoch
	Factor Factor        // α, of the PIN that was just typed
	Signer crypto.Signer // the device key
}

// Attempt is one login between its two passes. It lives in memory only and is never
// copied. Of goroutines that finish it at once one gets the answer.
type Attempt struct {
	login      Login
	signer     crypto.Signer
	commitment Commitment

	mu   sync.Mutex // guards what follows: an answer with x erased midway would be −y·K
	used bool
	key  pairing.SecretG1 // K = T + αA + P_e
	x    pairing.Secret
}

// Begin draws x and commits to it. Whether the PIN is right it cannot tell. An
// error wraps identity.ErrPurpose if a field of l is missing, identity.ErrDevice if
// the signer is another device's, or is ErrFactor.
func Begin(l Login, s Secrets) (*Attempt, error) {
	if s.Factor.alpha.IsZero() {
		return nil, fmt.Errorf("login: %w", ErrFactor)
	}
	device, err := identity.DeviceOf(s.Signer)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	if device.Hash() != l.Device.Hash() {
		return nil, fmt.Errorf("login: %w: the signer is another device", identity.ErrDevice)
	}
	a, b, err := l.points()
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	part := a.MulSecret(s.Factor.alpha)
	defer part.Erase()
	t := &Attempt{login: l, signer: s.Signer, key: s.Token.Secret().Add(part).Add(s.Permit.Secret())}
	hedge := t.key.Expose()
	defer clear(hedge)
	hash := l.Device.Hash()
	t.x = pairing.Nonce(hedge, encoding.LP(nonceLabel, l.Domain[:], l.Service[:], []byte(l.Name.String()), hash[:], l.Epoch.Bytes()))
	t.commitment, err = ParseCommitment(b.MulSecret(t.x).Publish().Bytes())
	return t, err
}

// Commitment returns U = xB, the first message.
func (t *Attempt) Commitment() Commitment { return t.commitment }

// Proof is the second message: V and the device's signature.
type Proof struct {
	V         [pairing.G1Size]byte
	Signature [identity.SignatureSize]byte
}

// Finish answers the first challenge that comes, and no second one, whatever
// becomes of the first: from then on it is ErrUsed. Other errors are the signer's.
func (t *Attempt) Finish(c Challenge) (Proof, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.used {
		return Proof{}, ErrUsed
	}
	defer t.erase()
	transcript, err := t.login.Transcript(t.commitment, c)
	if err != nil {
		return Proof{}, err
	}
	y, err := transcript.y()
	if err != nil {
		return Proof{}, err
	}
	k := t.x.AddPublic(y)
	defer k.Erase()
	if k.IsZero() {
		return Proof{}, fmt.Errorf("login: %w: x + y is zero", pairing.ErrScalar)
	}
	p := Proof{V: [pairing.G1Size]byte(t.key.MulSecret(k).Neg().Publish().Bytes())}
	signature, err := identity.SignDevice(t.signer, transcript.digest(p.V[:]))
	if err != nil {
		return Proof{}, err
	}
	p.Signature = [identity.SignatureSize]byte(signature)
	return p, nil
}

// Erase overwrites what the attempt holds; it can be finished no more.
func (t *Attempt) Erase() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
}

func (t *Attempt) erase() {
	t.used = true
	t.x.Erase()
	t.key.Erase()
}
