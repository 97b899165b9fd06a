package idtls

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const day = 86400

// authority holds a whole master secret, which exists nowhere but in tests.
type authority struct {
	secret pairing.Secret
	name   string
}

func newAuthority(name string) authority {
	return authority{secret: pairing.RandomSecret(), name: name}
}

func (a authority) domain(t testing.TB) *Domain {
	t.Helper()
	master, err := keys.ParseMaster(a.secret.G2().Bytes())
	check(t, err)
	id, err := identity.NewDomainID(a.name, master.Point())
	check(t, err)
	return &Domain{
		ID: id, Name: a.name, Master: master, Schedule: identity.Schedule{Length: day},
		Suites: []uint8{SuiteIdentityKey},
	}
}

// issue returns a credential of d's name for the epoch, with a key of a's master.
func (a authority) issue(t testing.TB, d *Domain, name identity.Name, epoch identity.Epoch) *Credential {
	t.Helper()
	c := &Credential{Name: name, Device: identity.DeviceHash{1, 2, 3}, Epoch: epoch, Domain: d}
	a.rekey(t, c)
	return c
}

// rekey gives c the key that belongs to its fields.
func (a authority) rekey(t testing.TB, c *Credential) {
	t.Helper()
	point, err := identity.Key{
		Domain: c.Domain.ID, Purpose: identity.Channel, Name: c.Name, Device: c.Device, Epoch: c.Epoch,
	}.Point()
	check(t, err)
	c.Key, err = keys.ParsePrivate(point.MulSecret(a.secret).Expose())
	check(t, err)
}

// member returns today's credential of a name in a domain of its own copy.
func (a authority) member(t testing.TB, path string) *Credential {
	t.Helper()
	d := a.domain(t)
	return a.issue(t, d, parseName(t, "spiffe://"+a.name+path), d.Schedule.Current(unixNow()))
}

// holder is a Source of one credential.
type holder struct{ c *Credential }

func (h holder) Credential() (*Credential, error) { return h.c, nil }

func anyone(Peer) error { return nil }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func parseName(t testing.TB, s string) identity.Name {
	t.Helper()
	n, err := identity.ParseName(s)
	check(t, err)
	return n
}

func clientConfig(t testing.TB, c *Credential, authorize Authorizer, protocols ...string) *tls.Config {
	t.Helper()
	config, err := ClientConfig(holder{c}, authorize, protocols...)
	check(t, err)
	config.ServerName = "peer.example"
	return config
}

func serverConfig(t testing.TB, c *Credential, authorize Authorizer, protocols ...string) *tls.Config {
	t.Helper()
	config, err := ServerConfig(holder{c}, authorize, protocols...)
	check(t, err)
	return config
}

// outcome is what the two ends of a connection saw.
type outcome struct {
	client, server           error
	clientState, serverState tls.ConnectionState
}

// connect runs a handshake over a real socket and sends one byte each way, so
// that either end learns of the other's refusal.
func connect(t testing.TB, client, server *tls.Config) outcome {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out outcome
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := l.Accept()
		if err != nil {
			out.server = err
			return
		}
		out.serverState, out.server = talk(ctx, tls.Server(raw, server))
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	out.clientState, out.client = talk(ctx, tls.Client(raw, client))
	<-done
	return out
}

// talk ends in a way that loses no alert: a socket closed with data unread
// would reset the connection.
func talk(ctx context.Context, conn *tls.Conn) (tls.ConnectionState, error) {
	defer conn.Close()
	err := conn.HandshakeContext(ctx)
	if err == nil {
		_, _ = conn.Write([]byte{1}) // if it was refused, the read says so
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	raw := conn.NetConn().(*net.TCPConn)
	_ = raw.CloseWrite()
	_, _ = io.Copy(io.Discard, raw)
	return conn.ConnectionState(), err
}

// failedCheck returns the check that err names, or "".
func failedCheck(err error) Check {
	if refusal, ok := errors.AsType[*VerifyError](err); ok {
		return refusal.Check
	}
	return ""
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

// forgery is a leaf that somebody makes by hand. The hooks run in the order of
// the fields; without any the result is a good leaf.
type forgery struct {
	credential *Credential
	key        crypto.Signer
	binding    func(*binding)
	content    func([]byte) []byte
	template   func(*x509.Certificate)
}

func (f forgery) leaf(t testing.TB) *tls.Certificate {
	t.Helper()
	if f.key == nil {
		f.key = newKey(t)
	}
	c := f.credential
	b := &binding{
		suite: SuiteIdentityKey, domain: c.Domain.ID, epoch: c.Epoch, notBefore: c.Epoch.Start,
		notAfter: c.Epoch.End(), usage: asClient | asServer, device: c.Device, name: c.Name,
	}
	if f.binding != nil {
		f.binding(b)
	}
	signed, err := bind(b, c, f.key)
	check(t, err)
	if f.content == nil && f.template == nil {
		return signed
	}
	template, err := profile(b)
	check(t, err)
	if f.content != nil {
		template.ExtraExtensions[1].Value = f.content(b.bytes())
	}
	if f.template != nil {
		f.template(template)
	}
	leaf, err := selfSign(template, f.key)
	check(t, err)
	return leaf
}

// stateOf is what a completed handshake with this leaf would leave.
func stateOf(leaf *tls.Certificate) tls.ConnectionState {
	return tls.ConnectionState{
		Version: tls.VersionTLS13, HandshakeComplete: true, PeerCertificates: []*x509.Certificate{leaf.Leaf},
	}
}

// quiet returns a logger into the test's own log.
func quiet(t *testing.T) *log.Logger { return log.New(t.Output(), "", 0) }
