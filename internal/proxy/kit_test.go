package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/telemetry"
	"milagro.dev/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	domainName = "example.org"
	webName    = "spiffe://example.org/web"
	apiName    = "spiffe://example.org/api"
	dbName     = "spiffe://example.org/db"
	patience   = 10 * time.Second
)

// town is a domain whose whole master secret exists, as nowhere but in tests.
type town struct {
	secret pairing.Secret
	length uint32 // of an epoch, in seconds

	mu      sync.Mutex // of revoked
	revoked map[string]bool
}

func newTown() *town {
	return &town{secret: pairing.RandomSecret(), length: 86400, revoked: map[string]bool{}}
}

func (w *town) domain(t testing.TB) *idtls.Domain {
	t.Helper()
	master := must(keys.ParseMaster(w.secret.G2().Bytes()))(t)
	return &idtls.Domain{
		ID: must(identity.NewDomainID(domainName, master.Point()))(t), Name: domainName, Master: master,
		Schedule: identity.Schedule{Length: w.length}, Suites: []uint8{idtls.SuiteIdentityKey},
		Revoked: func(p idtls.Peer) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.revoked[p.Name.String()]
		},
	}
}

func (w *town) revoke(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked[name] = true
}

// source returns the source of a name's credential for the epoch at a time.
func (w *town) source(t testing.TB, name string, at time.Time) *holder {
	t.Helper()
	d := w.domain(t)
	c := &idtls.Credential{Name: parseName(t, name), Device: identity.DeviceHash{1, 2, 3}, Epoch: d.Schedule.Current(uint64(at.Unix())), Domain: d}
	point := must(identity.Key{Domain: d.ID, Purpose: identity.Channel, Name: c.Name, Device: c.Device, Epoch: c.Epoch}.Point())(t)
	c.Key = must(keys.ParsePrivate(point.MulSecret(w.secret).Expose()))(t)
	return &holder{credential: c}
}

func (w *town) member(t testing.TB, name string) *holder { return w.source(t, name, time.Now()) }

// holder is a Source.
type holder struct {
	mu         sync.Mutex // of all below
	credential *idtls.Credential
	err        error
}

func (h *holder) Credential() (*idtls.Credential, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.credential, h.err
}

func (h *holder) set(c *idtls.Credential, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.credential, h.err = c, err
}

// must lets a call with an error stand in an expression.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func parseName(t testing.TB, s string) identity.Name { return must(identity.ParseName(s))(t) }

func address(t testing.TB, s string) Address { return must(ParseAddress(s))(t) }

func patterns(t testing.TB, all ...string) (out []Pattern) {
	for _, s := range all {
		out = append(out, Pattern{must(identity.ParsePattern(s))(t)})
	}
	return out
}

// served is a running proxy and what it says.
type served struct {
	*Proxy
	metrics *telemetry.Metrics
	log     *syncBuffer
	access  *syncBuffer
	stop    func()
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// lines are the access log's.
func (s *served) lines(t testing.TB) (all []map[string]any) {
	t.Helper()
	for text := range strings.Lines(s.access.String()) {
		var l map[string]any
		check(t, json.Unmarshal([]byte(text), &l))
		all = append(all, l)
	}
	return all
}

// awaitLine waits for a line of the access log with this outcome and, if given,
// this peer.
func (s *served) awaitLine(t testing.TB, outcome string, peer ...string) (found map[string]any) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		for _, l := range s.lines(t) {
			if l["outcome"] == outcome && (len(peer) == 0 || l["peer"] == peer[0]) {
				return l
			}
		}
	}
	t.Fatalf("no line with outcome %s of %v in:\n%s", outcome, peer, s.access)
	return nil
}

// scrape returns the metrics as text.
func (s *served) scrape() string {
	w := httptest.NewRecorder()
	s.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

// plan completes routes and makes a plan of them.
func (s *served) plan(t testing.TB, drain time.Duration, routes ...Route) Plan {
	t.Helper()
	settings := Settings{Routes: routes, Workload: WorkloadSettings{Socket: "/run/workload"}}
	check(t, settings.Check())
	return Plan{Routes: settings.Routes, Drain: drain, AccessLog: telemetry.NewLogger(s.access, slog.LevelInfo)}
}

// start runs a proxy until the test ends.
func start(t testing.TB, config Config, routes ...Route) *served {
	t.Helper()
	s := &served{metrics: telemetry.NewMetrics(), log: new(syncBuffer), access: new(syncBuffer)}
	config.Metrics, config.Logger = s.metrics, telemetry.NewLogger(s.log, slog.LevelInfo)
	s.Proxy = New(config)
	check(t, s.Apply(s.plan(t, 100*time.Millisecond, routes...)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("the proxy does not end")
		}
	})
	t.Cleanup(s.stop)
	return s
}

// target is a program behind a proxy: it handles every connection with f.
func target(t testing.TB, f func(net.Conn)) Address {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				f(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return address(t, l.Addr().String())
}

// echo sends back what it gets, and ends when it ends.
func echo(conn net.Conn) {
	if _, err := io.Copy(conn, conn); err == nil {
		conn.(interface{ CloseWrite() error }).CloseWrite()
	}
}

// serverRoute is a route of the name api in front of a target.
func (w *town) serverRoute(t testing.TB, to Address, allow ...string) Route {
	t.Helper()
	return Route{Name: "in", Mode: Server, As: parseName(t, apiName), Listen: address(t, "127.0.0.1:0"), Target: to,
		Allow: patterns(t, allow...), Source: w.member(t, apiName)}
}

// clientRoute is a route of the name web to a place where api must be.
func (w *town) clientRoute(t testing.TB, to string) Route {
	t.Helper()
	return Route{Name: "out", Mode: Client, As: parseName(t, webName), Listen: address(t, "127.0.0.1:0"), Target: address(t, to),
		To: patterns(t, apiName), Source: w.member(t, webName)}
}

// pair is a program's way through two proxies to a target.
func (w *town) pair(t testing.TB, to Address, change func(in, out *Route)) (in, out *served) {
	t.Helper()
	server, client := w.serverRoute(t, to, webName), w.clientRoute(t, "127.0.0.1:1")
	if change != nil {
		change(&server, &client)
	}
	in = start(t, Config{}, server)
	client.Target = address(t, in.Address("in"))
	return in, start(t, Config{}, client)
}

// dial connects to a proxy as a program or peer does.
func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn := must(net.Dial("tcp", address))(t).(*net.TCPConn)
	check(t, conn.SetDeadline(time.Now().Add(patience)))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// peer connects with identity TLS.
func (w *town) peer(t testing.TB, as, to string, protocols ...string) (*tls.Conn, error) {
	t.Helper()
	config := must(idtls.ClientConfig(w.member(t, as), idtls.Member(domainName), protocols...))(t)
	conn := tls.Client(dial(t, to), config)
	return conn, conn.Handshake()
}

// said sends a text and returns what comes back of the same length.
func said(conn net.Conn, text string) (string, error) {
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	answer := make([]byte, len(text))
	_, err := io.ReadFull(conn, answer)
	return string(answer), err
}

func isReset(err error) bool {
	return err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "timeout")
}

// asked connects, sends a text and returns what comes back.
func asked(t testing.TB, address, text string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(patience)))
	return said(conn, text)
}
