package dta

import (
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const (
	replyLabel     = "milagro/v1 reply"
	enrolmentLabel = "milagro/v1 enrolment"
	maxReply       = 16 << 10
	maxStatement   = 8 << 10
)

// ErrReply is wrapped by every refusal of an authority's reply.
var ErrReply = errors.New("reply refused")

// Reply carries one authority's share of one key. It holds a secret: Share.
type Reply struct {
	Key         identity.Key
	Device      identity.DeviceHash // of the request, also where Key has none
	Generation  keys.Generation
	Index       uint32
	RequestHash [32]byte
	Share       []byte // 48 bytes
	Proof       []byte // 64 bytes for an M-Pin master, else empty
	Statement   []byte // signed enrolment statement of a first issuance, else empty
}

// ReplyTo returns a Reply to q that repeats its fields and carries share.
func ReplyTo(q *Request, share keys.Share) *Reply {
	p := echo(q)
	p.Share = share.Expose()
	return p
}

// echo returns the fields of q that its reply repeats.
func echo(q *Request) *Reply {
	return &Reply{Key: q.IdentityKey(), Device: q.Device.Hash(), Generation: q.Generation, Index: q.Index,
		RequestHash: q.Hash()}
}

func (p *Reply) body() []byte {
	return encoding.LP(replyLabel, p.Key.Domain[:], p.Generation.Bytes(), encoding.U32(p.Index),
		[]byte(p.Key.Purpose), serviceBytes(p.Key.Service), []byte(p.Key.Name.String()), p.Device[:],
		p.Key.Epoch.Bytes(), p.RequestHash[:], p.Share, p.Proof, p.Statement)
}

// Seal signs p with the authority's key and seals it to the request's reply
// key.
func (p *Reply) Seal(key ed25519.PrivateKey, to hpke.PublicKey) ([]byte, error) {
	return seal(to, replyInfo(p.Key.Domain, p.Index, p.RequestHash), encoding.Sign(key, p.body()))
}

// OpenReply opens the sealed reply of authority a to q and checks that it is
// signed and repeats q's fields. signed is the envelope inside, the evidence
// should the share prove false. An error wraps ErrReply; the share is not yet
// verified.
func OpenReply(a Authority, q *Request, key hpke.PrivateKey, sealed []byte) (p *Reply, signed []byte, err error) {
	signed, err = open(key, replyInfo(q.Key.Domain, q.Index, q.Hash()), sealed)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	p, err = ParseSignedReply(a, signed)
	if err != nil {
		return nil, nil, err
	}
	want := echo(q)
	if p.Key != want.Key || p.Device != want.Device || p.Generation != want.Generation ||
		p.Index != want.Index || p.RequestHash != want.RequestHash {
		return nil, nil, fmt.Errorf("%w: it answers another request", ErrReply)
	}
	return p, signed, nil
}

// ParseSignedReply reads the signed envelope inside a reply and verifies that
// authority a signed it; an error wraps ErrReply.
func ParseSignedReply(a Authority, signed []byte) (*Reply, error) {
	body, err := encoding.OpenEnvelope(a.Ed25519, signed, maxReply)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	r := encoding.Open(body, replyLabel)
	p := &Reply{}
	p.Key.Domain = identity.DomainID(r.Fixed(32))
	p.Generation = parseWith(r, keys.GenerationSize, keys.ParseGeneration)
	p.Index = r.U32()
	p.Key.Purpose = identity.Purpose(r.String(maxText))
	p.Key.Service = readService(r)
	p.Key.Name = readName(r)
	p.Device = identity.DeviceHash(r.Fixed(32))
	p.Key.Epoch = readEpoch(r)
	p.RequestHash = [32]byte(r.Fixed(32))
	p.Share = r.Fixed(pairing.G1Size)
	p.Proof = readProof(r, p.Key.Purpose)
	p.Statement = r.Bytes(maxStatement)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	if p.Key.Device = p.Device; p.Key.Purpose == identity.Decrypt {
		p.Key.Device = identity.DeviceHash{}
	}
	return p, nil
}

// readProof reads the proof of an M-Pin master's share, which the purpose says
// it is; other shares prove themselves.
func readProof(r *encoding.Reader, purpose identity.Purpose) []byte {
	if purpose.Service() {
		return r.Fixed(keys.ProofSize)
	}
	return r.Fixed(0)
}

// KeyShare returns the share in p after verifying it against the public share of
// authority a in document d: by pairing, or by the proof in p for an M-Pin master.
// An error wraps keys.ErrShare, keys.ErrGeneration if d has shares of another
// generation, or identity.ErrPurpose.
func (p *Reply) KeyShare(d *Document, a Authority) (keys.Share, error) {
	if g, ok := d.GenerationOf(p.Key); !ok || g != p.Generation {
		return keys.Share{}, fmt.Errorf("share of authority %d: %w", a.Index, keys.ErrGeneration)
	}
	share, err := keys.ParseShare(p.Index, p.Generation, p.Share)
	if err != nil {
		return keys.Share{}, fmt.Errorf("%w: %w", keys.ErrShare, err)
	}
	point, err := p.Key.Point()
	if err != nil {
		return keys.Share{}, err
	}
	if p.Key.Purpose.Service() {
		err = p.verifyProof(d, a, share, point)
	} else {
		err = share.Verify(point, a.Public)
	}
	if err != nil {
		return keys.Share{}, err
	}
	return share, nil
}

func (p *Reply) verifyProof(d *Document, a Authority, share keys.Share, point pairing.G1) error {
	proof, err := keys.ParseProof(p.Proof)
	if err != nil {
		return fmt.Errorf("%w: %w", keys.ErrShare, err)
	}
	s, _ := d.ServiceByID(p.Key.Service) // the generation was found there
	return proof.Verify(p.ProofStatement(point, s.Public[a.Index-1]), share)
}

// ProofStatement returns what the proof of p is about, for the identity point of
// its key and the public share of its authority.
func (p *Reply) ProofStatement(point, public pairing.G1) keys.ProofStatement {
	return keys.ProofStatement{Domain: p.Key.Domain, Service: p.Key.Service, Purpose: p.Key.Purpose, Generation: p.Generation,
		Index: p.Index, RequestHash: p.RequestHash, Point: point, Public: public}
}

// Statement is an authority's word that it enrolled a device under a name:
// what rows at a login server are made of.
type Statement struct {
	Domain      identity.DomainID
	Generation  keys.Generation
	Index       uint32
	Purpose     identity.Purpose
	Service     identity.ServiceID
	Name        identity.Name
	Device      identity.DeviceHash
	ChannelKind uint8
	Time        uint64 // unix seconds
}

// StatementFor returns the statement of a first issuance that answers q.
func StatementFor(q *Request, now uint64) Statement {
	return Statement{Domain: q.Key.Domain, Generation: q.Generation, Index: q.Index, Purpose: q.Key.Purpose,
		Service: q.Key.Service, Name: q.Key.Name, Device: q.Device.Hash(), ChannelKind: q.ChannelKind, Time: now}
}

// Sign returns the signed envelope of s.
func (s Statement) Sign(key ed25519.PrivateKey) []byte {
	return encoding.Sign(key, encoding.LP(enrolmentLabel, s.Domain[:], s.Generation.Bytes(), encoding.U32(s.Index),
		[]byte(s.Purpose), serviceBytes(s.Service), []byte(s.Name.String()), s.Device[:],
		encoding.U8(s.ChannelKind), encoding.U64(s.Time)))
}

// ParseStatement reads what Sign wrote and verifies that authority a signed
// it; an error wraps ErrReply.
func ParseStatement(a Authority, b []byte) (Statement, error) {
	body, err := encoding.OpenEnvelope(a.Ed25519, b, maxStatement)
	if err != nil {
		return Statement{}, fmt.Errorf("%w: enrolment statement: %w", ErrReply, err)
	}
	r := encoding.Open(body, enrolmentLabel)
	s := Statement{Domain: identity.DomainID(r.Fixed(32))}
	s.Generation = parseWith(r, keys.GenerationSize, keys.ParseGeneration)
	s.Index = r.U32()
	s.Purpose = identity.Purpose(r.String(maxText))
	s.Service = readService(r)
	s.Name = readName(r)
	s.Device = identity.DeviceHash(r.Fixed(32))
	s.ChannelKind = r.U8()
	s.Time = r.U64()
	if s.Index != a.Index {
		r.Fail(errors.New("statement of another authority"))
	}
	if err := r.Close(); err != nil {
		return Statement{}, fmt.Errorf("%w: enrolment statement: %w", ErrReply, err)
	}
	return s, nil
}
