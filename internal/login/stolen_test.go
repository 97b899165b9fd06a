package login_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"path/filepath"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/keys"
)

// unsealed returns a secret file of an authority that was broken into.
func unsealed(t testing.TB, m *authoritytest.Member, file, purpose string) []byte {
	t.Helper()
	protector, err := custody.FromKeyFile(m.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := custody.ReadSecretFile(filepath.Join(m.Dir, file))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := protector.Open(sealed, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// stolenSigner returns the key with which an authority signs.
func stolenSigner(t testing.TB, m *authoritytest.Member) ed25519.PrivateKey {
	t.Helper()
	secret := unsealed(t, m, "keys.sealed", "authority keys")
	return ed25519.NewKeyFromSeed(encoding.Open(secret, "milagro/v1 authority keys").Fixed(ed25519.SeedSize))
}

// stolenShare returns an authority's share of a service's master.
func stolenShare(t testing.TB, m *authoritytest.Member, g keys.Generation) keys.MasterShare {
	t.Helper()
	secret := unsealed(t, m, "shares/1-"+hex.EncodeToString(g.Hash[:])+".share", "master share "+hex.EncodeToString(g.Bytes()))
	share, err := keys.ParseMasterShare(secret)
	if err != nil {
		t.Fatal(err)
	}
	return share
}

// wholeKey returns sA of a person, which nobody ever makes.
func (s *stage) wholeKey(p *logintest.Person) []byte {
	s.t.Helper()
	published, site, err := s.Site()
	s.done(err)
	service, _ := published.Document.ServiceByID(site.ID)
	point, err := identity.Key{Domain: site.Domain, Purpose: identity.MPin, Service: site.ID, Name: p.Name, Device: p.Device.Hash()}.Point()
	s.done(err)
	var shares []keys.Share
	for _, m := range s.domain.Members[:2] {
		shares = append(shares, stolenShare(s.t, m, service.Generation).Issue(point))
	}
	key, err := keys.Combine(2, shares)
	s.done(err)
	return key.Expose()
}
