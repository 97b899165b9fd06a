package bridge

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"milagro.dev/identity"
)

// Limits of the socket. The largest answer is one SVID and bundle for each name
// of a caller; requests are empty.
const (
	maxStreams     = 8 // of one connection
	maxRequest     = 4 << 10
	maxHeader      = 8 << 10
	handshakeTime  = 5 * time.Second
	idleTime       = 5 * time.Minute
	stopTime       = 5 * time.Second
	header         = "workload.spiffe.io"
	noTokens       = "this sidecar makes X.509-SVIDs only: it has no key that signs tokens"
	headerRequired = "the header " + header + ": true is required"
)

// Serve answers the SPIFFE Workload API on listener, which must be a unix socket
// (Listen makes one), until ctx ends or the listener breaks. It closes listener,
// tells the streams and returns when all is over: nil if ctx ended it.
func (b *Bridge) Serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := &workloadAPI{bridge: b, stopping: ctx.Done()}
	server := grpc.NewServer(
		grpc.Creds(newKernel()), grpc.ConnectionTimeout(handshakeTime),
		grpc.MaxConcurrentStreams(maxStreams), grpc.MaxRecvMsgSize(maxRequest), grpc.MaxHeaderListSize(maxHeader),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTime}),
		grpc.UnaryInterceptor(checkCall), grpc.StreamInterceptor(checkStream),
	)
	workload.RegisterSpiffeWorkloadAPIServer(server, api)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err := b.follow(ctx, served)
	cancel()
	stop(server)
	return err
}

// follow looks at the beginning of each second, which is when epochs turn.
func (b *Bridge) follow(ctx context.Context, served <-chan error) error {
	for {
		if err := b.look(); err != nil {
			b.log.Error("bridge", "error", err)
		}
		now := time.Now()
		timer := time.NewTimer(now.Truncate(time.Second).Add(time.Second).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case err := <-served:
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// stop lets the calls end that heed stopping, and cuts those that do not.
func stop(server *grpc.Server) {
	over := time.AfterFunc(stopTime, server.Stop)
	defer over.Stop()
	server.GracefulStop()
}

// checkCall and checkStream refuse a caller that has not said that it means this
// API: a browser cannot send the header.
func checkCall(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := checkHeader(ctx); err != nil {
		return nil, err
	}
	return next(ctx, r)
}

func checkStream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if err := checkHeader(stream.Context()); err != nil {
		return err
	}
	return next(server, stream)
}

func checkHeader(ctx context.Context) error {
	if !slices.Equal(metadata.ValueFromIncomingContext(ctx, header), []string{"true"}) {
		return status.Error(codes.InvalidArgument, headerRequired)
	}
	return nil
}

// workloadAPI is the service of one Serve.
type workloadAPI struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	bridge   *Bridge
	stopping <-chan struct{}
}

// FetchX509SVID streams the caller's SVIDs.
func (w *workloadAPI) FetchX509SVID(_ *workload.X509SVIDRequest, stream grpc.ServerStreamingServer[workload.X509SVIDResponse]) error {
	return w.stream(stream.Context(), func(c caller, a *answer) error {
		response := &workload.X509SVIDResponse{}
		for _, s := range a.svids {
			key, err := x509.MarshalPKCS8PrivateKey(s.key)
			if err != nil {
				return err
			}
			response.Svids = append(response.Svids, &workload.X509SVID{
				SpiffeId: s.name.String(), X509Svid: s.certificate.Raw, X509SvidKey: key, Bundle: a.bundles[s.name.Domain()],
			})
			w.bridge.log.Info("X.509 certificate given", "name", s.name, "uid", c.uid, "gid", c.gid, "pid", c.pid,
				"serial", s.certificate.SerialNumber.Text(16), "until", s.certificate.NotAfter)
		}
		return stream.Send(response)
	})
}

// FetchX509Bundles streams the bundles of the caller's trust domains.
func (w *workloadAPI) FetchX509Bundles(_ *workload.X509BundlesRequest, stream grpc.ServerStreamingServer[workload.X509BundlesResponse]) error {
	return w.stream(stream.Context(), func(_ caller, a *answer) error {
		response := &workload.X509BundlesResponse{Bundles: map[string][]byte{}}
		for domain, bundle := range a.bundles {
			response.Bundles["spiffe://"+domain] = bundle
		}
		return stream.Send(response)
	})
}

// stream sends an answer, and another whenever that is out of date, until the
// caller leaves, nothing is left to give, or the server stops.
func (w *workloadAPI) stream(ctx context.Context, send func(caller, *answer) error) error {
	c, names, err := w.caller(ctx)
	if err != nil {
		return err
	}
	for {
		a, err := w.bridge.answer(names)
		if err != nil {
			return w.refusal(err)
		}
		if err := send(c, a); err != nil {
			return err
		}
		if err := w.wait(ctx, names, a); err != nil {
			return err
		}
	}
}

// wait returns nil when a is out of date.
func (w *workloadAPI) wait(ctx context.Context, names []identity.Name, a *answer) error {
	changed := a.changed
	for {
		select {
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-w.stopping:
			return status.Error(codes.Unavailable, "the sidecar is stopping")
		case <-changed:
		}
		var editions []uint64
		if editions, changed = w.bridge.editions(names); !slices.Equal(editions, a.editions) {
			return nil
		}
	}
}

// caller returns who calls and what names he may have: one at least.
func (w *workloadAPI) caller(ctx context.Context) (caller, []identity.Name, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return caller{}, nil, status.Error(codes.PermissionDenied, "nobody knows who calls")
	}
	known, ok := p.AuthInfo.(attested)
	if !ok {
		return caller{}, nil, status.Error(codes.PermissionDenied, "nobody knows who calls")
	}
	c := known.caller
	names := w.bridge.namesOf(c)
	if len(names) == 0 {
		w.bridge.log.Warn("no X.509 certificate for this caller", "uid", c.uid, "gid", c.gid, "pid", c.pid)
		return c, nil, status.Errorf(codes.PermissionDenied, "no workload entry for user %d, group %d", c.uid, c.gid)
	}
	return c, names, nil
}

