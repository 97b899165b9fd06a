package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"
)

const (
	// forward is the first argument of this program as a forwarder.
	forward = "forward"
	// weighings are how often each path is weighed.
	weighings = 3
	// settling is how long a path is left alone before it is weighed.
	settling = time.Second
)

// proxyMemory is what both processes of a path hold for one of count idle
// connections that have carried a byte each way. Nobody asks them to collect garbage:
// this is what an operator sees.
func proxyMemory(count int) (row, error) {
	target, err := newTarget(echo)
	if err != nil {
		return row{}, err
	}
	defer target.Close()
	var owns, others []float64
	for range weighings {
		for _, side := range []struct {
			make pathMaker
			into *[]float64
		}{{sidecarPath, &owns}, {forwarderPath, &others}} {
			held, err := heldBy(side.make, target.Addr().String(), count)
			if err != nil {
				return row{}, err
			}
			*side.into = append(*side.into, held)
		}
	}
	return byteRow(median(owns), median(others)), nil
}

// heldBy returns the bytes that one of count connections adds to a path on which a
// tenth as many have been before.
func heldBy(make pathMaker, target string, count int) (float64, error) {
	p, err := make(target)
	if err != nil {
		return 0, err
	}
	defer p.close()
	if err := p.occupy(count / 10); err != nil {
		return 0, err
	}
	before, err := p.settled()
	if err != nil {
		return 0, err
	}
	if err := p.occupy(count); err != nil {
		return 0, err
	}
	after, err := p.settled()
	return float64(after-before) / float64(count), err
}

func (p *path) settled() (int64, error) {
	time.Sleep(settling)
	return p.resident()
}

// occupy opens connections and leaves them open, until the path ends.
func (p *path) occupy(count int) error {
	for range count {
		conn, err := net.Dial("tcp", p.entry)
		if err != nil {
			return err
		}
		p.atEnd(func() { conn.Close() })
		if err := exchange(conn, make([]byte, 1)); err != nil {
			return err
		}
	}
	return nil
}

// forwarderPath is two processes of the simplest thing that could be in place of a
// sidecar: mutual TLS of crypto/tls, and io.Copy both ways.
func forwarderPath(target string) (*path, error) {
	self, err := os.Executable()
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
	return p.complete(
		exec.Command(self, forward, "server", p.middle, p.target, p.file(serverFile), p.file(rootFile)),
		exec.Command(self, forward, "client", p.entry, p.middle, p.file(clientFile), p.file(rootFile)))
}

// serveForward is a process of forwarderPath.
func serveForward(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("%s server|client LISTEN TARGET CERTIFICATE ROOT", forward)
	}
	certificate, err := tls.LoadX509KeyPair(args[3], args[3])
	if err != nil {
		return err
	}
	root, err := os.ReadFile(args[4])
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return errors.New("no root")
	}
	client, server := mutual(roots, certificate, certificate)
	listener, err := net.Listen("tcp", args[1])
	if err != nil {
		return err
	}
	dial := func() (net.Conn, error) { return tls.Dial("tcp", args[2], client) }
	if args[0] == "server" {
		listener = tls.NewListener(listener, server)
		dial = func() (net.Conn, error) { return net.Dial("tcp", args[2]) }
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go forwardConn(conn, dial)
	}
}

func forwardConn(from net.Conn, dial func() (net.Conn, error)) {
	defer from.Close()
	to, err := dial()
	if err != nil {
		return
	}
	defer to.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(to, from)
		to.(interface{ CloseWrite() error }).CloseWrite()
	}()
	_, _ = io.Copy(from, to)
	from.(interface{ CloseWrite() error }).CloseWrite()
	<-done
}
