package webserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports for servers that are started later: below those that systems give to
// outgoing connections, which would take them in the meantime. Whoever listens
// claimOffset above such a port has claimed it.
const (
	firstPort   = 16_384
	lastPort    = 24_575
	claimOffset = lastPort + 1 - firstPort
)

// FreeAddresses returns n different loopback addresses, such as
// 127.0.0.1:20000, on which nobody listens now. They are this process's until it
// ends: FreeAddresses gives them to nobody else, though what listens there be
// started late, or killed and started again.
func FreeAddresses(n int) ([]string, error) {
	var addresses []string
	for tries := 0; len(addresses) < n; tries++ {
		if tries > 100+10*n {
			return nil, errors.New("no free ports on 127.0.0.1")
		}
		if address, ok := claim(firstPort + rand.IntN(lastPort-firstPort+1)); ok {
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}

// claim takes a port unless somebody has it.
func claim(port int) (address string, ok bool) {
	claimed, err := net.Listen("tcp", loopback(port+claimOffset))
	if err != nil {
		return "", false
	}
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		claimed.Close()
		return "", false
	}
	go hold(claimed)
	return loopback(port), l.Close() == nil
}

// hold keeps a claim: it answers nobody.
func hold(claimed net.Listener) {
	for {
		c, err := claimed.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
