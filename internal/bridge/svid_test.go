package bridge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// Clause numbers are those of the SPIFFE X.509-SVID standard.
func TestAnSVIDIsAsTheProfileSays(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := s.serve(t)
	x, err := client(t, path).FetchX509Context(t.Context())
	check(t, err)
	if len(x.SVIDs) != 1 {
		t.Fatalf("%d SVIDs", len(x.SVIDs))
	}
	id, chains, err := x509svid.Verify(x.SVIDs[0].Certificates, x.Bundles)
	if err != nil || id.String() != webText || len(chains) != 1 || len(chains[0]) != 2 {
		t.Fatalf("%v, %d chains, %v", id, len(chains), err)
	}
	leaf := x.SVIDs[0].Certificates[0]
	if len(x.SVIDs[0].Certificates) != 1 || len(leaf.URIs) != 1 || len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.EmailAddresses) > 0 {
		t.Error("not exactly one certificate with one URI (2)")
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || len(leaf.ExtKeyUsage) != 2 {
		t.Errorf("CA %t, usage %v, extended %v (4)", leaf.IsCA, leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if leaf.Subject.String() != "" || !leaf.NotAfter.Equal(s.clock.now.Add(DefaultLifetime).Truncate(time.Second)) {
		t.Errorf("subject %q, until %v", leaf.Subject, leaf.NotAfter)
	}
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Error("the key is not of P-256")
	}
	root := chains[0][1]
	if len(root.URIs) != 0 || !root.IsCA || root.MaxPathLen != 0 || root.KeyUsage != x509.KeyUsageCertSign || !root.PermittedDNSDomainsCritical {
		t.Errorf("the authority: URIs %v, CA %t, path %d, usage %v", root.URIs, root.IsCA, root.MaxPathLen, root.KeyUsage)
	}
}
