//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/wallet"
)

// libraryEpoch is that of the services that link the library.
const libraryEpoch = 5

const (
	// callPause lies between two messages of the stream.
	callPause = 20 * time.Millisecond
	// callTakes is how long a handler takes: callers have a call in flight all the
	// time, whenever a connection may be cut.
	callTakes = 100 * time.Millisecond
)

// TestLibraryServicesCrossEpochs has a gRPC service and an HTTP/2 service, with
// the library in them and wallets that are kept, called without a pause over two
// changes of the epoch: no call fails. A stream goes on over the change, until the skew
// after its epoch has passed, and no longer.
func TestLibraryServicesCrossEpochs(t *testing.T) {
	t.Parallel()
	d := newDomain(t, libraryEpoch)
	web, api := keep(t, d, "web"), keep(t, d, "api")
	hello, site := startHello(t, api), startSite(t, api)
	conn := dialHello(t, hello, web)
	transport := must(idtls.Transport(web, idtls.Exactly(name("api"))))(t)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: answerWithin}

	began := together(t, web, api)
	over, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls sync.WaitGroup
	calls.Go(func() {
		repeat(over, t, "gRPC call", func() (string, error) {
			answer := new(wrapperspb.StringValue)
			err := conn.Invoke(t.Context(), "/interop.Hello/Who", new(wrapperspb.StringValue), answer)
			return answer.Value, err
		})
	})
	calls.Go(func() {
		repeat(over, t, "HTTP/2 request", func() (string, error) { return get(client, "https://"+site) })
	})
	ended := stream(t, conn)
	cancel()
	calls.Wait()
	if now := must(web.Credential())(t).Epoch; now.Start < began.Start+2*libraryEpoch {
		t.Errorf("the epoch is %v, it was %v", now, began)
	}
	due := time.Unix(int64(began.End()+began.Skew()), 0)
	if late := ended.Sub(due); late < -time.Second || late > 2*time.Second {
		t.Errorf("the stream ended %v after the skew after its epoch", late)
	}
}

// keep opens a wallet with a name that is kept renewed until the test ends.
func keep(t *testing.T, d *domain, path string) idtls.Source {
	t.Helper()
	w := must(wallet.Open(wallet.Config{Dir: d.enrol(t, path)}))(t)
	ctx, cancel := context.WithCancel(context.Background())
	kept := make(chan error, 1)
	go func() { kept <- w.Keep(ctx, name(path)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-kept; !errors.Is(err, context.Canceled) {
			t.Errorf("keep %s: %v", path, err)
		}
	})
	return w.Source(name(path))
}

// together waits until both show a key of the current epoch, in its first half,
// and returns it.
func together(t *testing.T, a, b idtls.Source) (e identity.Epoch) {
	t.Helper()
	await(t, "both have a key of an epoch that has just begun", func() error {
		now := uint64(time.Now().Unix())
		e = must(a.Credential())(t).Epoch
		other := must(b.Credential())(t).Epoch
		if e != other || e != identity.EpochAt(now, libraryEpoch) || now >= e.Start+libraryEpoch/2 {
			return fmt.Errorf("%v and %v at %d", e, other, now)
		}
		return nil
	})
	return e
}

// repeat calls until ctx ends; every answer must name the caller.
func repeat(ctx context.Context, t *testing.T, what string, call func() (string, error)) {
	count := 0
	for ; ctx.Err() == nil; count++ {
		if answer, err := call(); err != nil || answer != uri("web") {
			t.Errorf("%s %d at %v: %q, %v", what, count, time.Now().UTC(), answer, err)
			return
		}
	}
	t.Logf("%s: %d of them, none failed", what, count)
}

// stream runs one streaming call until it is cut, and returns when that was.
func stream(t *testing.T, conn *grpc.ClientConn) time.Time {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*libraryEpoch*time.Second)
	defer cancel()
	s := must(conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/interop.Hello/Echo"))(t)
	for count := int64(0); ; count++ {
		back := new(wrapperspb.Int64Value)
		err := s.SendMsg(wrapperspb.Int64(count))
		if err == nil {
			err = s.RecvMsg(back)
		}
		if err != nil {
			t.Logf("the stream had %d messages; then: %v", count, err)
			return time.Now()
		}
		if back.Value != count {
			t.Fatalf("%d came back as %d", count, back.Value)
		}
		time.Sleep(callPause)
	}
}

func get(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.ProtoMajor != 2 {
		err = errors.Join(err, errors.New("not HTTP/2"))
	}
	return string(body), err
}

// startSite serves HTTP/2 that tells callers who they are, and returns its address.
func startSite(t *testing.T, source idtls.Source) string {
	t.Helper()
	handler := func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(callTakes)
		if who, err := idtls.PeerOf(*r.TLS); err == nil {
			fmt.Fprint(w, who.Name)
		}
	}
	server := must(idtls.Server(http.HandlerFunc(handler), source, idtls.Exactly(name("web"))))(t)
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	go server.ServeTLS(listener, "", "")
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

// hello is a gRPC service without generated code.
type hello struct{}

// startHello serves gRPC and returns its address. Connections of the age of an
// epoch give way to new ones; a call that still runs keeps its own, as long as the
// channel lets it.
func startHello(t *testing.T, source idtls.Source) string {
	t.Helper()
	config := must(idtls.ServerConfig(source, idtls.Exactly(name("web")), "h2"))(t)
	server := grpc.NewServer(grpc.Creds(channel{credentials.NewTLS(config), source}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: libraryEpoch * time.Second / 2}))
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "interop.Hello", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Who", Handler: who}},
		Streams: []grpc.StreamDesc{{StreamName: "Echo", Handler: echo, ClientStreams: true, ServerStreams: true}}}, new(hello))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// who answers with the caller's name.
func who(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	if err := decode(new(wrapperspb.StringValue)); err != nil {
		return nil, err
	}
	time.Sleep(callTakes)
	from, _ := peer.FromContext(ctx)
	caller, err := idtls.PeerOf(from.AuthInfo.(credentials.TLSInfo).State)
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(caller.Name.String()), nil
}

// echo sends back what comes.
func echo(_ any, s grpc.ServerStream) error {
	for {
		number := new(wrapperspb.Int64Value)
		if err := s.RecvMsg(number); err != nil {
			return err
		}
		if err := s.SendMsg(number); err != nil {
			return err
		}
	}
}

func dialHello(t *testing.T, address string, source idtls.Source) *grpc.ClientConn {
	t.Helper()
	config := must(idtls.ClientConfig(source, idtls.Exactly(name("api")), "h2"))(t)
	conn := must(grpc.NewClient(address, grpc.WithTransportCredentials(channel{credentials.NewTLS(config), source})))(t)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// channel adds to gRPC's own credentials that connections are watched.
type channel struct {
	credentials.TransportCredentials
	source idtls.Source
}

func (c channel) ClientHandshake(ctx context.Context, host string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ClientHandshake(ctx, host, raw)
	return c.watch(raw, conn, info, err)
}

func (c channel) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	return c.watch(raw, conn, info, err)
}

func (c channel) watch(raw, conn net.Conn, info credentials.AuthInfo, err error) (net.Conn, credentials.AuthInfo, error) {
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
