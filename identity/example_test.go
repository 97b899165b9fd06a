package identity_test

import (
	"fmt"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
)

// A name, a device and an epoch, hashed to the point that a key is for.
func Example() {
	name, err := identity.ParseName("spiffe://example.org/web")
	fmt.Println(name.Domain(), err)
	_, err = identity.ParseName("spiffe://Example.org/web")
	fmt.Println(err)

	domain, _ := identity.NewDomainID("example.org", pairing.G2Generator()) // in life, the domain's master
	fmt.Println(domain)
	epoch := identity.EpochAt(1_800_000_000, 86_400)
	point, err := identity.Key{Domain: domain, Purpose: identity.Channel, Name: name, Device: identity.DeviceHash{1}, Epoch: epoch}.Point()
	fmt.Println(epoch, len(point.Bytes()), err)
	// Output:
	// example.org <nil>
	// not a canonical name: domain "Example.org" has the label "Example"
	// milagro1d7uwe97lf37va755dqrkx0vsjwrhksy9l8m0d9v7an5sq67qymmq6l56qe
	// 1799971200/86400 48 <nil>
}
