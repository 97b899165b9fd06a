package dta

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const (
	loginCardLabel       = "milagro/v1 login card"
	cardFingerprintLabel = "milagro/v1 login card fingerprint"
	voucherLabel         = "milagro/v1 mpin voucher"
	noticeLabel          = "milagro/v1 mpin notice"
	// maxLoginWord bounds what a login server signs.
	maxLoginWord = 8 << 10
	maxLoginCard = 2 << 10
)

var (
	// ErrLoginServer is wrapped by every refusal of what a login server signed.
	ErrLoginServer = errors.New("not the login server's word")
	// ErrNoService says, besides, that the document lists no such service.
	ErrNoService = errors.New("no such login service")
)

// Service is an M-Pin login service as a document names it.
type Service struct {
	Name       string
	Master     keys.PinMaster
	Generation keys.Generation
	Origin     string
	LoginKey   ed25519.PublicKey // signs for the login server
	Public     []pairing.G1      // X_1…X_n
}

// Equal reports whether s and o are the same in every field.
func (s Service) Equal(o Service) bool { return bytes.Equal(s.encode(), o.encode()) }

// Services returns the domain's M-Pin services in order of their names.
func (d *Document) Services() []Service { return slices.Clone(d.fields.Services) }

// Service returns the M-Pin service with this name, if the domain has it.
func (d *Document) Service(name string) (Service, bool) {
	return d.findService(func(s Service) bool { return s.Name == name })
}

// ServiceByID returns the M-Pin service with this identity, if the domain has it.
func (d *Document) ServiceByID(id identity.ServiceID) (Service, bool) {
	return d.findService(func(s Service) bool { return d.ServiceID(s) == id })
}

// ServiceID returns the identity of a service of d.
func (d *Document) ServiceID(s Service) identity.ServiceID {
	return identity.NewServiceID(d.id, s.Name, s.Master.Point())
}

func (d *Document) findService(is func(Service) bool) (Service, bool) {
	at := slices.IndexFunc(d.fields.Services, is)
	if at < 0 {
		return Service{}, false
	}
	return d.fields.Services[at], true
}

// GenerationOf returns the generation of the shares that keys of purpose p are
// made of: the service's for mpin and permit, else the public master's. False if d
// has no such service.
func (d *Document) GenerationOf(k identity.Key) (keys.Generation, bool) {
	if !k.Purpose.Service() {
		return d.Generation(), true
	}
	s, ok := d.ServiceByID(k.Service)
	return s.Generation, ok
}

// LoginCard is what a login server hands out of itself before the ceremony that
// makes its service's master.
type LoginCard struct {
	Service string
	Origin  string
	Ed25519 ed25519.PublicKey
	bytes   []byte
}

// SignLoginCard returns the signed card of a login server; an error wraps
// ErrLoginServer.
func SignLoginCard(key ed25519.PrivateKey, service, origin string) (*LoginCard, error) {
	return ParseLoginCard(encoding.Sign(key, cardBody(service, origin, key.Public().(ed25519.PublicKey))))
}

// ParseLoginCard reads a signed card and verifies its own signature; an error
// wraps ErrLoginServer. Whose card it is only its Fingerprint tells, compared by
// people.
func ParseLoginCard(b []byte) (*LoginCard, error) {
	e, err := encoding.ParseEnvelope(b, maxLoginCard)
	if err != nil {
		return nil, fmt.Errorf("%w: card: %w", ErrLoginServer, err)
	}
	r := encoding.Open(e.Body, loginCardLabel)
	c := &LoginCard{Service: r.String(maxText), Origin: r.String(maxText), Ed25519: r.Fixed(ed25519.PublicKeySize), bytes: slices.Clone(b)}
	r.Fail(errors.Join(identity.CheckService(c.Service), identity.CheckOrigin(c.Origin)))
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: card: %w", ErrLoginServer, err)
	}
	if err := e.Verify(c.Ed25519); err != nil {
		return nil, fmt.Errorf("%w: card: %w", ErrLoginServer, err)
	}
	return c, nil
}

// Bytes returns the signed bytes as they were parsed.
func (c *LoginCard) Bytes() []byte { return slices.Clone(c.bytes) }

// Fingerprint returns the 32 bytes that people compare (spec/mpin.md "Server key").
func (c *LoginCard) Fingerprint() [32]byte { return cardFingerprint(c.Service, c.Origin, c.Ed25519) }

// CardFingerprint returns the fingerprint of the card of the service's login server.
func (s Service) CardFingerprint() [32]byte { return cardFingerprint(s.Name, s.Origin, s.LoginKey) }

func cardFingerprint(service, origin string, key ed25519.PublicKey) [32]byte {
	return sha256.Sum256(encoding.LP(cardFingerprintLabel, cardBody(service, origin, key)))
}

