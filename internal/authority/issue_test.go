package authority_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
)

func newDevice(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustName(t testing.TB, s string) identity.Name {
	t.Helper()
	name, err := identity.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestEnrolThenRenew(t *testing.T) {
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3})
	name, device := mustName(t, "spiffe://example.org/web"), newDevice(t)
	schedule, _ := d.Published.Document.Schedule(identity.Channel)
	application := dta.Application{Domain: d.Published, Signer: device, Now: d.Now,
		Key:   identity.Key{Purpose: identity.Channel, Name: name, Epoch: schedule.Current(d.Now())},
		Codes: d.Codes(t, name, identity.Channel)}
	for range 2 {
		grant, err := (&dta.Client{}).Apply(t.Context(), application)
		if err != nil {
			t.Fatal(err)
		}
		point, err := grant.Key.Point()
		if err != nil {
			t.Fatal(err)
		}
		if err := grant.Private.Verify(point, d.Published.Document.Master()); err != nil {
			t.Fatal(err)
		}
		for _, o := range grant.Outcomes {
			if o.Err != nil {
				t.Error(o.Authority.Index, o.Err)
			}
		}
		application.Codes = nil
	}
}
