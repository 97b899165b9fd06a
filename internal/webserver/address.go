package webserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports for servers that are started later: below those that systems give to
// outgoing connections, which would take them in the meantime.
const (
	firstPort = 16_384
	lastPort  = 32_767
)

// FreeAddresses returns n different loopback addresses, such as
// 127.0.0.1:20000, on which nobody listens now.
func FreeAddresses(n int) ([]string, error) {
	var addresses []string
	for tries := 0; len(addresses) < n; tries++ {
		if tries > 100+10*n {
			return nil, errors.New("no free ports on 127.0.0.1")
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort+1)))
		if err != nil {
			continue
		}
		defer l.Close() // all at the end, so that none is found twice
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
