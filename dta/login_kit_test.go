package dta

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

// loginDomain is a trust domain with a login service, whose secrets the test holds.
type loginDomain struct {
	*domain
	doc    *Document
	login  Service
	id     identity.ServiceID
	signer ed25519.PrivateKey // of the login server
	pins   []keys.MasterShare // of the service's master
}

func newLoginDomain(t testing.TB) *loginDomain {
	t.Helper()
	d := &domain{}
	f, _ := testFields(t, d, 2, 3)
	public, signer, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	master, generation := pairing.RandomSecret(), keys.Generation{Counter: 1, Hash: [32]byte{2}}
	poly := vss.WithConstant(master, 2)
	l := &loginDomain{domain: d, signer: signer}
	s := Service{Name: "login", Generation: generation, Origin: "https://login.example.org", LoginKey: public}
	for i := range uint32(3) {
		share := keys.NewMasterShare(i+1, generation, poly.At(i+1))
		l.pins, s.Public = append(l.pins, share), append(s.Public, share.PublicPin())
	}
	if s.Master, err = keys.ParsePinMaster(master.G1().Bytes()); err != nil {
		t.Fatal(err)
	}
	f.Services = []Service{s}
	f.Schedules[identity.Permit] = identity.Schedule{Length: 30 * 86_400}
	if l.doc, err = NewDocument(f); err != nil {
		t.Fatal(err)
	}
	l.login, l.id = s, l.doc.ServiceID(s)
	return l
}

// authority returns the authority of an index.
func (l *loginDomain) authority(t testing.TB, index uint32) Authority {
	t.Helper()
	a, ok := l.doc.Authority(index)
	if !ok {
		t.Fatalf("no authority %d", index)
	}
	return a
}

// ask returns a request for the share of authority index, its bytes and the reply key.
func (l *loginDomain) ask(t testing.TB, index uint32) (ServerKeyRequest, []byte, hpke.PrivateKey) {
	t.Helper()
	reply, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	q := ServerKeyRequest{Domain: l.doc.ID(), Service: l.id, Generation: l.login.Generation, Index: index, ReplyKey: reply.PublicKey(), Time: testNow}
	rand.Read(q.Nonce[:])
	return q, q.Sign(l.signer), reply
}

// succession is a change of PIN: the old device, the voucher, and the new device's
// request, whose evidence is not made yet.
type succession struct {
	old, young crypto.Signer
	voucher    Voucher
	request    *Request
}

func (l *loginDomain) succession(t testing.TB) *succession {
	t.Helper()
	s := &succession{old: newDevice(t), young: newDevice(t)}
	was, is := deviceOf(t, s.old), deviceOf(t, s.young)
	reply, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s.voucher = Voucher{Domain: l.doc.ID(), Service: l.id, Index: 2, Name: mustName(t, "acct:alice@example.org"), Old: was.Hash(), New: is.Hash(), Time: testNow, Nonce: [32]byte{5}}
	s.request = &Request{Key: identity.Key{Domain: l.doc.ID(), Purpose: identity.MPin, Service: l.id, Name: s.voucher.Name}, Generation: l.login.Generation, Index: 2, Device: is,
		ReplyKey: reply.PublicKey(), Time: testNow, Nonce: [32]byte{6}}
	return s
}

func deviceOf(t testing.TB, signer crypto.Signer) identity.Device {
	t.Helper()
	d, err := identity.DeviceOf(signer)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
