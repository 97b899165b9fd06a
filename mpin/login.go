package mpin

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
)

const (
	// SessionSize and NonceSize are the lengths of both in bytes.
	SessionSize, NonceSize = 32, 32
	// ExporterSize is the length of a TLS exporter's output, in bytes.
	ExporterSize = 32
	// ExporterLabel is the label of RFC 9266 that channel kind 1 exports.
	ExporterLabel = "EXPORTER-Channel-Binding"
	// MaxTranscript is the greatest length of a transcript, in bytes.
	MaxTranscript = 4 << 10

	suite           = 1
	transcriptLabel = "milagro/v1 mpin login"
	intentLabel     = "milagro/v1 mpin new device"
	proofLabel      = "milagro/v1 mpin proof"
	transcriptDST   = "MILAGRO-V1-MPINY-SCALAR_XMD:SHA-256"
	maxOrigin       = 256
	maxIntent       = 128
)

// ErrTranscript is wrapped by every refusal of a transcript's bytes or parts.
var ErrTranscript = errors.New("not a login transcript")

// Login is who logs in, where, from which device and for what: all that both
// sides know before the first message (spec/mpin.md "Login").
type Login struct {
	Domain  identity.DomainID
	Service identity.ServiceID
	// Origin is where the login happens: the page's in a browser, the domain
	// document's in a native client; the server takes its own.
	Origin  string
	Name    identity.Name
	Device  identity.Device
	Epoch   identity.Epoch // of the permit
	Channel Channel
	Intent  Intent
}

// Channel is what a login is bound to beneath it. Its zero value is kind 0.
type Channel struct{ exporter string }

// Exporter returns a channel of kind 1: the TLS connection whose exporter
// (ExporterLabel, no context) has these 32 bytes. An error wraps ErrTranscript.
func Exporter(b []byte) (Channel, error) {
	if len(b) != ExporterSize {
		return Channel{}, fmt.Errorf("%w: an exporter of %d bytes", ErrTranscript, len(b))
	}
	return Channel{string(b)}, nil
}

// Kind returns 1 for a TLS connection, 0 where there is none to bind to: a browser,
// or a proxy that ends TLS.
func (c Channel) Kind() uint8 {
	if c.exporter == "" {
		return 0
	}
	return 1
}

// Intent is what a login is made for beyond logging in. Its zero value is
// nothing.
type Intent struct {
	device identity.DeviceHash
}

// NewDevice returns the intent to let a new device take the place of the one
// that logs in.
func NewDevice(device identity.DeviceHash) Intent { return Intent{device} }

// ParseIntent reads what Bytes returns; an error wraps ErrTranscript.
func ParseIntent(b []byte) (Intent, error) {
	if len(b) == 0 {
		return Intent{}, nil
	}
	r := encoding.Open(b, intentLabel)
	i := Intent{identity.DeviceHash(r.Fixed(32))}
	if err := r.Close(); err != nil {
		return Intent{}, fmt.Errorf("%w: intent: %w", ErrTranscript, err)
	}
	if i == (Intent{}) {
		return Intent{}, fmt.Errorf("%w: intent: no device", ErrTranscript)
	}
	return i, nil
}

// Bytes returns nothing, or LP("milagro/v1 mpin new device", device).
func (i Intent) Bytes() []byte {
	if i == (Intent{}) {
		return nil
	}
	return encoding.LP(intentLabel, i.device[:])
}

// Device returns the new device, if that is the intent.
func (i Intent) Device() (identity.DeviceHash, bool) { return i.device, i != Intent{} }

// key returns the M-Pin key or the permit of the login.
func (l Login) key(purpose identity.Purpose) identity.Key {
	k := identity.Key{Domain: l.Domain, Purpose: purpose, Service: l.Service, Name: l.Name, Device: l.Device.Hash()}
	if purpose == identity.Permit {
		k.Epoch = l.Epoch
	}
	return k
}

// points returns A and B = A + A_e.
func (l Login) points() (a, b pairing.G1, err error) {
	a, err = l.key(identity.MPin).Point()
	if err != nil {
		return a, b, err
	}
	permit, err := l.key(identity.Permit).Point()
	return a, a.Add(permit), err
}

// Commitment is U, to which the client commits before there is a nonce.
type Commitment struct {
	bytes [pairing.G1Size]byte
	point *pairing.G1 // U, if it was decoded; it does not change
}

// ParseCommitment reads the 48 bytes of U; an error wraps pairing.ErrPoint.
func ParseCommitment(b []byte) (Commitment, error) {
	u, err := pairing.ParseG1(b)
	if err != nil {
		return Commitment{}, fmt.Errorf("commitment: %w", err)
	}
	return Commitment{[pairing.G1Size]byte(b), &u}, nil
}

