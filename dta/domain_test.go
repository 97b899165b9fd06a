package dta

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"fmt"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

const testNow = 1_800_000_000

// domain is a trust domain whose secrets the test holds: no ceremony, so that
// what is tested is the document and the messages.
type domain struct {
	published *Published
	shares    []keys.MasterShare
	signing   []ed25519.PrivateKey
	opening   []hpke.PrivateKey
}

func newDomain(t *testing.T, threshold, n int) *domain {
	t.Helper()
	d := &domain{}
	f, poly := testFields(t, d, threshold, n)
	doc, err := NewDocument(f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		d.shares = append(d.shares, keys.NewMasterShare(uint32(i+1), doc.Generation(), poly.At(uint32(i+1))))
	}
	d.published = &Published{Document: doc, Signature: d.sign(t, doc.Point())}
	d.stamp(t, testNow)
	return d
}

func testFields(t testing.TB, d *domain, threshold, n int) (Fields, *vss.Polynomial) {
	t.Helper()
	poly := vss.NewPolynomial(threshold)
	f := Fields{
		Domain: "example.org", Revision: 1, Threshold: uint32(threshold),
		Generation: keys.Generation{Counter: 1, Hash: [32]byte{1}}, Suites: []byte{1},
		Schedules: map[identity.Purpose]identity.Schedule{identity.Channel: {Length: 86_400}, identity.Decrypt: {Length: 86_400}},
	}
	var indices []uint32
	var values []pairing.Secret
	for i := 1; i <= n; i++ {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		box, err := hpke.MLKEM768X25519().GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		d.signing, d.opening = append(d.signing, private), append(d.opening, box)
		f.Authorities = append(f.Authorities, Authority{Index: uint32(i), Name: fmt.Sprintf("operator %d", i),
			URL: fmt.Sprintf("http://127.0.0.1:%d", i), Ed25519: public, HPKE: box.PublicKey(), Public: poly.At(uint32(i)).G2()})
		indices, values = append(indices, uint32(i)), append(values, poly.At(uint32(i)))
	}
	f.Master = testMaster(t, indices[:threshold], values[:threshold])
	return f, poly
}

func testMaster(t testing.TB, indices []uint32, values []pairing.Secret) keys.Master {
	t.Helper()
	coefficients, err := vss.Lagrange(indices)
	if err != nil {
		t.Fatal(err)
	}
	var sum pairing.G2
	for i, c := range coefficients {
		sum = sum.Add(values[i].G2().Mul(c))
	}
	master, err := keys.ParseMaster(sum.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return master
}

// sign makes the whole key of point, as t authorities would.
func (d *domain) sign(t *testing.T, point pairing.G1) []byte {
	t.Helper()
	var shares []keys.Share
	for _, s := range d.shares {
		shares = append(shares, s.Issue(point))
	}
	key, err := keys.Combine(len(shares), shares)
	if err != nil {
		t.Fatal(err)
	}
	return key.Expose()
}

func (d *domain) stamp(t *testing.T, now uint64) {
	t.Helper()
	doc := d.published.Document
	d.published.Stamp = &Stamp{Revision: doc.Revision(), Hash: doc.Hash(), Day: Day(now),
		Signature: d.sign(t, doc.FreshPoint(Day(now)))}
}

// revise returns the fields of d's document, to be changed by the test.
func (d *domain) revise() Fields {
	f := d.published.Document.fields
	f.Authorities = d.published.Document.Authorities()
	return f
}

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

func channelKey(t testing.TB) identity.Key {
	return identity.Key{Purpose: identity.Channel, Name: mustName(t, "spiffe://example.org/web"),
		Epoch: identity.EpochAt(testNow, 86_400)}
}
