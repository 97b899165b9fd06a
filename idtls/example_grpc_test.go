package idtls_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"milagro.dev/idtls"
)

// A gRPC service takes configs of this package as transport credentials. What
// it must not do is to believe TLSInfo.SPIFFEID: gRPC copies that out of a
// certificate, whoever accepted it for whatever reason, and it is empty for a
// person. PeerOf says who was verified.
func Example_grpc() {
	web, api := exampleSources()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	config := must(idtls.ServerConfig(api, idtls.Exactly(name("spiffe://example.org/web")), "h2"))
	server := grpc.NewServer(grpc.Creds(channel{credentials.NewTLS(config), api}), grpc.UnaryInterceptor(whoAsks))
	defer server.Stop()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)

	config = must(idtls.ClientConfig(web, idtls.Exactly(name("spiffe://example.org/api")), "h2"))
	conn := must(grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(channel{credentials.NewTLS(config), web})))
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(context.Background(), new(grpc_health_v1.HealthCheckRequest))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.GetStatus())
	// Output:
	// spiffe://example.org/web asks /grpc.health.v1.Health/Check
	// SERVING
}

// whoAsks runs before every handler.
func whoAsks(ctx context.Context, request any, call *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return nil, fmt.Errorf("no peer")
	}
	who, err := idtls.PeerOf(from.AuthInfo.(credentials.TLSInfo).State)
	if err != nil {
		return nil, err
	}
	fmt.Println(who.Name, "asks", call.FullMethod)
	return handle(ctx, request)
}

// channel adds to gRPC's own credentials that connections end when their peer's
// epoch does or it is revoked. A server that also sets keepalive's
// MaxConnectionAge to less than the skew of its epochs, five minutes at most,
// lets clients move over before.
type channel struct {
	credentials.TransportCredentials
	source idtls.Source
}

func (c channel) ClientHandshake(ctx context.Context, host string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ClientHandshake(ctx, host, raw)
	return c.watched(raw, conn, info, err)
}

func (c channel) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	return c.watched(raw, conn, info, err)
}

func (c channel) watched(raw, conn net.Conn, info credentials.AuthInfo, err error) (net.Conn, credentials.AuthInfo, error) {
	if err != nil {
		return nil, nil, err
	}
	if _, err := idtls.Watch(raw, info.(credentials.TLSInfo).State, c.source); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, info, nil
}

func (c channel) Clone() credentials.TransportCredentials {
	return channel{c.TransportCredentials.Clone(), c.source}
}