// refusal says to the caller why there is nothing. Local users may know the names
// that are theirs and what ails their keys; other troubles are the operator's.
func (w *workloadAPI) refusal(err error) error {
	if errors.Is(err, errNoCredential) {
		return status.Error(codes.Unavailable, err.Error())
	}
	w.bridge.log.Error("no X.509 certificate made", "error", err)
	return status.Error(codes.Internal, "no certificate could be made: see the sidecar's log")
}

// FetchJWTSVID is not implemented.
func (w *workloadAPI) FetchJWTSVID(context.Context, *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	return nil, status.Error(codes.Unimplemented, noTokens)
}

// FetchJWTBundles is not implemented.
func (w *workloadAPI) FetchJWTBundles(*workload.JWTBundlesRequest, grpc.ServerStreamingServer[workload.JWTBundlesResponse]) error {
	return status.Error(codes.Unimplemented, noTokens)
}

// ValidateJWTSVID is not implemented.
func (w *workloadAPI) ValidateJWTSVID(context.Context, *workload.ValidateJWTSVIDRequest) (*workload.ValidateJWTSVIDResponse, error) {
	return nil, status.Error(codes.Unimplemented, noTokens)
}

// FetchWITSVID is not implemented.
func (w *workloadAPI) FetchWITSVID(*workload.WITSVIDRequest, grpc.ServerStreamingServer[workload.WITSVIDResponse]) error {
	return status.Error(codes.Unimplemented, noTokens)
}

// FetchWITBundles is not implemented.
func (w *workloadAPI) FetchWITBundles(*workload.WITBundlesRequest, grpc.ServerStreamingServer[workload.WITBundlesResponse]) error {
	return status.Error(codes.Unimplemented, noTokens)
}
