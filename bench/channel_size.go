package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"sync"

	"milagro.dev/idtls"
)

const (
	// counted are the handshakes whose bytes are counted: signatures differ in length.
	counted = 200
	// idle are the connections whose memory is weighed.
	idle = 2000
)

// meter counts the bytes of a connection, both ways.
type meter struct {
	net.Conn
	bytes int
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	m.bytes += n
	return n, err
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	m.bytes += n
	return n, err
}

// channelBytes is what a full handshake sends, both ways together, up to the last
// byte of it and before any data.
func channelBytes() (row, error) {
	p, err := newPair()
	if err != nil {
		return row{}, err
	}
	client, server, err := chainConfigs()
	if err != nil {
		return row{}, err
	}
	own, err := weigh(p.clientConfig, p.serverConfig)
	if err != nil {
		return row{}, err
	}
	other, err := weigh(client, server)
	return byteRow(own, other), err
}

// byteRow compares two sizes.
func byteRow(own, other float64) row {
	ratio := own / other
	return row{Bytes: &own, AgainstBytes: &other, Ratio: &ratio}
}

// weigh returns the bytes of a handshake, in the mean.
func weigh(client, server *tls.Config) (float64, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	total := 0
	for range counted {
		done := make(chan error, 1)
		go func() {
			raw, err := listener.Accept()
			if err != nil {
				done <- err
				return
			}
			defer raw.Close()
			m := &meter{Conn: raw}
			err = tls.Server(m, server).Handshake()
			total += m.bytes
			done <- err
		}()
		raw, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return 0, err
		}
		err = errors.Join(tls.Client(raw, client).Handshake(), <-done)
		raw.Close()
		if err != nil {
			return 0, err
		}
	}
	return float64(total) / counted, nil
}

// channelMemory is the memory of both ends of one idle connection, as Dial and
// Listen make it: heap and stacks, what the kernel holds apart.
func channelMemory() (row, error) {
	p, err := newPair()
	if err != nil {
		return row{}, err
	}
	client, server, err := chainConfigs()
	if err != nil {
		return row{}, err
	}
	listener, err := idtls.Listen("tcp", "127.0.0.1:0", p.server, idtls.Exactly(mustName(web)))
	if err != nil {
		return row{}, err
	}
	own, err := hold(listener, func() (net.Conn, error) {
		return idtls.Dial(context.Background(), "tcp", listener.Addr().String(), p.client, idtls.Exactly(mustName(api)))
	})
	if err != nil {
		return row{}, err
	}
	plainListener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		return row{}, err
	}
	other, err := hold(plainListener, func() (net.Conn, error) {
		return tls.Dial("tcp", plainListener.Addr().String(), client)
	})
	return byteRow(own, other), err
}

// hold returns what one of many connections holds while nothing is said.
func hold(listener net.Listener, dial func() (net.Conn, error)) (float64, error) {
	var all sync.WaitGroup
	defer all.Wait()
	defer listener.Close()
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				_, _ = conn.Write([]byte{1})
				_, _ = conn.Read(make([]byte, 1)) // until the other end goes
			})
		}
	})
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	connect := func(n int) error {
		for range n {
			conn, err := dial()
			if err != nil {
				return err
			}
			conns = append(conns, conn)
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := connect(idle / 10); err != nil { // pools and caches fill
		return 0, err
	}
	before := inUse()
	if err := connect(idle); err != nil {
		return 0, err
	}
	return float64(inUse()-before) / idle, nil
}

// inUse returns the bytes of heap and stacks in use.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