func cardBody(service, origin string, key ed25519.PublicKey) []byte {
	return encoding.LP(loginCardLabel, []byte(service), []byte(origin), key)
}

// Voucher is a login server's word, to one authority, that after a login with the
// old PIN a new device may take the place of the old one (spec/mpin.md "PIN
// change").
type Voucher struct {
	Domain  identity.DomainID
	Service identity.ServiceID
	Index   uint32 // of the authority
	Name    identity.Name
	Old     identity.DeviceHash
	New     identity.DeviceHash
	Time    uint64 // unix seconds
	Nonce   [32]byte
}

// Sign returns the signed envelope of v.
func (v Voucher) Sign(key ed25519.PrivateKey) []byte {
	return encoding.Sign(key, encoding.LP(voucherLabel, v.Domain[:], v.Service[:], encoding.U32(v.Index), []byte(v.Name.String()),
		v.Old[:], v.New[:], encoding.U64(v.Time), v.Nonce[:]))
}

// ParseVoucher reads what Sign wrote and verifies that the login server with this
// key signed it; an error wraps ErrLoginServer.
func ParseVoucher(key ed25519.PublicKey, b []byte) (Voucher, error) {
	var v Voucher
	e, _, err := readWord(b, voucherLabel, func(r *encoding.Reader) identity.ServiceID {
		v = Voucher{Domain: identity.DomainID(r.Fixed(32)), Service: identity.ServiceID(r.Fixed(32)), Index: r.U32(), Name: readName(r),
			Old: identity.DeviceHash(r.Fixed(32)), New: identity.DeviceHash(r.Fixed(32)), Time: r.U64(), Nonce: [32]byte(r.Fixed(32))}
		return v.Service
	})
	if err == nil && e.Verify(key) != nil {
		err = ErrLoginServer
	}
	if err != nil {
		return Voucher{}, fmt.Errorf("voucher: %w", err)
	}
	return v, nil
}

// Notice is a login server's word that a device logs in no more, so that no
// permit is renewed for it.
type Notice struct {
	Domain  identity.DomainID
	Service identity.ServiceID
	Name    identity.Name
	Device  identity.DeviceHash
	Time    uint64 // unix seconds
}

// Sign returns the signed envelope of n.
func (n Notice) Sign(key ed25519.PrivateKey) []byte {
	return encoding.Sign(key, encoding.LP(noticeLabel, n.Domain[:], n.Service[:], []byte(n.Name.String()), n.Device[:], encoding.U64(n.Time)))
}

// ParseNotice reads what Sign wrote and verifies that the service of document d
// that it names signed it. An error wraps ErrLoginServer, and encoding.ErrEncoding or
// ErrNoService if it is that.
func ParseNotice(d *Document, b []byte) (Notice, error) {
	var n Notice
	_, err := d.hear(b, noticeLabel, func(r *encoding.Reader) identity.ServiceID {
		n = Notice{Domain: identity.DomainID(r.Fixed(32)), Service: identity.ServiceID(r.Fixed(32)), Name: readName(r),
			Device: identity.DeviceHash(r.Fixed(32)), Time: r.U64()}
		return n.Service
	})
	if err == nil && n.Domain != d.id {
		err = fmt.Errorf("%w: it is for another domain", ErrLoginServer)
	}
	if err != nil {
		return Notice{}, fmt.Errorf("notice: %w", err)
	}
	return n, nil
}

// hear reads a signed envelope whose body names a service of d, and verifies that
// this service's login server signed it.
func (d *Document) hear(b []byte, label string, read func(*encoding.Reader) identity.ServiceID) (Service, error) {
	e, id, err := readWord(b, label, read)
	if err != nil {
		return Service{}, err
	}
	s, ok := d.ServiceByID(id)
	if !ok {
		return Service{}, fmt.Errorf("%w: %w", ErrLoginServer, ErrNoService)
	}
	if err := e.Verify(s.LoginKey); err != nil {
		return Service{}, fmt.Errorf("%w: service %s: %w", ErrLoginServer, s.Name, err)
	}
	return s, nil
}

// readWord reads a signed envelope and its body, without verifying it.
func readWord(b []byte, label string, read func(*encoding.Reader) identity.ServiceID) (e encoding.Envelope, id identity.ServiceID, err error) {
	if e, err = encoding.ParseEnvelope(b, maxLoginWord); err != nil {
		return e, id, fmt.Errorf("%w: %w", ErrLoginServer, err)
	}
	r := encoding.Open(e.Body, label)
	id = read(r)
	if err := r.Close(); err != nil {
		return e, id, fmt.Errorf("%w: %w", ErrLoginServer, err)
	}
	return e, id, nil
}
