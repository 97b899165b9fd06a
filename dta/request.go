package dta

import (
	"crypto"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
)

const (
	// ReplyKeySize is the length of an HPKE public key, in bytes.
	ReplyKeySize = 1216
	// MaxSealed is the greatest length of a sealed request or reply, in bytes.
	MaxSealed = 40 << 10

	requestLabel       = "milagro/v1 request"
	signedRequestLabel = "milagro/v1 signed request"
	sealedRequestLabel = "milagro/v1 sealed request"
	sealLabel          = "milagro/v1 seal"
	maxRequestBody     = 8 << 10
	maxEvidence        = 16 << 10
)

// ErrOpen says that a sealed message does not open: it was sealed to another
// key, or altered on its way.
var ErrOpen = errors.New("sealed message does not open")

// Request asks one authority for its share of one key. Key.Device is ignored:
// the device is Device.
type Request struct {
	Key         identity.Key
	Generation  keys.Generation
	Index       uint32 // of the authority
	ChannelKind uint8
	Device      identity.Device
	ReplyKey    hpke.PublicKey
	Time        uint64 // unix seconds
	Nonce       [32]byte
	Evidence    []byte // empty to renew
}

// IdentityKey returns the key that the request asks for, with its device
// where the purpose has one.
func (q *Request) IdentityKey() identity.Key {
	k := q.Key
	k.Device = q.Device.Hash()
	if k.Purpose == identity.Decrypt {
		k.Device = identity.DeviceHash{}
	}
	return k
}

// Hash returns the request hash: SHA-256 of the body, without signature.
func (q *Request) Hash() [32]byte { return sha256.Sum256(q.body()) }

// BareHash returns the hash of the same request without evidence: what evidence
// that signs its own request can sign.
func (q *Request) BareHash() [32]byte {
	bare := *q
	bare.Evidence = nil
	return bare.Hash()
}

func (q *Request) body() []byte {
	evidence := sha256.Sum256(q.Evidence)
	return encoding.LP(requestLabel, q.Key.Domain[:], q.Generation.Bytes(), encoding.U32(q.Index),
		[]byte(q.Key.Purpose), serviceBytes(q.Key.Service), []byte(q.Key.Name.String()), q.Key.Epoch.Bytes(),
		encoding.U8(q.ChannelKind), q.Device.Bytes(), q.ReplyKey.Bytes(), encoding.U64(q.Time), q.Nonce[:], evidence[:])
}

// Seal signs q with the device's private half and seals it to the authority.
// What it returns may be sent again as it is while the reply key lives.
func (q *Request) Seal(to hpke.PublicKey, signer crypto.Signer) ([]byte, error) {
	body := q.body()
	signature, err := identity.SignDevice(signer, sha256.Sum256(body))
	if err != nil {
		return nil, err
	}
	plaintext := encoding.LP(signedRequestLabel, body, q.Evidence, signature)
	box, err := seal(to, requestInfo(q.Key.Domain, q.Index, q.Time), plaintext)
	if err != nil {
		return nil, err
	}
	return encoding.LP(sealedRequestLabel, q.Key.Domain[:], encoding.U32(q.Index), encoding.U64(q.Time), box), nil
}

// SealedRequest is a request as it arrives, with the fields that an authority
// checks before it opens anything.
type SealedRequest struct {
	Domain identity.DomainID
	Index  uint32
	Time   uint64
	Hash   [32]byte // SHA-256 of the sealed bytes, which a signed time repeats
	box    []byte
}

// ParseSealedRequest reads what Seal wrote; an error wraps
// encoding.ErrEncoding.
func ParseSealedRequest(b []byte) (*SealedRequest, error) {
	r := encoding.Open(b, sealedRequestLabel)
	s := &SealedRequest{Domain: identity.DomainID(r.Fixed(32)), Index: r.U32(), Time: r.U64(), box: r.Bytes(MaxSealed)}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("sealed request: %w", err)
	}
	s.Hash = sha256.Sum256(b)
	return s, nil
}

