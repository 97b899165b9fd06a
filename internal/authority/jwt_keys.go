package authority

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"milagro.dev/internal/problem"
)

const (
	keysFresh   = 10 * time.Minute // older ones are fetched anew
	keysStale   = 24 * time.Hour   // so long they are good when none can be had
	keysPause   = 30 * time.Second // between two fetches
	keysTimeout = 5 * time.Second
	maxKeySet   = 256 << 10
	maxKeys     = 100
	maxKeyID    = 256
)

// tokenAlgorithms are those of spec/issuance.md, with what a key must be for each:
// a key is never used for another kind of signature than its own.
var tokenAlgorithms = map[string]func(crypto.PublicKey) bool{
	string(jose.ES256): onCurve(elliptic.P256()),
	string(jose.ES384): onCurve(elliptic.P384()),
	string(jose.RS256): soundRSA,
	string(jose.PS256): soundRSA,
	string(jose.EdDSA): func(k crypto.PublicKey) bool { _, ok := k.(ed25519.PublicKey); return ok },
}

func onCurve(curve elliptic.Curve) func(crypto.PublicKey) bool {
	return func(k crypto.PublicKey) bool {
		public, ok := k.(*ecdsa.PublicKey)
		return ok && public.Curve == curve
	}
}

func soundRSA(k crypto.PublicKey) bool {
	public, ok := k.(*rsa.PublicKey)
	if !ok {
		return false
	}
	bits := public.N.BitLen()
	return bits >= 2048 && bits <= 8192 && public.E >= 3 && public.E <= math.MaxInt32
}

// keySet are the keys of an issuer that are of use here.
type keySet []jose.JSONWebKey

// parseKeySet reads a JWKS and passes over keys that are of no use.
func parseKeySet(b []byte) (keySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	if len(raw.Keys) > maxKeys {
		return nil, errors.New("more than 100 keys")
	}
	var set keySet
	for _, b := range raw.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(b, &k) == nil && k.IsPublic() && k.KeyID != "" && (k.Use == "" || k.Use == "sig") {
			set = append(set, k)
		}
	}
	if len(set) == 0 {
		return nil, errors.New("no key in it has a kid and is for signatures")
	}
	return set, nil
}

// find returns the keys with this kid that are for alg.
func (s keySet) find(kid, alg string) (found []crypto.PublicKey) {
	for _, k := range s {
		if k.KeyID == kid && (k.Algorithm == "" || k.Algorithm == alg) && tokenAlgorithms[alg](k.Key) {
			found = append(found, k.Key)
		}
	}
	return found
}

// keyring holds the keys of one issuer, fetched when somebody needs them.
type keyring struct {
	load  func(context.Context) ([]byte, error)
	clock func() time.Time
	log   *slog.Logger

	mu      sync.Mutex // of all below
	set     keySet
	fetched time.Time
	tried   time.Time
	loading chan struct{} // closed when the fetch that is under way is over; nil without one
}

// find returns the keys with this kid for alg, after a fetch if they are old or
// unknown. A problem says that there are none, or that none can be had.
func (k *keyring) find(ctx context.Context, kid, alg string) ([]crypto.PublicKey, error) {
	known, age := k.known(kid, alg)
	if len(known) == 0 || age >= keysFresh {
		k.refresh(ctx, len(known) == 0 || age >= keysStale)
		known, age = k.known(kid, alg)
	}
	switch {
	case age >= keysStale:
		return nil, problem.New(problem.Unavailable, "the keys of the token's issuer cannot be had")
	case len(known) == 0:
		return nil, problem.New(problem.TokenRefused, "its key is not one of its issuer's")
	}
	return known, nil
}

// known returns what the ring has, and how old that is.
func (k *keyring) known(kid, alg string) ([]crypto.PublicKey, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set == nil {
		return nil, keysStale
	}
	return k.set.find(kid, alg), k.clock().Sub(k.fetched).Abs()
}

// seconds returns the age of the keys for a metric; NaN if there are none.
func (k *keyring) seconds() float64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set == nil {
		return math.NaN()
	}
	return k.clock().Sub(k.fetched).Seconds()
}

// refresh fetches the keys, unless that was tried a moment ago. One fetches for all:
// the others wait for him if they need to, and nobody who goes away ends it.
func (k *keyring) refresh(ctx context.Context, needed bool) {
	k.mu.Lock()
	if loading := k.loading; loading != nil {
		k.mu.Unlock()
		if needed {
			select {
			case <-loading:
			case <-ctx.Done():
			}
		}
		return
	}
	if !k.tried.IsZero() && k.clock().Sub(k.tried).Abs() < keysPause {
		k.mu.Unlock()
		return
	}
	loading := make(chan struct{})
	k.loading, k.tried = loading, k.clock()
	k.mu.Unlock()
	set, err := k.fetch(context.WithoutCancel(ctx))
	k.mu.Lock()
	defer k.mu.Unlock()
	defer close(loading)
	k.loading = nil
	if err != nil {
		k.log.Error("keys of tokens not fetched", "error", err)
		return
	}
	k.set, k.fetched = set, k.clock()
}

func (k *keyring) fetch(ctx context.Context) (keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	b, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	return parseKeySet(b)
}
