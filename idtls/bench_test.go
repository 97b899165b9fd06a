package idtls

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"
)

// The channel against what it replaces. One processor makes the figures the
// processor time of both ends:
//
//	go test -run '^$' -bench Channel -cpu 1 ./idtls

func BenchmarkChannelWarm(b *testing.B) {
	a := newAuthority("example.org")
	client, server := clientConfig(b, a.member(b, "/web"), anyone), serverConfig(b, a.member(b, "/api"), anyone)
	handshakes(b, client, server, func() {})
}

func BenchmarkChannelCold(b *testing.B) {
	a := newAuthority("example.org")
	web, api := a.member(b, "/web"), a.member(b, "/api")
	handshakes(b, clientConfig(b, web, anyone), serverConfig(b, api, anyone), func() {
		web.Domain.proved, api.Domain.proved = proved{}, proved{}
	})
}

// BenchmarkChannelOfChains is mutual TLS with certificates of an intermediate
// authority, the same names and usages, and no tickets either.
func BenchmarkChannelOfChains(b *testing.B) {
	root, rootKey := authorityCertificate(b, "root", nil, nil)
	middle, middleKey := authorityCertificate(b, "intermediate", root, rootKey)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	show := func(name string) tls.Certificate {
		key := newKey(b)
		uri, err := url.Parse(name)
		check(b, err)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(3), URIs: []*url.URL{uri}, DNSNames: []string{"peer.example"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: extKeyUsage(asClient | asServer),
		}, middle, key.Public(), middleKey)
		check(b, err)
		leaf, err := x509.ParseCertificate(der)
		check(b, err)
		return tls.Certificate{Certificate: [][]byte{der, middle.Raw}, PrivateKey: key, Leaf: leaf}
	}
	client := &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, RootCAs: pool, ServerName: "peer.example",
		Certificates: []tls.Certificate{show("spiffe://example.org/web")},
	}
	server := &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, Certificates: []tls.Certificate{show("spiffe://example.org/api")},
	}
	handshakes(b, client, server, func() {})
}

func authorityCertificate(b *testing.B, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	b.Helper()
	key := newKey(b)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	check(b, err)
	certificate, err := x509.ParseCertificate(der)
	check(b, err)
	return certificate, key
}

func handshakes(b *testing.B, client, server *tls.Config, before func()) {
	b.Helper()
	b.ReportAllocs()
	run := func() {
		before()
		out := pipe(client, server)
		check(b, out.client)
		check(b, out.server)
	}
	run() // makes the leaves
	for b.Loop() {
		run()
	}
}
