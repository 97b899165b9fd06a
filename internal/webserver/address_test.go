package webserver

import (
	"net"
	"testing"
)

func TestFreeAddressesAreFreeAndDifferent(t *testing.T) {
	addresses, err := FreeAddresses(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if port := l.Addr().(*net.TCPAddr).Port; port < firstPort || port > lastPort || seen[address] {
			t.Errorf("address %s", address)
		}
		seen[address] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d addresses", len(seen))
	}
}

// A server that is not started yet, or was killed, finds its port free again.
func TestFreeAddressIsGivenOnce(t *testing.T) {
	addresses, err := FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := net.ResolveTCPAddr("tcp", addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	if address, ok := claim(a.Port); ok {
		t.Errorf("%s was given twice", address)
	}
}
