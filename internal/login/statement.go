package login

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/mpin"
)

// statementLife is how long a statement is good for, in seconds.
const statementLife = 300

// notary signs what an accepted login gets (spec/mpin.md "Statement").
type notary struct {
	signer  jose.Signer
	jwks    []byte
	signing ed25519.PrivateKey // of vouchers
}

func newNotary(me *self) (*notary, error) {
	public := jose.JSONWebKey{Key: me.statements.Public().(*ecdsa.PublicKey), Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("key of statements: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	n := &notary{signing: me.signing}
	if n.jwks, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}); err != nil {
		return nil, fmt.Errorf("key of statements: %w", err)
	}
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: me.statements, KeyID: public.KeyID}}
	if n.signer, err = jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT")); err != nil {
		return nil, fmt.Errorf("key of statements: %w", err)
	}
	return n, nil
}

// claims are the payload of a statement.
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	IssuedAt uint64   `json:"iat"`
	Expires  uint64   `json:"exp"`
	ID       string   `json:"jti"`
	AuthTime uint64   `json:"auth_time"`
	Methods  []string `json:"amr"`
	Milagro  milagro  `json:"milagro"`
}

type milagro struct {
	Domain      identity.DomainID `json:"domain"`
	Service     string            `json:"service"`
	Device      string            `json:"device"`
	ChannelKind uint8             `json:"channel_kind"`
}

// answer states an accepted login, and gives it the vouchers of its intent.
func (n *notary) answer(s *served, l mpin.Login, now time.Time) (a mpin.FinishAnswer, err error) {
	at := unixSeconds(now)
	var id [16]byte
	rand.Read(id[:])
	payload, err := json.Marshal(claims{Issuer: l.Origin, Subject: l.Name.String(), Audience: l.Origin, IssuedAt: at, Expires: at + statementLife,
		ID: base64.RawURLEncoding.EncodeToString(id[:]), AuthTime: at, Methods: []string{"pin", "pop"},
		Milagro: milagro{Domain: l.Domain, Service: s.service.Name, Device: l.Device.Hash().String(), ChannelKind: l.Channel.Kind()}})
	if err != nil {
		return a, fmt.Errorf("statement: %w", err)
	}
	signed, err := n.signer.Sign(payload)
	if err != nil {
		return a, fmt.Errorf("statement: %w", err)
	}
	a.Expires = at + statementLife
	if a.Statement, err = signed.CompactSerialize(); err != nil {
		return a, fmt.Errorf("statement: %w", err)
	}
	next, intended := l.Intent.Device()
	if !intended {
		return a, nil
	}
	for _, index := range s.indices() {
		v := dta.Voucher{Domain: l.Domain, Service: l.Service, Index: index, Name: l.Name, Old: l.Device.Hash(), New: next, Time: at}
		rand.Read(v.Nonce[:])
		a.Vouchers = append(a.Vouchers, v.Sign(n.signing))
	}
	return a, nil
}
