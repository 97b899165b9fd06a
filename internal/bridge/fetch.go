package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"milagro.dev/identity"
)

// SocketVariable names the environment variable in which SPIFFE programs find
// the socket of the Workload API.
const SocketVariable = workloadapi.SocketEnv

// maxBackoff is how long Watch waits at most before it tries again.
const maxBackoff = 5 * time.Second

// advised is an error about which the user can do something.
type advised struct {
	error
	hint string
}

// Unwrap returns the error.
func (e *advised) Unwrap() error { return e.error }

// Hint returns what to do.
func (e *advised) Hint() string { return e.hint }

// Socket is the path of a Workload API's socket.
type Socket struct{ path string }

// ParseSocket reads a path, unix:PATH or unix:///PATH. A TCP address is refused:
// over TCP nobody knows who calls.
func ParseSocket(s string) (Socket, error) {
	path := s
	if rest, ok := strings.CutPrefix(s, "unix:"); ok {
		path = rest
		if after, ok := strings.CutPrefix(rest, "//"); ok {
			decoded, err := url.PathUnescape(after)
			if err != nil || !strings.HasPrefix(decoded, "/") {
				return Socket{}, fmt.Errorf("%q: after unix:// follows a path that begins with /", s)
			}
			path = decoded
		}
	}
	switch {
	case path == "":
		return Socket{}, errors.New("the path of the socket is empty")
	case strings.Contains(path, "://"), strings.HasPrefix(path, "tcp:"):
		return Socket{}, fmt.Errorf("%q is not a unix socket: over anything else the sidecar would not know who calls", s)
	case strings.ContainsRune(path, 0):
		return Socket{}, fmt.Errorf("%q has a zero byte", s)
	}
	path, err := filepath.Abs(path)
	if err == nil && len(path) > maxPath {
		err = fmt.Errorf("%s: the path of a socket has at most %d bytes", path, maxPath)
	}
	return Socket{path}, err
}

// String returns the path, which is absolute.
func (s Socket) String() string { return s.path }

// URI returns what SocketVariable holds.
func (s Socket) URI() string { return (&url.URL{Scheme: "unix", Path: s.path}).String() }

// Fetch asks the Workload API at socket for the SVID of name, or for the first
// one if name is zero. An error says whose fault it is.
func Fetch(ctx context.Context, socket Socket, name identity.Name) (*Files, error) {
	client, err := dial(ctx, socket)
	if err != nil {
		return nil, socket.explain(ctx, err)
	}
	defer client.Close()
	x, err := client.FetchX509Context(ctx)
	if err != nil {
		return nil, socket.explain(ctx, err)
	}
	return choose(x, name)
}

// Watch calls changed with what Fetch returns, now and whenever that is replaced,
// and with an error whenever there is trouble; it tries again by itself. It
// returns when ctx ends, with nil, or when the server does not speak the protocol.
func Watch(ctx context.Context, socket Socket, name identity.Name, changed func(*Files, error)) error {
	client, err := dial(ctx, socket)
	if err != nil {
		return socket.explain(ctx, err)
	}
	defer client.Close()
	err = client.WatchX509Context(ctx, &watcher{ctx: ctx, socket: socket, name: name, changed: changed})
	if ctx.Err() != nil {
		return nil
	}
	return socket.explain(ctx, err)
}

func dial(ctx context.Context, socket Socket) (*workloadapi.Client, error) {
	return workloadapi.New(ctx, workloadapi.WithAddr(socket.URI()), workloadapi.WithBackoffStrategy(patience{}))
}

// watcher is workloadapi.X509ContextWatcher.
type watcher struct {
	ctx     context.Context
	socket  Socket
	name    identity.Name
	changed func(*Files, error)
}

// OnX509ContextUpdate is workloadapi.X509ContextWatcher.
func (w *watcher) OnX509ContextUpdate(x *workloadapi.X509Context) { w.changed(choose(x, w.name)) }

// OnX509ContextWatchError is workloadapi.X509ContextWatcher.
func (w *watcher) OnX509ContextWatchError(err error) {
	if w.ctx.Err() == nil {
		w.changed(nil, w.socket.explain(w.ctx, err))
	}
}

// choose returns the files of one SVID of an answer.
func choose(x *workloadapi.X509Context, name identity.Name) (*Files, error) {
	i := slices.IndexFunc(x.SVIDs, func(s *x509svid.SVID) bool { return name.IsZero() || s.ID.String() == name.String() })
	if i < 0 {
		var names []string
		for _, s := range x.SVIDs {
			names = append(names, s.ID.String())
		}
		return nil, fmt.Errorf("the sidecar gives this user no %v, only %s", name, strings.Join(names, ", "))
	}
	bundle, err := x.Bundles.GetX509BundleForTrustDomain(x.SVIDs[i].ID.TrustDomain())
	if err != nil {
		return nil, err
	}
	return newFiles(x.SVIDs[i], bundle)
}

// explain says of an error of the client whose it is and what to do.
func (s Socket) explain(ctx context.Context, err error) error {
	const notIt = "does the SPIFFE Workload API listen there?"
	if ctx.Err() != nil {
		return &advised{fmt.Errorf("workload socket %s: no answer: %w", s, ctx.Err()), notIt}
	}
	if err := s.probe(ctx); err != nil {
		return err
	}
	answer := status.Convert(err)
	told := fmt.Errorf("workload socket %s: the sidecar answers: %s", s, answer.Message())
	switch code := answer.Code(); {
	case code == codes.PermissionDenied:
		return &advised{told, fmt.Sprintf("give this user a name in the sidecar's file: [[workload.entry]] with name = \"…\" and uid = %d", os.Geteuid())}
	case code == codes.Unavailable && !grpcSays(answer.Message()):
		return &advised{told, "the sidecar has no certificate to give now: see its log, and 'milagro show' for its keys"}
	case code == codes.Unavailable, code == codes.Unknown:
		return &advised{fmt.Errorf("workload socket %s: %w", s, err), notIt}
	}
	return told
}

// grpcSays reports whether these are words of the client's own library: nobody
// has answered.
func grpcSays(message string) bool {
	return slices.ContainsFunc([]string{"connection error", "last connection error", "error reading", "transport"},
		func(start string) bool { return strings.HasPrefix(message, start) })
}

// probe returns an error if nobody can be reached at the socket.
func (s Socket) probe(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", s.path)
	if err == nil {
		return conn.Close()
	}
	why, hint := err, "start the sidecar: milagro proxy --config FILE, with [workload] socket = \"…\" in the file"
	switch {
	case errors.Is(err, os.ErrNotExist):
		why = errors.New("there is none")
	case refused(err):
		why = errors.New("nobody serves it any more")
	case errors.Is(err, os.ErrPermission):
		why, hint = errors.New("this user may not connect"), "the sidecar opens its socket to users that have a [[workload.entry]]; the directories above it must let them pass"
	}
	return &advised{fmt.Errorf("workload socket %s: %w", s, why), hint}
}

// patience is workloadapi.BackoffStrategy: a sidecar that is back is met within
// maxBackoff.
type patience struct{}

// NewBackoff is workloadapi.BackoffStrategy.
func (patience) NewBackoff() workloadapi.Backoff { return &backoff{} }

type backoff struct{ next time.Duration }

// Next is workloadapi.Backoff.
func (b *backoff) Next() time.Duration {
	b.next = min(max(2*b.next, 100*time.Millisecond), maxBackoff)
	return b.next
}

// Reset is workloadapi.Backoff.
func (b *backoff) Reset() { b.next = 0 }
