package mpin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
	"milagro.dev/mpin"
)

// A person's key is split by a PIN, and then used to log in.
func Example() {
	// What three authorities do, of which any two make a key.
	poly := vss.NewPolynomial(2)
	issue := func(k identity.Key) (shares []keys.Share) {
		point, err := k.Point()
		if err != nil {
			panic(err)
		}
		for i := range uint32(3) {
			shares = append(shares, keys.NewMasterShare(i+1, keys.Generation{Counter: 1}, poly.At(i+1)).Issue(point))
		}
		return shares
	}
	server, err := keys.CombineServer(2, []keys.ServerShare{
		keys.NewMasterShare(1, keys.Generation{Counter: 1}, poly.At(1)).ServerShare(),
		keys.NewMasterShare(2, keys.Generation{Counter: 1}, poly.At(2)).ServerShare(),
	})
	if err != nil {
		panic(err)
	}

	// The device: a key of its own, a token and a permit.
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	device, _ := identity.DeviceOf(signer)
	name, _ := identity.ParseName("acct:alice@example.org")
	login := mpin.Login{Service: identity.ServiceID{1}, Origin: "https://login.example.org", Name: name, Device: device, Epoch: identity.EpochAt(0, 86_400*30)}
	key := identity.Key{Purpose: identity.MPin, Service: login.Service, Name: name, Device: device.Hash()}
	var salt [mpin.SaltSize]byte
	rand.Read(salt[:])
	params := mpin.Params{Memory: 19 << 10, Time: 2, Threads: 1}
	alpha, err := mpin.Stretch([]byte("472916"), salt, params)
	if err != nil {
		panic(err)
	}
	token, err := alpha.Split(key, 2, issue(key))
	if err != nil {
		panic(err)
	}
	key.Purpose, key.Epoch = identity.Permit, login.Epoch
	permit, err := keys.Combine(2, issue(key))
	if err != nil {
		panic(err)
	}

	for _, pin := range []string{"472916", "472961"} {
		typed, err := mpin.Stretch([]byte(pin), salt, params)
		if err != nil {
			panic(err)
		}
		attempt, err := mpin.Begin(login, mpin.Secrets{Token: token, Permit: permit, Factor: typed, Signer: signer})
		if err != nil {
			panic(err)
		}
		// The server: the commitment first, then the challenge.
		u, err := mpin.ParseCommitment(attempt.Commitment().Bytes())
		if err != nil {
			panic(err)
		}
		challenge := mpin.NewChallenge()
		transcript, err := login.Transcript(u, challenge)
		if err != nil {
			panic(err)
		}
		// The device answers, the server judges.
		proof, err := attempt.Finish(challenge)
		if err != nil {
			panic(err)
		}
		if err := mpin.VerifyDevice(transcript, proof); err != nil {
			panic(err)
		}
		fmt.Println(mpin.Verify(server, transcript, proof.V))
	}
	// Output:
	// <nil>
	// login refused
}
