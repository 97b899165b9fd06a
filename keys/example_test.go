package keys_test

import (
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

// Three authorities share a master; two of them give an applicant its key.
func Example() {
	secret := vss.NewPolynomial(2) // dealt by the ceremony; nobody knows it whole
	generation := keys.Generation{Counter: 1}
	master, _ := keys.ParseMaster(secret.CommitG2().Constant().Bytes())

	name, _ := identity.ParseName("spiffe://example.org/web")
	domain, _ := identity.NewDomainID("example.org", master.Point())
	point, err := identity.Key{Domain: domain, Purpose: identity.Channel, Name: name,
		Device: identity.DeviceHash{1}, Epoch: identity.EpochAt(1_800_000_000, 86_400)}.Point()
	if err != nil {
		fmt.Println(err)
		return
	}

	var shares []keys.Share
	publics := map[uint32]pairing.G2{} // of the domain document
	for _, index := range []uint32{1, 3} {
		authority := keys.NewMasterShare(index, generation, secret.At(index))
		publics[index] = authority.Public()
		shares = append(shares, authority.Issue(point))
	}
	fmt.Println("false shares:", keys.VerifyShares(point, shares, publics))
	key, err := keys.Combine(2, shares)
	fmt.Println(key, err, key.Verify(point, master))
	// Output:
	// false shares: []
	// private key [redacted] <nil> <nil>
}
