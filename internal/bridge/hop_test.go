package bridge

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"

	"milagro.dev/identity"
	"milagro.dev/idtls"
)

// connect runs a handshake over a real socket and sends one byte each
// way, so that either end learns of the other's refusal.
func connect(t *testing.T, client, server *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		done <- talk(ctx, tls.Server(raw, server))
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	clientErr = talk(ctx, tls.Client(raw, client))
	return clientErr, <-done
}

func talk(ctx context.Context, conn *tls.Conn) error {
	defer conn.Close()
	err := conn.HandshakeContext(ctx)
	if err == nil {
		_, _ = conn.Write([]byte{1}) // if it was refused, the read says so
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	raw := conn.NetConn().(*net.TCPConn)
	_ = raw.CloseWrite()
	_, _ = io.Copy(io.Discard, raw)
	return err
}

// local are the configs of a sidecar's ends of the hop: of name, for programs of
// welcome.
func (s *site) local(t *testing.T, name identity.Name, welcome ...identity.Name) (client, server *tls.Config) {
	t.Helper()
	server, err := s.ServerTLS(name, welcome...)
	check(t, err)
	client, err = s.ClientTLS(name, welcome...)
	check(t, err)
	return client, server
}

// accepted wants that both ends welcomed the other.
func accepted(t *testing.T, what string, clientErr, serverErr error) {
	t.Helper()
	if clientErr != nil || serverErr != nil {
		t.Errorf("%s: client %v, server %v", what, clientErr, serverErr)
	}
}

func TestGoSPIFFETalksOverTheHop(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	program := source(t, s.serve(t))
	client, server := s.local(t, s.web, s.web)
	web := tlsconfig.AuthorizeID(spiffeid.RequireFromString(webText))
	clientErr, serverErr := connect(t, tlsconfig.MTLSClientConfig(program, program, web), server)
	accepted(t, "the program is the client", clientErr, serverErr)
	clientErr, serverErr = connect(t, client, tlsconfig.MTLSServerConfig(program, program, web))
	accepted(t, "the program is the server", clientErr, serverErr)
	old := server.Clone()
	old.MaxVersion = tls.VersionTLS12
	clientErr, serverErr = connect(t, tlsconfig.MTLSClientConfig(program, program, web), old)
	accepted(t, "TLS 1.2", clientErr, serverErr)
}

func TestTheHopWantsTheExactName(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	program := source(t, s.serve(t)) // web
	client, server := s.local(t, s.api, s.api)
	_, err := connect(t, tlsconfig.MTLSClientConfig(program, program, tlsconfig.AuthorizeAny()), server)
	if err == nil || !strings.Contains(err.Error(), webText+" is not welcome here") {
		t.Errorf("as the server: %v", err)
	}
	err, _ = connect(t, client, tlsconfig.MTLSServerConfig(program, program, tlsconfig.AuthorizeAny()))
	if err == nil || !strings.Contains(err.Error(), webText+" is not welcome here") {
		t.Errorf("as the client: %v", err)
	}
}

func TestAProgramWithoutCertificateIsRefused(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	_, server := s.local(t, s.web, s.web)
	if _, err := connect(t, &tls.Config{InsecureSkipVerify: true}, server); err == nil {
		t.Error("accepted")
	}
}

func TestAnotherBridgeRefusesAnSVID(t *testing.T) {
	one, two := newSite(t, longEpoch, nil), newSite(t, longEpoch, nil)
	_, ours := one.local(t, one.web, one.web)
	theirs, _ := two.local(t, two.web, two.web)
	theirs.VerifyConnection = nil // the far end's judgement is the trial
	if _, err := connect(t, theirs, ours); err == nil || !strings.Contains(err.Error(), "could not verify leaf certificate") {
		t.Errorf("the sidecar: %v", err)
	}
	program := source(t, one.serve(t))
	_, foreign := two.local(t, two.web, two.web)
	if err, _ := connect(t, tlsconfig.MTLSClientConfig(program, program, tlsconfig.AuthorizeAny()), foreign); err == nil {
		t.Error("a program of one sidecar accepts another")
	}
}

// TestIdentityPeersRefuseAnSVID: an SVID has no binding, whoever shows it.
func TestIdentityPeersRefuseAnSVID(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	own := &holder{credential: s.town.issue(t, s.api, s.clock.now)}
	everybody := func(idtls.Peer) error { return nil }
	server, err := idtls.ServerConfig(own, everybody)
	check(t, err)
	client, err := idtls.ClientConfig(own, everybody)
	check(t, err)
	client.ServerName = "peer.example"
	local, _ := s.local(t, s.web, s.web)
	local.VerifyConnection = nil // the far end's judgement is the trial
	_, asServer := connect(t, local, server)
	_, localServer := s.local(t, s.web, s.web)
	localServer.VerifyConnection = nil
	asClient, _ := connect(t, client, localServer)
	for _, err := range []error{asServer, asClient} {
		refusal, ok := errors.AsType[*idtls.VerifyError](err)
		if !ok || refusal.Check != idtls.CheckExtension {
			t.Errorf("refused by %v", err)
		}
	}
}

func TestTheHopEndsWithTheCredential(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	program := source(t, s.serve(t))
	_, server := s.local(t, s.api, s.web) // the sidecar's own end is another name's, which holds
	try := func() error {
		_, err := connect(t, tlsconfig.MTLSClientConfig(program, program, tlsconfig.AuthorizeAny()), server)
		return err
	}
	check(t, try())
	kept := s.holders[s.web].credential
	s.holders[s.web].set(nil)
	if err := try(); !errors.Is(err, errNoCredential) {
		t.Errorf("a program whose name has no key: %v", err)
	}
	s.holders[s.web].set(kept)
	check(t, try())
	s.holders[s.api].set(nil)
	if err := try(); !errors.Is(err, errNoCredential) {
		t.Errorf("the sidecar's own name has no key: %v", err)
	}
}

// TestTheHopOutlastsATurnOfTheEpoch: a program's SVID ends with the epoch, and
// the next one reaches it a little later.
func TestTheHopOutlastsATurnOfTheEpoch(t *testing.T) {
	s := newSite(t, 600, nil)
	client, server := s.local(t, s.web, s.web)
	held, err := client.GetClientCertificate(nil) // what a slow program still shows
	check(t, err)
	slow := &tls.Config{Certificates: []tls.Certificate{*held}, InsecureSkipVerify: true}
	_, err = connect(t, slow, server)
	check(t, err)
	s.clock.advance(held.Leaf.NotAfter.Sub(s.clock.time()))
	for _, name := range []identity.Name{s.web, s.api} {
		s.holders[name].set(s.town.issue(t, name, s.clock.time()))
	}
	s.pass(t, grace)
	_, err = connect(t, slow, server)
	check(t, err)
	s.pass(t, time.Second)
	if _, err = connect(t, slow, server); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("past the grace: %v", err)
	}
}

