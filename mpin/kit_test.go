package mpin

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newDevice(t testing.TB) crypto.Signer {
	t.Helper()
	return must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// month is the length of a permit's epoch in these tests.
const month = 30 * 86_400

// service is a login service whose master the test knows, shared 2 of 3.
type service struct {
	id      identity.ServiceID
	master  pairing.Secret
	holders []keys.MasterShare
	server  keys.ServerKey
}

func newService(t testing.TB) *service {
	t.Helper()
	s := &service{id: identity.ServiceID{7}, master: pairing.RandomSecret()}
	p := vss.WithConstant(s.master, 2)
	var shares []keys.ServerShare
	for i := range uint32(3) {
		h := keys.NewMasterShare(i+1, keys.Generation{Counter: 1}, p.At(i+1))
		s.holders, shares = append(s.holders, h), append(shares, h.ServerShare())
	}
	s.server = must[keys.ServerKey](t)(keys.CombineServer(2, shares))
	return s
}

func (s *service) issue(t testing.TB, k identity.Key) []keys.Share {
	t.Helper()
	point := must[pairing.G1](t)(k.Point())
	var shares []keys.Share
	for _, h := range s.holders {
		shares = append(shares, h.Issue(point))
	}
	return shares
}

// cheap is the factor of a PIN whose stretching costs nothing: the attacks of these
// tests try hundreds.
func cheap(t testing.TB, pin string) Factor {
	t.Helper()
	h := sha256.Sum256([]byte(pin))
	return must[Factor](t)(newFactor(h[:]))
}

// person is somebody with a device, a token, a permit and a PIN.
type person struct {
	service *service
	login   Login
	secrets Secrets
}

func (s *service) enrol(t testing.TB, name, pin string) *person {
	t.Helper()
	signer := newDevice(t)
	p := &person{service: s, login: Login{Domain: identity.DomainID{1}, Service: s.id, Origin: "https://login.example.org",
		Name: must[identity.Name](t)(identity.ParseName("acct:" + name + "@example.org")), Device: must[identity.Device](t)(identity.DeviceOf(signer)),
		Epoch: identity.EpochAt(1_800_000_000, month)}}
	p.secrets = Secrets{Factor: cheap(t, pin), Signer: signer, Permit: p.permit(t, p.login.Epoch)}
	p.secrets.Token = must[keys.Private](t)(p.secrets.Factor.Split(p.login.key(identity.MPin), 2, s.issue(t, p.login.key(identity.MPin))))
	return p
}

// permit returns P_e of an epoch.
func (p *person) permit(t testing.TB, e identity.Epoch) keys.Private {
	t.Helper()
	l := p.login
	l.Epoch = e
	return must[keys.Private](t)(keys.Combine(2, p.service.issue(t, l.key(identity.Permit))))
}

// typing returns the secrets when somebody has typed this PIN.
func (p *person) typing(t testing.TB, pin string) Secrets {
	s := p.secrets
	s.Factor = cheap(t, pin)
	return s
}

// run is a whole login: what the server holds, and what it gets.
func run(t testing.TB, l Login, s Secrets) (Transcript, Proof) {
	t.Helper()
	attempt := must[*Attempt](t)(Begin(l, s))
	u := must[Commitment](t)(ParseCommitment(attempt.Commitment().Bytes()))
	c := NewChallenge()
	proof := must[Proof](t)(attempt.Finish(c))
	return must[Transcript](t)(l.Transcript(u, c)), proof
}

// judge verifies as a server does: the device, then the proof, alone and as a batch.
func (s *service) judge(t testing.TB, tr Transcript, p Proof) error {
	t.Helper()
	if err := VerifyDevice(tr, p); err != nil {
		return err
	}
	err := Verify(s.server, tr, p.V)
	if bad := VerifyBatch(s.server, []Transcript{tr}, [][pairing.G1Size]byte{p.V}); (err == nil) != (len(bad) == 0) {
		t.Errorf("Verify says %v, VerifyBatch %v", err, bad)
	}
	return err
}

// sign returns v with the signature of p's device, so that the proof alone is judged.
func (p *person) sign(t testing.TB, tr Transcript, v [pairing.G1Size]byte) Proof {
	t.Helper()
	signature := must[[]byte](t)(identity.SignDevice(p.secrets.Signer, tr.digest(v[:])))
	return Proof{V: v, Signature: [identity.SignatureSize]byte(signature)}
}

func point(t testing.TB, b []byte) pairing.G1 {
	t.Helper()
	return must[pairing.G1](t)(pairing.ParseG1(b))
}

func array(p pairing.G1) [pairing.G1Size]byte { return [pairing.G1Size]byte(p.Bytes()) }
