package idtls_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/quic-go/quic-go"

	"milagro.dev/idtls"
)

// QUIC takes the same configs, with the application's protocol. Use Listen and
// Dial, not their Early variants: those hand out connections whose peer is not
// known yet, and PeerOf refuses to name it.
func Example_quic() {
	web, api := exampleSources()
	server := must(idtls.ServerConfig(api, idtls.Exactly(name("spiffe://example.org/web")), "greeting"))
	listener := must(quic.ListenAddr("127.0.0.1:0", server, new(quic.Config)))
	defer listener.Close()
	go greetOverQUIC(listener, api)

	client := must(idtls.ClientConfig(web, idtls.Exactly(name("spiffe://example.org/api")), "greeting"))
	ctx := context.Background()
	conn, err := quic.DialAddr(ctx, listener.Addr().String(), client, new(quic.Config))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.CloseWithError(0, "")
	if err := watchQUIC(conn, web); err != nil {
		log.Fatal(err)
	}
	stream := must(conn.AcceptUniStream(ctx))
	fmt.Println(string(must(io.ReadAll(stream))))
	// Output: hello spiffe://example.org/web
}

func greetOverQUIC(listener *quic.Listener, api idtls.Source) {
	conn, err := listener.Accept(context.Background())
	if err != nil {
		return
	}
	if err := watchQUIC(conn, api); err != nil {
		conn.CloseWithError(1, "")
		return
	}
	peer, err := idtls.PeerOf(conn.ConnectionState().TLS)
	if err != nil {
		return
	}
	stream, err := conn.OpenUniStream()
	if err != nil {
		return
	}
	fmt.Fprintf(stream, "hello %v", peer.Name)
	stream.Close()
}

// watchQUIC closes conn when its peer's epoch has passed or it is revoked. One
// socket carries many QUIC connections, so their end is told by their context.
func watchQUIC(conn *quic.Conn, source idtls.Source) error {
	stop, err := idtls.Watch(quicCloser{conn}, conn.ConnectionState().TLS, source)
	if err != nil {
		return err
	}
	context.AfterFunc(conn.Context(), stop)
	return nil
}

type quicCloser struct{ *quic.Conn }

func (c quicCloser) Close() error { return c.CloseWithError(0, "no longer verified") }
