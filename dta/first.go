package dta

import (
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/dkg"
	"milagro.dev/keys"
)

// suiteIdentityKey is the only identity TLS suite of a first document.
const suiteIdentityKey = 1

// FirstDocument returns the document of revision 1 that follows, byte for
// byte, from a plan and the certificate of its ceremony: who signed the plan
// has agreed to it. An error wraps ErrDocument.
func FirstDocument(plan *dkg.Plan, certificate *dkg.Certificate) (*Document, error) {
	if plan.Kind() != dkg.Public {
		return nil, fmt.Errorf("%w: a ceremony of kind %s makes no domain", ErrDocument, plan.Kind())
	}
	master, err := keys.ParseMaster(certificate.MasterBytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	f := Fields{Domain: plan.Domain(), Master: master, Revision: 1, Threshold: uint32(plan.Threshold()),
		Generation: certificate.Generation(), Schedules: map[identity.Purpose]identity.Schedule{},
		Suites: []byte{suiteIdentityKey}, Flags: plan.Flags()}
	for _, s := range plan.Schedules() {
		f.Schedules[s.Purpose] = identity.Schedule{Length: s.Length}
	}
	public := certificate.Public()
	for i, card := range plan.Cards() {
		f.Authorities = append(f.Authorities, Authority{Index: uint32(i + 1), Name: card.Name, URL: card.URL,
			Ed25519: card.Ed25519, HPKE: card.HPKE, Public: public[i]})
	}
	return NewDocument(f)
}
