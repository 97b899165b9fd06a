package dta

import (
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
)

const (
	serverKeyRequestLabel = "milagro/v1 server key request"
	serverKeyShareLabel   = "milagro/v1 server key share"
)

// ServerKeyRequest asks one authority for its share of a login server's key
// (spec/mpin.md "Server key").
type ServerKeyRequest struct {
	Domain     identity.DomainID
	Service    identity.ServiceID
	Generation keys.Generation
	Index      uint32         // of the authority
	ReplyKey   hpke.PublicKey // made for this request alone
	Time       uint64         // unix seconds
	Nonce      [32]byte
}

// Sign returns the signed envelope of q, by the login server's key.
func (q ServerKeyRequest) Sign(key ed25519.PrivateKey) []byte {
	return encoding.Sign(key, encoding.LP(serverKeyRequestLabel, q.Domain[:], q.Service[:], q.Generation.Bytes(), encoding.U32(q.Index),
		q.ReplyKey.Bytes(), encoding.U64(q.Time), q.Nonce[:]))
}

// ParseServerKeyRequest reads what Sign wrote and verifies that the service of
// document d that it names signed it. An error wraps ErrLoginServer, and
// encoding.ErrEncoding or ErrNoService if it is that.
func ParseServerKeyRequest(d *Document, b []byte) (q ServerKeyRequest, s Service, err error) {
	s, err = d.hear(b, serverKeyRequestLabel, func(r *encoding.Reader) identity.ServiceID {
		q = ServerKeyRequest{Domain: identity.DomainID(r.Fixed(32)), Service: identity.ServiceID(r.Fixed(32)),
			Generation: parseWith(r, keys.GenerationSize, keys.ParseGeneration), Index: r.U32(),
			ReplyKey: parseWith(r, ReplyKeySize, ParseHPKE), Time: r.U64(), Nonce: [32]byte(r.Fixed(32))}
		return q.Service
	})
	if err == nil && q.Domain != d.id {
		err = fmt.Errorf("%w: it is for another domain", ErrLoginServer)
	}
	if err != nil {
		return ServerKeyRequest{}, Service{}, fmt.Errorf("server key request: %w", err)
	}
	return q, s, nil
}

// LoginKey sends a login server's signed request for its share of the server key to
// the authority at url, and returns the sealed reply. A refusal is a *problem.Problem.
func (c *Client) LoginKey(ctx context.Context, url string, request []byte) ([]byte, error) {
	var answer struct {
		Reply []byte `json:"reply"`
	}
	err := c.post(ctx, url, "/v1/login/key", map[string][]byte{"request": request}, &answer)
	return answer.Reply, err
}

// Notify hands the authority at url a login server's signed notice.
func (c *Client) Notify(ctx context.Context, url string, notice []byte) error {
	return c.post(ctx, url, "/v1/login/notice", map[string][]byte{"notice": notice}, &struct{}{})
}

// SealServerShare returns an authority's answer to q, whose signed bytes are
// request: its share, signed with its key and sealed to the request's own key.
func (q ServerKeyRequest) SealServerShare(key ed25519.PrivateKey, request []byte, share keys.ServerShare) ([]byte, error) {
	hash := sha256.Sum256(request)
	point := share.Expose()
	defer clear(point)
	body := encoding.LP(serverKeyShareLabel, q.Domain[:], q.Service[:], q.Generation.Bytes(), encoding.U32(q.Index), hash[:], point)
	defer clear(body)
	signed := encoding.Sign(key, body)
	defer clear(signed)
	return seal(q.ReplyKey, serverKeyInfo(q, hash), signed)
}

// OpenServerShare opens the answer of authority a to q, whose signed bytes are
// request, and verifies the share against the service s. An error wraps ErrReply
// or keys.ErrShare.
func (q ServerKeyRequest) OpenServerShare(a Authority, s Service, key hpke.PrivateKey, request, sealed []byte) (keys.ServerShare, error) {
	hash := sha256.Sum256(request)
	signed, err := open(key, serverKeyInfo(q, hash), sealed)
	if err != nil {
		return keys.ServerShare{}, fmt.Errorf("%w: %w", ErrReply, err)
	}
	defer clear(signed)
	body, err := encoding.OpenEnvelope(a.Ed25519, signed, maxReply)
	if err != nil {
		return keys.ServerShare{}, fmt.Errorf("%w: %w", ErrReply, err)
	}
	r := encoding.Open(body, serverKeyShareLabel)
	same := identity.DomainID(r.Fixed(32)) == q.Domain && identity.ServiceID(r.Fixed(32)) == q.Service &&
		parseWith(r, keys.GenerationSize, keys.ParseGeneration) == q.Generation && r.U32() == q.Index && [32]byte(r.Fixed(32)) == hash
	if !same {
		r.Fail(errors.New("it answers another request"))
	}
	point := r.Fixed(keys.ServerKeySize)
	if err := r.Close(); err != nil {
		return keys.ServerShare{}, fmt.Errorf("%w: %w", ErrReply, err)
	}
	share, err := keys.ParseServerShare(q.Index, q.Generation, point)
	if err != nil {
		return keys.ServerShare{}, fmt.Errorf("%w: %w", keys.ErrShare, err)
	}
	if q.Index < 1 || int(q.Index) > len(s.Public) {
		return keys.ServerShare{}, fmt.Errorf("%w: no authority %d", ErrReply, q.Index)
	}
	return share, share.Verify(s.Public[q.Index-1])
}

func serverKeyInfo(q ServerKeyRequest, request [32]byte) []byte {
	return encoding.LP(sealLabel, q.Domain[:], encoding.U32(q.Index), []byte("server key"), request[:])
}
