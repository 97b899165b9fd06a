package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/url"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/pairing"
	"milagro.dev/keys"
)

const chain = "mtls-p256-chain"

var channelSubjects = []subject{
	{name: "channel-warm", against: chain, clock: processor, setup: channelWarm},
	{name: "channel-cold", against: chain, clock: processor, setup: channelCold},
	{name: "channel-cold-storm", against: chain, clock: processor, setup: channelStorm},
	{name: "channel-warm-bytes", against: chain, whole: channelBytes},
	{name: "channel-throughput", against: plain, clock: processor, sample: traffic, setup: channelThroughput},
	{name: "channel-requests", against: plain, clock: processor, sample: traffic, setup: channelRequests},
	{name: "channel-idle-memory", against: plain, whole: channelMemory},
	{name: "channel-flood", against: "channel-warm", whole: channelFlood},
	{name: "channel-flood-memory", against: "channel-flood-none", whole: channelFloodMemory},
}

const (
	web = "spiffe://bench.example/web"
	api = "spiffe://bench.example/api"
)

// handshakes is one full mutual handshake over loopback, both ends in this
// process; before, if any, is part of the set-up and done within it.
func handshakes(client, server *tls.Config, before func()) (op, func(), error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return op{}, nil, err
	}
	accepted := make(chan error)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			err = tls.Server(conn, server).Handshake()
			conn.Close()
			accepted <- err
		}
	}()
	one := func() error {
		before()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return err
		}
		defer conn.Close()
		return errors.Join(tls.Client(conn, client).Handshake(), <-accepted)
	}
	return each(one), func() { listener.Close() }, one()
}

// member is one name of a domain whose master the benchmark holds.
type member struct {
	credential *idtls.Credential
	domain     func() *idtls.Domain
}

// Credential returns the same credential every time.
func (m *member) Credential() (*idtls.Credential, error) { return m.credential, nil }

// forget makes m verify as if it had never seen anybody.
func (m *member) forget() { m.credential.Domain = m.domain() }

func newMember(s pairing.Secret, name string) (*member, error) {
	master, err := keys.ParseMaster(s.G2().Bytes())
	if err != nil {
		return nil, err
	}
	master = master.Prepared() // a process does so once, not for each peer
	id, err := identity.NewDomainID("bench.example", master.Point())
	if err != nil {
		return nil, err
	}
	now := uint64(time.Now().Unix())
	key := identity.Key{Domain: id, Purpose: identity.Channel, Name: mustName(name), Device: identity.DeviceHash{1}, Epoch: identity.EpochAt(now, epochLength)}
	point, err := key.Point()
	if err != nil {
		return nil, err
	}
	private, err := keys.ParsePrivate(point.MulSecret(s).Expose())
	if err != nil {
		return nil, err
	}
	domain := func() *idtls.Domain {
		return &idtls.Domain{ID: id, Name: "bench.example", Master: master, Schedule: identity.Schedule{Length: epochLength}, Suites: []uint8{idtls.SuiteIdentityKey}}
	}
	return &member{credential: &idtls.Credential{Name: key.Name, Device: key.Device, Epoch: key.Epoch, Key: private, Domain: domain()}, domain: domain}, nil
}

// channelWarm has both ends meet again: each has verified the other's binding.
func channelWarm() (*bench, error) { return channel(func(*member) {}) }

// channelCold has both ends meet for the first time, each time.
func channelCold() (*bench, error) { return channel((*member).forget) }

func channel(before func(*member)) (*bench, error) {
	p, err := newPair()
	if err != nil {
		return nil, err
	}
	own, stop, err := handshakes(p.clientConfig, p.serverConfig, func() { before(p.client); before(p.server) })
	if err != nil {
		return nil, err
	}
	client, server, err := chainConfigs()
	if err != nil {
		return nil, err
	}
	reference, stopReference, err := handshakes(client, server, func() {})
	return &bench{own: own, reference: reference, done: func() { stop(); stopReference() }}, err
}

// pair is two members of a domain that welcome each other and nobody else.
type pair struct {
	client, server             *member
	clientConfig, serverConfig *tls.Config
}

func newPair() (*pair, error) {
	s := pairing.RandomSecret()
	client, err := newMember(s, web)
	if err != nil {
		return nil, err
	}
	server, err := newMember(s, api)
	if err != nil {
		return nil, err
	}
	p := &pair{client: client, server: server}
	if p.clientConfig, err = idtls.ClientConfig(client, idtls.Exactly(mustName(api))); err != nil {
		return nil, err
	}
	p.serverConfig, err = idtls.ServerConfig(server, idtls.Exactly(mustName(web)))
	return p, err
}

// chainConfigs is the reference: mutual TLS with P-256 certificates, root not
// sent, intermediate and leaf sent, the same names and key usage, tickets off.
func chainConfigs() (client, server *tls.Config, err error) {
	l, err := newLeaves()
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(l.root.certificate)
	client, server = mutual(roots, l.client, l.server)
	return client, server, nil
}

func mutual(roots *x509.CertPool, clientLeaf, serverLeaf tls.Certificate) (client, server *tls.Config) {
	client = &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: "api.bench.example", Certificates: []tls.Certificate{clientLeaf}}
	server = &tls.Config{MinVersion: tls.VersionTLS13, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
		Certificates: []tls.Certificate{serverLeaf}, SessionTicketsDisabled: true}
	return client, server
}

// leaves are the certificates of both ends of the reference, with the intermediate.
type leaves struct {
	root           *authority
	client, server tls.Certificate
}

func newLeaves() (*leaves, error) {
	root, err := newAuthority("root", nil)
	if err != nil {
		return nil, err
	}
	middle, err := newAuthority("intermediate", root)
	if err != nil {
		return nil, err
	}
	l := &leaves{root: root}
	if l.client, err = middle.leaf(web, x509.ExtKeyUsageClientAuth); err != nil {
		return nil, err
	}
	l.server, err = middle.leaf(api, x509.ExtKeyUsageServerAuth)
	return l, err
}

// authority is a certificate authority of the reference.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(name string, parent *authority) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	if parent == nil {
		parent = &authority{certificate: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.certificate, key.Public(), parent.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate: certificate, key: key}, err
}

func (a *authority) leaf(name string, usage x509.ExtKeyUsage) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	uri, err := url.Parse(name)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, URIs: []*url.URL{uri}, DNSNames: []string{"api.bench.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	return tls.Certificate{Certificate: [][]byte{der, a.certificate.Raw}, PrivateKey: key}, err
}
