package authority

import (
	"crypto/ed25519"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/spec/spectest"
)

// TestEnrolmentVectors reads what is genuine as authority 1 does, for the request
// that a vector says.
func TestEnrolmentVectors(t *testing.T) {
	p := spectest.Load(t, "enrolment")
	seen := 0
	for _, c := range append(p.Accept, p.Refuse...) {
		if c["what"] != "registration" || c["reason"] != "" && c["check"] != "authority" {
			continue
		}
		seen++
		said, _, err := dta.ParseRegistration([]ed25519.PublicKey{spectest.Bytes(t, c["key"])}, spectest.Bytes(t, c["registration"]))
		if err != nil {
			t.Errorf("%s: %v", c["reason"], err)
			continue
		}
		device, err := identity.ParseDeviceHash(c["device"])
		if err != nil {
			t.Fatal(err)
		}
		name, err := identity.ParseName(c["name"])
		if err != nil {
			t.Fatal(err)
		}
		key := identity.Key{Domain: identity.DomainID(spectest.Bytes(t, c["domainID"])), Service: identity.ServiceID(spectest.Bytes(t, c["serviceID"])), Name: name}
		err = asked{key, device, 1, spectest.Number(t, c["now"])}.refuse(said)
		if refused := problem.Of(err); c["reason"] == "" && err != nil || c["reason"] != "" && (err == nil || refused.Kind != problem.VoucherRefused) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
	if seen < 10 {
		t.Errorf("%d cases", seen)
	}
}
