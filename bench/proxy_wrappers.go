package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The files of mutual TLS, in the directory of a path: root, and each end's key
// with its chain.
const (
	rootFile   = "root.pem"
	clientFile = "client.pem"
	serverFile = "server.pem"
)

// writeChains writes the certificates of chainConfigs to files.
func (p *path) writeChains() error {
	l, err := newLeaves()
	if err != nil {
		return err
	}
	for file, leaf := range map[string]tls.Certificate{clientFile: l.client, serverFile: l.server} {
		b, err := encodeKeyAndChain(leaf)
		if err != nil {
			return err
		}
		if err := p.write(file, string(b)); err != nil {
			return err
		}
	}
	return p.write(rootFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.root.certificate.Raw})))
}

func encodeKeyAndChain(leaf tls.Certificate) ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: key}); err != nil {
		return nil, err
	}
	for _, der := range leaf.Certificate {
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func (p *path) write(file, text string) error {
	return os.WriteFile(p.file(file), []byte(text), 0o600)
}

func (p *path) file(name string) string { return filepath.Join(p.dir, name) }

// wrapped is a path through two processes of one program, each with a
// configuration file.
func wrapped(program, target string, configure func(p *path) (server, client string), arguments ...string) (*path, error) {
	found, err := find(program)
	if err != nil {
		return nil, err
	}
	p, err := newPath(target)
	if err != nil {
		return nil, err
	}
	if err := p.writeChains(); err != nil {
		p.close()
		return nil, err
	}
	server, client := configure(p)
	var commands []*exec.Cmd
	for _, c := range []struct{ file, text string }{{"server.conf", server}, {"client.conf", client}} {
		if err := p.write(c.file, c.text); err != nil {
			p.close()
			return nil, err
		}
		commands = append(commands, exec.Command(found, append(arguments, p.file(c.file))...))
	}
	return p.complete(commands...)
}

// stunnelPath is stunnel as a client and as a server: mutual TLS 1.3 with the chains
// of the reference, the cipher that crypto/tls chooses too, no session resumed. Its log
// goes to a file, as the sidecar's does: where there is no syslog it would open the
// console for each line.
func stunnelPath(target string) (*path, error) {
	return wrapped(stunnel, target, func(p *path) (server, client string) {
		config := func(accept, connect, certificate, more string) string {
			return fmt.Sprintf(`foreground = yes
pid =
syslog = no
[route]
accept = %s
connect = %s
cert = %s
CAfile = %s
verifyChain = yes
sslVersion = TLSv1.3
ciphersuites = TLS_AES_128_GCM_SHA256
sessionResume = no
options = NO_TICKET
%s`, accept, connect, p.file(certificate), p.file(rootFile), more)
		}
		return config(p.middle, p.target, serverFile, "requireCert = yes\n"),
			config(p.entry, p.middle, clientFile, "client = yes\ncheckHost = api.bench.example\n")
	})
}

// haproxyPath is the same with haproxy.
func haproxyPath(target string) (*path, error) {
	return wrapped(haproxy, target, func(p *path) (server, client string) {
		const tls13 = "ssl ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256 no-tls-tickets"
		config := func(bind, to string) string {
			return fmt.Sprintf(`global
	log stderr format raw daemon
	maxconn 5000
	tune.ssl.cachesize 0
defaults
	mode tcp
	log global
	option tcplog
	timeout connect 10s
	timeout client 1h
	timeout server 1h
listen route
	bind %s
	server target %s
`, bind, to)
		}
		return config(fmt.Sprintf("%s %s crt %s ca-file %s verify required", p.middle, tls13, p.file(serverFile), p.file(rootFile)), p.target),
			config(p.entry, fmt.Sprintf("%s %s crt %s ca-file %s verify required verifyhost api.bench.example no-ssl-reuse", p.middle, tls13, p.file(clientFile), p.file(rootFile)))
	}, "-db", "-f")
}