func TestTheSidecarsOwnSVIDIsReplaced(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	_, server := s.local(t, s.web, s.web)
	first, err := server.GetCertificate(nil)
	check(t, err)
	again, err := server.GetCertificate(nil)
	check(t, err)
	if again != first {
		t.Error("made anew for each handshake")
	}
	s.clock.advance(DefaultLifetime/2 + time.Second)
	later, err := server.GetCertificate(nil)
	check(t, err)
	if later == first || !later.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Error("not replaced at half its time")
	}
}

// TestTheAuthorityIsConfined: whoever has the key of an authority, and whoever
// trusts it by mistake: it vouches for URIs of its domain and nothing else.
func TestTheAuthorityIsConfined(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	signer := s.authorities["example.org"].signer
	pool := x509.NewCertPool()
	pool.AddCert(signer.certificate)
	uri := func(s string) []*url.URL {
		u, err := url.Parse(s)
		check(t, err)
		return []*url.URL{u}
	}
	for what, trial := range map[string]struct {
		template x509.Certificate
		good     bool
	}{
		"a name of the domain":  {x509.Certificate{URIs: uri(webText)}, true},
		"another domain":        {x509.Certificate{URIs: uri("spiffe://example.net/web")}, false},
		"a domain that ends so": {x509.Certificate{URIs: uri("spiffe://notexample.org/web")}, false},
		"a web site":            {x509.Certificate{DNSNames: []string{"www.example.org"}}, false},
		"a web site and a name": {x509.Certificate{DNSNames: []string{"a.example"}, URIs: uri(webText)}, false},
		"an address":            {x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, false},
		"an address of IPv6":    {x509.Certificate{IPAddresses: []net.IP{net.IPv6loopback}}, false},
		"a mailbox":             {x509.Certificate{EmailAddresses: []string{"a@example.org"}}, false},
	} {
		trial.template.NotBefore, trial.template.NotAfter = s.clock.now, s.clock.now.Add(time.Hour)
		key, err := newKey()
		check(t, err)
		leaf, err := sign(&trial.template, signer.certificate, key.Public(), signer.key)
		check(t, err)
		_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if (err == nil) != trial.good {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Nor does it make another authority.
	key, err := newKey()
	check(t, err)
	below, err := sign(&x509.Certificate{NotBefore: s.clock.now, NotAfter: s.clock.now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}, signer.certificate, key.Public(), signer.key)
	check(t, err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	leaf, err := sign(&x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: s.clock.now, NotAfter: s.clock.now.Add(time.Hour), URIs: uri(webText)},
		below, leafKey.Public(), key)
	check(t, err)
	between := x509.NewCertPool()
	between.AddCert(below)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
		t.Error("an authority below it is good")
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	other := parseName(t, "spiffe://example.org/other")
	own := func() map[identity.Name]idtls.Source {
		return map[identity.Name]idtls.Source{s.web: s.holders[s.web]}
	}
	for what, cfg := range map[string]Config{
		"needs a name":               {},
		"not the name of a workload": {Sources: map[identity.Name]idtls.Source{parseName(t, "acct:a@example.org"): s.holders[s.web]}},
		"reads as an address":        {Sources: map[identity.Name]idtls.Source{parseName(t, "spiffe://10.0.0.1/web"): s.holders[s.web]}},
		"no source":                  {Sources: map[identity.Name]idtls.Source{s.web: nil}},
		"has no key of":              {Sources: own(), Entries: []Entry{{other, User(1)}}},
		"say whose it is":            {Sources: own(), Entries: []Entry{{s.web, Workload{}}}},
		"is not between 1s and 6h":   {Sources: own(), Lifetime: 7 * time.Hour},
		"500ms is not between":       {Sources: own(), Lifetime: time.Second / 2},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.ServerTLS(s.web); err == nil || !strings.Contains(err.Error(), "which programs are welcome") {
		t.Error(err)
	}
	if _, err := s.ClientTLS(s.web, other); err == nil || !strings.Contains(err.Error(), "has no key of") {
		t.Error(err)
	}
	if _, err := LookupUser("no such user"); err == nil {
		t.Error("a user that is none")
	}
	if root, err := LookupUser("root"); err != nil || root != User(0) || root.String() != "user 0" || Group(7).String() != "group 7" {
		t.Error(root, err)
	}
}

func TestNoTicketIsGiven(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	client, server := s.local(t, s.web, s.web)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	client.ServerName = "sidecar"
	for range 2 {
		clientErr, serverErr := connect(t, client, server)
		accepted(t, "with a cache", clientErr, serverErr)
	}
	if _, ok := client.ClientSessionCache.Get("sidecar"); ok {
		t.Error("a ticket")
	}
}
