package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	stunnel = "stunnel4"
	haproxy = "haproxy"
	// forwarder is the reference for memory: crypto/tls and two io.Copy.
	forwarder = "mtls-forwarder"
	// message is how many bytes go there and back for proxy-latency.
	message = 64
	// streamSample is how long one run of a stream is to last at least.
	streamSample = 500 * time.Millisecond
)

var proxySubjects = []subject{
	{name: "proxy-throughput", against: stunnel, clock: wall, sample: streamSample, setup: proxied(stunnelPath, drain, streaming)},
	{name: "proxy-throughput-haproxy", against: haproxy, clock: wall, sample: streamSample, setup: proxied(haproxyPath, drain, streaming)},
	{name: "proxy-throughput-processor", against: stunnel, clock: wall, sample: streamSample, setup: proxied(stunnelPath, drain, computing(streaming))},
	{name: "proxy-latency", against: stunnel, clock: wall, sample: traffic, setup: proxied(stunnelPath, echo, exchanging)},
	{name: "proxy-latency-processor", against: stunnel, clock: wall, sample: traffic, setup: proxied(stunnelPath, echo, computing(exchanging))},
	{name: "proxy-latency-haproxy", against: haproxy, clock: wall, sample: traffic, setup: proxied(haproxyPath, echo, exchanging)},
	{name: "proxy-connect", against: stunnel, clock: wall, sample: traffic, setup: proxied(stunnelPath, echo, connecting)},
	{name: "proxy-connect-haproxy", against: haproxy, clock: wall, sample: traffic, setup: proxied(haproxyPath, echo, connecting)},
	{name: "proxy-idle-memory", against: forwarder, whole: func() (row, error) { return proxyMemory(idle) }},
}

// proxied is a bench of what a program does through two sidecars, and through the
// two processes that other makes, to a program that serves each connection.
func proxied(other pathMaker, serve func(net.Conn), work func(*path) (op, error)) func() (*bench, error) {
	return func() (b *bench, err error) {
		var ends []func()
		done := func() {
			for _, end := range ends {
				end()
			}
		}
		defer func() {
			if err != nil {
				done()
			}
		}()
		target, err := newTarget(serve)
		if err != nil {
			return nil, err
		}
		b = &bench{done: done}
		for _, side := range []struct {
			make pathMaker
			into *op
		}{{other, &b.reference}, {sidecarPath, &b.own}} { // what may not be here comes first
			p, err := side.make(target.Addr().String())
			if err != nil {
				return nil, errors.Join(err, target.Close())
			}
			ends = append(ends, p.close)
			if *side.into, err = work(p); err != nil {
				return nil, errors.Join(err, target.Close())
			}
		}
		ends = append(ends, func() { target.Close() })
		return b, nil
	}
}

// newTarget is a program behind the sidecars.
func newTarget(serve func(net.Conn)) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l, nil
}

// echo sends back what it gets.
func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// drain takes streams as stream sends them, and says of each that it has come.
func drain(conn net.Conn) {
	var size [8]byte
	block := make([]byte, 1<<20)
	for {
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		for left := binary.BigEndian.Uint64(size[:]); left > 0; {
			n, err := conn.Read(block[:min(left, uint64(len(block)))])
			if err != nil {
				return
			}
			left -= uint64(n)
		}
		if _, err := conn.Write([]byte{1}); err != nil {
			return
		}
	}
}

// streaming sends n MiB over one connection and waits until they have come.
func streaming(p *path) (op, error) {
	conn, err := net.Dial("tcp", p.entry)
	if err != nil {
		return op{}, err
	}
	p.atEnd(func() { conn.Close() })
	return stream(conn), nil
}

// computing is the processor time of both processes of a path in place of the time
// on the wall.
func computing(work func(*path) (op, error)) func(*path) (op, error) {
	return func(p *path) (op, error) {
		o, err := work(p)
		return op{timed: func(n int) (time.Duration, error) {
			before, err := p.processor()
			if err != nil {
				return 0, err
			}
			if err := o.run(n); err != nil {
				return 0, err
			}
			after, err := p.processor()
			return after - before, err
		}}, err
	}
}

// exchanging sends a small message over one connection and has it back.
func exchanging(p *path) (op, error) {
	conn, err := net.Dial("tcp", p.entry)
	if err != nil {
		return op{}, err
	}
	p.atEnd(func() { conn.Close() })
	buffer := make([]byte, message)
	return each(func() error { return exchange(conn, buffer) }), nil
}

func exchange(conn net.Conn, buffer []byte) error {
	if _, err := conn.Write(buffer); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, buffer)
	return err
}

// connecting makes a connection, sends a byte through it and has it back.
func connecting(p *path) (op, error) {
	return each(func() error {
		conn, err := net.Dial("tcp", p.entry)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := exchange(conn, make([]byte, 1)); err != nil {
			return fmt.Errorf("new connection: %w", err)
		}
		return nil
	}), nil
}