// Open decrypts, parses and verifies the request: ErrOpen, an error that wraps
// encoding.ErrEncoding, or identity.ErrPossession.
func (s *SealedRequest) Open(key hpke.PrivateKey) (*Request, error) {
	plaintext, err := open(key, requestInfo(s.Domain, s.Index, s.Time), s.box)
	if err != nil {
		return nil, err
	}
	r := encoding.Open(plaintext, signedRequestLabel)
	body, evidence, signature := r.Bytes(maxRequestBody), r.Bytes(maxEvidence), r.Fixed(identity.SignatureSize)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	q, err := parseRequest(body, evidence)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if q.Key.Domain != s.Domain || q.Index != s.Index || q.Time != s.Time {
		return nil, fmt.Errorf("request: %w: it differs from its envelope", encoding.ErrEncoding)
	}
	if err := q.Device.Verify(sha256.Sum256(body), signature); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	return q, nil
}

func parseRequest(body, evidence []byte) (*Request, error) {
	r := encoding.Open(body, requestLabel)
	q := &Request{Evidence: evidence}
	q.Key.Domain = identity.DomainID(r.Fixed(32))
	q.Generation = parseWith(r, keys.GenerationSize, keys.ParseGeneration)
	q.Index = r.U32()
	q.Key.Purpose = identity.Purpose(r.String(maxText))
	q.Key.Service = readService(r)
	q.Key.Name = readName(r)
	q.Key.Epoch = readEpoch(r)
	if q.ChannelKind = r.U8(); q.ChannelKind != 0 && q.Key.Purpose != identity.MPin {
		r.Fail(errors.New("a channel kind belongs to purpose mpin alone"))
	}
	q.Device = parseWith(r, identity.SPKISize, identity.ParseDevice)
	q.ReplyKey = parseWith(r, ReplyKeySize, ParseHPKE)
	q.Time = r.U64()
	q.Nonce = [32]byte(r.Fixed(32))
	if sha256.Sum256(evidence) != [32]byte(r.Fixed(32)) {
		r.Fail(errors.New("evidence is not the one that was signed"))
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	return q, nil
}

func serviceBytes(s identity.ServiceID) []byte {
	if s == (identity.ServiceID{}) {
		return nil
	}
	return s[:]
}

// readService reads a part that is absent or 32 bytes, not all zero: an absent
// service has one encoding.
func readService(r *encoding.Reader) (s identity.ServiceID) {
	b := r.Bytes(len(s))
	if copy(s[:], b) != 0 && (len(b) != len(s) || s == identity.ServiceID{}) {
		r.Fail(errors.New("service is neither absent nor 32 bytes"))
	}
	return s
}

func readName(r *encoding.Reader) identity.Name {
	text := r.String(identity.MaxName)
	if r.Err() != nil {
		return identity.Name{}
	}
	name, err := identity.ParseName(text)
	r.Fail(err)
	return name
}

func readEpoch(r *encoding.Reader) identity.Epoch {
	b := r.Bytes(identity.EpochSize)
	if r.Err() != nil || len(b) == 0 {
		return identity.Epoch{}
	}
	e, err := identity.ParseEpoch(b)
	r.Fail(err)
	return e
}

func requestInfo(domain identity.DomainID, index uint32, time uint64) []byte {
	return encoding.LP(sealLabel, domain[:], encoding.U32(index), []byte("request"), encoding.U64(time))
}

func replyInfo(domain identity.DomainID, index uint32, request [32]byte) []byte {
	return encoding.LP(sealLabel, domain[:], encoding.U32(index), []byte("reply"), request[:])
}

func seal(to hpke.PublicKey, info, plaintext []byte) ([]byte, error) {
	box, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES256GCM(), info, plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return box, nil
}

func open(key hpke.PrivateKey, info, box []byte) ([]byte, error) {
	plaintext, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, box)
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}
