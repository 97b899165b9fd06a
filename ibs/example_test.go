package ibs_test

import (
	"fmt"

	"milagro.dev/ibs"
	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

// A workload signs with its channel key; anybody who pinned the domain
// verifies with the workload's name.
func Example() {
	secret := pairing.RandomSecret() // in life, shared among the authorities
	master, _ := keys.ParseMaster(secret.G2().Bytes())
	name, _ := identity.ParseName("spiffe://example.org/web")
	domain, _ := identity.NewDomainID("example.org", master.Point())
	k := identity.Key{Domain: domain, Purpose: identity.Channel, Name: name,
		Device: identity.DeviceHash{1}, Epoch: identity.EpochAt(1_800_000_000, 86_400)}
	point, err := k.Point()
	if err != nil {
		fmt.Println(err)
		return
	}
	private, _ := keys.ParsePrivate(point.MulSecret(secret).Expose())

	statement := ibs.Statement{Domain: k.Domain, Name: k.Name, Device: k.Device, Epoch: k.Epoch, Message: []byte("hello")}
	signature, err := ibs.Sign(private, statement)
	fmt.Println(len(signature), err, ibs.Verify(master, statement, signature))

	statement.Message = []byte("good-bye")
	fmt.Println(ibs.Verify(master, statement, signature))
	// Output:
	// 96 <nil> <nil>
	// identity-based signature does not verify
}
