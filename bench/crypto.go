package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"milagro.dev/ibs"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

// subjects are the rows, in the order of bench/README.md.
var subjects = slices.Concat(cryptoSubjects, mpinSubjects, loginSubjects, issuanceSubjects, channelSubjects, proxySubjects,
	openidSubjects, signinSubjects(pairs))

const (
	bareMul     = "g1-mul"
	bareProduct = "pairing-product-2"
	batchSize   = 64
	epochLength = 86_400
)

var cryptoSubjects = []subject{
	{name: "share-issue", against: bareMul, clock: wall, setup: shareIssue},
	{name: "ibs-verify", against: bareProduct, clock: wall, setup: ibsVerify},
	{name: "ibs-verify-batch64", against: bareProduct, clock: wall, setup: ibsVerifyBatch},
	{name: "combine-3", clock: wall, setup: combine(3)},
}

// g1Mul is one constant-time multiplication of a point in G1.
func g1Mul() op {
	point, k := pairing.HashToG1("BENCH", []byte("point")), pairing.RandomSecret()
	return each(func() error {
		point.MulSecret(k)
		return nil
	})
}

// product2 is two Miller loops and one final exponentiation on points that are
// decoded already, and nothing else.
func product2() op {
	k := pairing.RandomSecret()
	a := pairing.NewPair(k.G1(), pairing.G2Generator())
	b := pairing.NewPair(pairing.G1Generator().Neg(), k.G2())
	return each(func() error {
		if !pairing.ProductIsOne(a, b) {
			return errors.New("product is not one")
		}
		return nil
	})
}

// shareIssue is what an authority computes for one M-Pin share: fields
// decoded, hashed to the curve, multiplied, proved by DLEQ.
func shareIssue() (*bench, error) {
	share := keys.NewMasterShare(1, keys.Generation{Counter: 1}, pairing.RandomSecret())
	public := share.PublicPin()
	key := identity.Key{Purpose: identity.MPin, Service: identity.ServiceID{1}, Name: mustName("spiffe://bench.example/a"), Device: identity.DeviceHash{1}}
	fields := encoding.LP("bench", key.Service[:], []byte(key.Name.String()), key.Device[:])
	own := each(func() error {
		k, err := decodeKey(fields)
		if err != nil {
			return err
		}
		point, err := k.Point()
		if err != nil {
			return err
		}
		st := keys.ProofStatement{Service: k.Service, Purpose: k.Purpose, Index: 1, Point: point, Public: public}
		_, err = share.Prove(st, share.Issue(point))
		return err
	})
	return &bench{own: own, reference: g1Mul()}, nil
}

func decodeKey(fields []byte) (identity.Key, error) {
	r := encoding.Open(fields, "bench")
	k := identity.Key{Purpose: identity.MPin, Service: identity.ServiceID(r.Fixed(32))}
	name := r.String(identity.MaxName)
	k.Device = identity.DeviceHash(r.Fixed(32))
	if err := r.Close(); err != nil {
		return k, err
	}
	var err error
	k.Name, err = identity.ParseName(name)
	return k, err
}

func mustName(s string) identity.Name {
	name, err := identity.ParseName(s)
	if err != nil {
		panic(err)
	}
	return name
}

// signed is a master with n signatures by as many names.
type signed struct {
	master     keys.Master
	statements []ibs.Statement
	signatures [][]byte
}

func newSigned(n int) (*signed, error) {
	s := pairing.RandomSecret()
	master, err := keys.ParseMaster(s.G2().Bytes())
	if err != nil {
		return nil, err
	}
	out := &signed{master: master}
	for i := range n {
		message := make([]byte, 100)
		rand.Read(message)
		st := ibs.Statement{Name: mustName(fmt.Sprintf("spiffe://bench.example/%d", i)), Device: identity.DeviceHash{byte(i + 1)},
			Epoch: identity.EpochAt(epochLength, epochLength), Message: message}
		key := identity.Key{Domain: st.Domain, Purpose: identity.Channel, Name: st.Name, Device: st.Device, Epoch: st.Epoch}
		point, err := key.Point()
		if err != nil {
			return nil, err
		}
		private, err := keys.ParsePrivate(point.MulSecret(s).Expose())
		if err != nil {
			return nil, err
		}
		signature, err := ibs.Sign(private, st)
		if err != nil {
			return nil, err
		}
		out.statements, out.signatures = append(out.statements, st), append(out.signatures, signature)
	}
	return out, nil
}

func ibsVerify() (*bench, error) {
	s, err := newSigned(1)
	if err != nil {
		return nil, err
	}
	own := each(func() error { return ibs.Verify(s.master, s.statements[0], s.signatures[0]) })
	return &bench{own: own, reference: product2()}, nil
}

// ibsVerifyBatch counts one signature of a full batch as one operation.
func ibsVerifyBatch() (*bench, error) {
	s, err := newSigned(batchSize)
	if err != nil {
		return nil, err
	}
	own := op{run: func(n int) error {
		for range (n + batchSize - 1) / batchSize {
			if bad := ibs.VerifyBatch(s.master, s.statements, s.signatures); len(bad) > 0 {
				return fmt.Errorf("signatures %v refused", bad)
			}
		}
		return nil
	}}
	return &bench{own: own, reference: product2()}, nil
}

// combine makes a key of t verified shares.
func combine(t int) func() (*bench, error) {
	return func() (*bench, error) {
		poly := vss.NewPolynomial(t)
		point := pairing.HashToG1("BENCH", []byte("point"))
		var shares []keys.Share
		for i := 1; i <= t; i++ {
			shares = append(shares, keys.NewMasterShare(uint32(i), keys.Generation{}, poly.At(uint32(i))).Issue(point))
		}
		own := each(func() error {
			_, err := keys.Combine(t, shares)
			return err
		})
		return &bench{own: own}, nil
	}
}