// decoded returns U.
func (c Commitment) decoded() (pairing.G1, error) {
	if c.point != nil {
		return *c.point, nil
	}
	return pairing.ParseG1(c.bytes[:])
}

// Bytes returns the 48 bytes of U.
func (c Commitment) Bytes() []byte { return c.bytes[:] }

// Challenge is what the server answers to a commitment, and to no other.
type Challenge struct {
	Session [SessionSize]byte
	Nonce   [NonceSize]byte
}

// NewChallenge draws a fresh challenge. It is called after the commitment is
// fixed: whoever could choose U after y could log in as anybody.
func NewChallenge() Challenge {
	var c Challenge
	rand.Read(c.Session[:])
	rand.Read(c.Nonce[:])
	return c
}

// Transcript is everything that a proof is bound to: Login, challenge and
// commitment. It does not change.
type Transcript struct {
	login      Login
	challenge  Challenge
	commitment Commitment
	bytes      []byte
}

// Transcript returns the transcript of a login with this commitment and
// challenge; an error wraps ErrTranscript.
func (l Login) Transcript(u Commitment, c Challenge) (Transcript, error) {
	t, err := ParseTranscript(encoding.LP(transcriptLabel, encoding.U8(suite), l.Domain[:], l.Service[:], []byte(l.Origin),
		[]byte(l.Name.String()), l.Device.Bytes(), l.Epoch.Bytes(), c.Session[:], c.Nonce[:], u.Bytes(),
		encoding.U8(l.Channel.Kind()), []byte(l.Channel.exporter), l.Intent.Bytes()))
	t.commitment = u
	return t, err
}

// ParseTranscript reads what Bytes returns; an error wraps ErrTranscript. U is
// decoded when the login is verified.
func ParseTranscript(b []byte) (Transcript, error) {
	t, err := parseTranscript(b)
	if err != nil && !errors.Is(err, ErrTranscript) {
		err = fmt.Errorf("%w: %w", ErrTranscript, err)
	}
	return t, err
}

func parseTranscript(b []byte) (t Transcript, err error) {
	r := encoding.Open(b, transcriptLabel)
	if r.U8() != suite {
		r.Fail(errors.New("another suite"))
	}
	l := &t.login
	l.Domain, l.Service, l.Origin = identity.DomainID(r.Fixed(32)), identity.ServiceID(r.Fixed(32)), r.String(maxOrigin)
	name, spki, epoch := r.String(identity.MaxName), r.Fixed(identity.SPKISize), r.Fixed(identity.EpochSize)
	t.challenge = Challenge{Session: [SessionSize]byte(r.Fixed(SessionSize)), Nonce: [NonceSize]byte(r.Fixed(NonceSize))}
	t.commitment.bytes = [pairing.G1Size]byte(r.Fixed(pairing.G1Size))
	kind, exporter, intent := r.U8(), r.Bytes(ExporterSize), r.Bytes(maxIntent)
	if err := r.Close(); err != nil {
		return t, err
	}
	if l.Name, err = identity.ParseName(name); err != nil {
		return t, err
	}
	if l.Device, err = identity.ParseDevice(spki); err != nil {
		return t, err
	}
	if l.Epoch, err = identity.ParseEpoch(epoch); err != nil {
		return t, err
	}
	if err := identity.CheckOrigin(l.Origin); err != nil {
		return t, err
	}
	if l.Intent, err = ParseIntent(intent); err != nil {
		return t, err
	}
	if l.Intent.device == l.Device.Hash() {
		return t, errors.New("the new device is the old one")
	}
	if kind > 1 || (kind == 1) != (len(exporter) == ExporterSize) || kind == 0 && len(exporter) != 0 {
		return t, fmt.Errorf("channel of kind %d with %d bytes", kind, len(exporter))
	}
	l.Channel = Channel{string(exporter)}
	t.bytes = append([]byte(nil), b...)
	return t, nil
}

// Bytes returns the exact bytes of the transcript (spec/mpin.md "Login").
func (t Transcript) Bytes() []byte { return append([]byte(nil), t.bytes...) }

// Login returns who logs in.
func (t Transcript) Login() Login { return t.login }

// Challenge returns the server's challenge.
func (t Transcript) Challenge() Challenge { return t.challenge }

// y is S_MPINY(transcript); zero is refused.
func (t Transcript) y() (pairing.Scalar, error) { return pairing.HashToScalar(transcriptDST, t.bytes) }

// digest is what the device signs: H(LP("milagro/v1 mpin proof", transcript, V)).
func (t Transcript) digest(v []byte) [32]byte {
	return sha256.Sum256(encoding.LP(proofLabel, t.bytes, v))
}
