package idtls_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

// Two services of one domain talk; each says by name whom it expects. The
// sources come from a wallet in a real program.
func Example() {
	web, api := exampleSources()
	listener, err := idtls.Listen("tcp", "127.0.0.1:0", api, idtls.Exactly(name("spiffe://example.org/web")))
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go greet(listener)

	conn, err := idtls.Dial(context.Background(), "tcp", listener.Addr().String(), web,
		idtls.Exactly(name("spiffe://example.org/api")))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	answer, err := io.ReadAll(conn)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(answer))
	// Output: hello spiffe://example.org/web
}

func greet(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	if err := conn.(*tls.Conn).Handshake(); err != nil {
		return
	}
	peer, err := idtls.PeerOf(conn.(*tls.Conn).ConnectionState())
	if err != nil {
		return
	}
	fmt.Fprintf(conn, "hello %v", peer.Name)
}

// exampleSources plays all authorities of a domain at once.
func exampleSources() (web, api idtls.Source) {
	secret := pairing.RandomSecret()
	master := must(keys.ParseMaster(secret.G2().Bytes()))
	domain := &idtls.Domain{
		ID: must(identity.NewDomainID("example.org", master.Point())), Name: "example.org", Master: master,
		Schedule: identity.Schedule{Length: 86400}, Suites: []uint8{idtls.SuiteIdentityKey},
	}
	issue := func(n identity.Name) idtls.Source {
		c := &idtls.Credential{Name: n, Device: identity.DeviceHash{1}, Domain: domain}
		c.Epoch = domain.Schedule.Current(uint64(time.Now().Unix()))
		point := must(identity.Key{
			Domain: domain.ID, Purpose: identity.Channel, Name: c.Name, Device: c.Device, Epoch: c.Epoch,
		}.Point())
		c.Key = must(keys.ParsePrivate(point.MulSecret(secret).Expose()))
		return source{c}
	}
	return issue(name("spiffe://example.org/web")), issue(name("spiffe://example.org/api"))
}

type source struct{ credential *idtls.Credential }

func (s source) Credential() (*idtls.Credential, error) { return s.credential, nil }

func name(s string) identity.Name { return must(identity.ParseName(s)) }

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
