package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/argon2"
	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
	"milagro.dev/mpin"
)

const (
	bareArgon = "argon2id-verify"
	// The parameters with which a server of today keeps passwords (OWASP).
	argonMemory, argonTime, argonThreads = 19 << 10, 2, 1
)

var mpinSubjects = []subject{
	{name: "mpin-verify", against: bareProduct, clock: wall, setup: mpinVerify(product2)},
	{name: "mpin-verify-batch64", against: bareProduct, clock: wall, setup: mpinVerifyBatch},
	{name: "mpin-verify", against: bareArgon, clock: wall, setup: mpinVerify(argon2id)},
	{name: "mpin-client", against: bareArgon, clock: wall, setup: mpinClient},
}

// argon2id is what a server computes to check a password, and nothing else.
func argon2id() op {
	password, salt := []byte("correct horse"), make([]byte, 16)
	return each(func() error {
		argon2.IDKey(password, salt, argonTime, argonMemory, argonThreads, 32)
		return nil
	})
}

// person is somebody with a token, a permit and a factor; in a benchmark one
// party knows everything.
type person struct {
	login   mpin.Login
	secrets mpin.Secrets
}

func newPerson(s pairing.Secret, factor mpin.Factor, name string) (*person, error) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	device, err := identity.DeviceOf(signer)
	if err != nil {
		return nil, err
	}
	p := &person{login: mpin.Login{Domain: identity.DomainID{1}, Service: identity.ServiceID{1}, Origin: "https://login.bench.example",
		Name: mustName(name), Device: device, Epoch: identity.EpochAt(epochLength, epochLength)}}
	key := identity.Key{Domain: p.login.Domain, Purpose: identity.MPin, Service: p.login.Service, Name: p.login.Name, Device: device.Hash()}
	master := keys.NewMasterShare(1, keys.Generation{Counter: 1}, s)
	a, err := key.Point()
	if err != nil {
		return nil, err
	}
	token, err := factor.Split(key, 1, []keys.Share{master.Issue(a)})
	if err != nil {
		return nil, err
	}
	key.Purpose, key.Epoch = identity.Permit, p.login.Epoch
	if a, err = key.Point(); err != nil {
		return nil, err
	}
	permit, err := keys.Combine(1, []keys.Share{master.Issue(a)})
	p.secrets = mpin.Secrets{Token: token, Permit: permit, Factor: factor, Signer: signer}
	return p, err
}

// prove runs both passes with a server that knows nothing.
func (p *person) prove() (mpin.Transcript, mpin.Proof, error) {
	attempt, err := mpin.Begin(p.login, p.secrets)
	if err != nil {
		return mpin.Transcript{}, mpin.Proof{}, err
	}
	challenge := mpin.NewChallenge()
	transcript, err := p.login.Transcript(attempt.Commitment(), challenge)
	if err != nil {
		return mpin.Transcript{}, mpin.Proof{}, err
	}
	proof, err := attempt.Finish(challenge)
	return transcript, proof, err
}

// proved is a server key with n logins to verify.
type proved struct {
	key         keys.ServerKey
	transcripts []mpin.Transcript
	vs          [][pairing.G1Size]byte
}

func newProved(n int) (*proved, error) {
	s := pairing.RandomSecret()
	key, err := keys.ParseServerKey(s.SecretG2().Expose())
	if err != nil {
		return nil, err
	}
	factor, err := mpin.Stretch([]byte("472916"), [mpin.SaltSize]byte{}, mpin.Params{Memory: argonMemory, Time: argonTime, Threads: argonThreads})
	if err != nil {
		return nil, err
	}
	out := &proved{key: key}
	for i := range n {
		p, err := newPerson(s, factor, fmt.Sprintf("acct:person-%d@bench.example", i))
		if err != nil {
			return nil, err
		}
		transcript, proof, err := p.prove()
		if err != nil {
			return nil, err
		}
		// Off the wire, with nothing decoded.
		if transcript, err = mpin.ParseTranscript(transcript.Bytes()); err != nil {
			return nil, err
		}
		out.transcripts, out.vs = append(out.transcripts, transcript), append(out.vs, proof.V)
	}
	return out, nil
}

// mpinVerify is what a login server computes for one login: decode, both
// hashes, yB, pairings; the device's signature apart.
func mpinVerify(reference func() op) func() (*bench, error) {
	return func() (*bench, error) {
		p, err := newProved(1)
		if err != nil {
			return nil, err
		}
		own := each(func() error { return mpin.Verify(p.key, p.transcripts[0], p.vs[0]) })
		return &bench{own: own, reference: reference()}, nil
	}
}

// mpinVerifyBatch counts one login of a full batch as one operation.
func mpinVerifyBatch() (*bench, error) {
	p, err := newProved(mpin.MaxBatch)
	if err != nil {
		return nil, err
	}
	own := op{run: func(n int) error {
		for range (n + mpin.MaxBatch - 1) / mpin.MaxBatch {
			if bad := mpin.VerifyBatch(p.key, p.transcripts, p.vs); len(bad) > 0 {
				return fmt.Errorf("logins %v refused", bad)
			}
		}
		return nil
	}}
	return &bench{own: own, reference: product2()}, nil
}

// mpinClient is what a device computes for one login apart from Argon2id: both
// passes with the device's signature.
func mpinClient() (*bench, error) {
	factor, err := mpin.Stretch([]byte("472916"), [mpin.SaltSize]byte{}, mpin.Params{Memory: argonMemory, Time: argonTime, Threads: argonThreads})
	if err != nil {
		return nil, err
	}
	p, err := newPerson(pairing.RandomSecret(), factor, "acct:person@bench.example")
	if err != nil {
		return nil, err
	}
	own := each(func() error {
		_, _, err := p.prove()
		return err
	})
	return &bench{own: own, reference: argon2id()}, nil
}
