package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keyUse is how long one key signs.
	keyUse = 90 * 24 * time.Hour
	// keyNotice is how long a key is published before it signs, and after what it
	// signed has ended: applications keep sets of keys for a day.
	keyNotice = 24 * time.Hour
	// keyLease is for how long a server that has a key publishes it at a time.
	keyLease = time.Hour
)

// StoredKey is a signing key at rest: the 32 bytes of a scalar of P-256, and when it
// begins to sign, in whole seconds.
type StoredKey struct {
	From   time.Time
	Secret []byte
}

// KeyStore keeps signing keys, sealed. Add returns when a key is durable; Remove
// returns when it can be read no more; Keys returns those that are kept, in any order.
type KeyStore interface {
	Keys() ([]StoredKey, error)
	Add(StoredKey) error
	Remove(StoredKey) error
}

// Keyring holds the ES256 keys of a provider: one signs for 90 days; the next one is
// published a day before it signs; the last one is published until a day after what
// it signed has ended.
type Keyring struct {
	store KeyStore

	mu   sync.Mutex // of keys
	keys []signingKey
}

// signingKey signs from its time on until the next one does.
type signingKey struct {
	private *ecdsa.PrivateKey
	from    time.Time
	public  publicKey
}

// publicKey is what others see of a key until ends.
type publicKey struct {
	id, jwk string
	ends    time.Time
}

// OpenKeyring returns the Keyring of what a store keeps; of an empty one it has no
// key, and Rotate makes the first. Errors are those of the store, and of a key that
// does not parse.
func OpenKeyring(store KeyStore) (*Keyring, error) {
	stored, err := store.Keys()
	if err != nil {
		return nil, err
	}
	k := &Keyring{store: store}
	for _, s := range stored {
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), s.Secret)
		clear(s.Secret)
		if err != nil {
			return nil, errors.New("a signing key of the OpenID provider does not parse")
		}
		key, err := keyOf(private, s.From)
		if err != nil {
			return nil, err
		}
		k.keys = append(k.keys, key)
	}
	slices.SortFunc(k.keys, func(a, b signingKey) int { return a.from.Compare(b.from) })
	return k, nil
}

// Rotate makes the next key when it is time, drops those that are over, and returns
// when that is durable.
func (k *Keyring) Rotate(now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch n := len(k.keys); {
	case n == 0:
		if err := k.add(now); err != nil {
			return err
		}
	case !now.Before(k.keys[n-1].from.Add(keyUse - keyNotice)):
		if err := k.add(now.Add(keyNotice)); err != nil {
			return err
		}
	}
	for len(k.keys) > 1 && now.After(k.keys[1].from.Add(AccessLife+keyNotice)) {
		if err := k.store.Remove(StoredKey{From: k.keys[0].from}); err != nil {
			return fmt.Errorf("signing keys: %w", err)
		}
		k.keys = k.keys[1:]
	}
	return nil
}

func (k *Keyring) add(from time.Time) error {
	key, err := newKey(from.Truncate(time.Second))
	if err != nil {
		return err
	}
	secret, err := key.private.Bytes()
	if err != nil {
		return err
	}
	defer clear(secret)
	if err := k.store.Add(StoredKey{key.from, secret}); err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	k.keys = append(k.keys, key)
	return nil
}

func newKey(from time.Time) (signingKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return signingKey{}, err
	}
	return keyOf(private, from)
}

func keyOf(private *ecdsa.PrivateKey, from time.Time) (k signingKey, err error) {
	public := jose.JSONWebKey{Key: &private.PublicKey, Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return k, err
	}
	public.KeyID = encode(thumbprint)
	jwk, err := json.Marshal(public)
	return signingKey{private, from, publicKey{id: public.KeyID, jwk: string(jwk)}}, err
}

// signer returns what signs now.
func (k *Keyring) signer(now time.Time) (jose.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := len(k.keys) - 1; i >= 0; i-- {
		if key := k.keys[i]; i == 0 || !now.Before(key.from) {
			return jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key.private, KeyID: key.public.id}},
				(&jose.SignerOptions{}).WithType("JWT"))
		}
	}
	return nil, errors.New("no key to sign with")
}

// published returns the public keys for the next hour, but for what ends before: a key
// that is taken out of the store is then published no more.
func (k *Keyring) published(now time.Time) []publicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []publicKey
	for i, key := range k.keys {
		p := key.public
		p.ends = now.Add(keyLease)
		if i+1 < len(k.keys) {
			p.ends = earlier(p.ends, k.keys[i+1].from.Add(AccessLife+keyNotice))
		}
		list = append(list, p)
	}
	return list
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
