package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"milagro.dev/idtls"
)

const (
	// plain is mutual TLS of crypto/tls once it is established.
	plain = "mtls"
	// traffic is how long one run of traffic is to last at least.
	traffic = 250 * time.Millisecond
	// inFlight is how many requests are on their way at once.
	inFlight = 8
)

// channelThroughput is 1 MiB from client to server over one connection.
func channelThroughput() (*bench, error) {
	p, err := newPair()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	listener, err := idtls.Listen("tcp", "127.0.0.1:0", p.server, idtls.Exactly(mustName(web)))
	if err != nil {
		return nil, err
	}
	go swallow(listener)
	conn, err := idtls.Dial(ctx, "tcp", listener.Addr().String(), p.client, idtls.Exactly(mustName(api)))
	if err != nil {
		return nil, err
	}
	client, server, err := chainConfigs()
	if err != nil {
		return nil, err
	}
	plainListener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		return nil, err
	}
	go swallow(plainListener)
	plainConn, err := tls.Dial("tcp", plainListener.Addr().String(), client)
	done := func() { conn.Close(); plainConn.Close(); listener.Close(); plainListener.Close() }
	return &bench{own: stream(conn), reference: stream(plainConn), done: done}, err
}

// swallow takes streams and says of each that it has come.
func swallow(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			var size [8]byte
			for {
				if _, err := io.ReadFull(conn, size[:]); err != nil {
					return
				}
				if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint64(size[:]))); err != nil {
					return
				}
				if _, err := conn.Write([]byte{1}); err != nil {
					return
				}
			}
		}()
	}
}

// stream sends n MiB and waits until they have come.
func stream(conn net.Conn) op {
	block := make([]byte, 1<<20)
	return op{run: func(n int) error {
		if _, err := conn.Write(binary.BigEndian.AppendUint64(nil, uint64(n)<<20)); err != nil {
			return err
		}
		for range n {
			if _, err := conn.Write(block); err != nil {
				return err
			}
		}
		_, err := io.ReadFull(conn, make([]byte, 1))
		return err
	}}
}

// channelRequests is one small HTTP/2 request, some at once over one connection.
func channelRequests() (*bench, error) {
	p, err := newPair()
	if err != nil {
		return nil, err
	}
	transport, err := idtls.Transport(p.client, idtls.Exactly(mustName(api)))
	if err != nil {
		return nil, err
	}
	server, err := idtls.Server(http.HandlerFunc(hello), p.server, idtls.Exactly(mustName(web)))
	if err != nil {
		return nil, err
	}
	own, stop, err := overHTTP2(transport, server)
	if err != nil {
		return nil, err
	}
	clientConfig, serverConfig, err := chainConfigs()
	if err != nil {
		return nil, err
	}
	reference, stopReference, err := overHTTP2(&http.Transport{TLSClientConfig: clientConfig, ForceAttemptHTTP2: true},
		&http.Server{Handler: http.HandlerFunc(hello), TLSConfig: serverConfig})
	return &bench{own: own, reference: reference, done: func() { stop(); stopReference() }}, err
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

// overHTTP2 serves and returns the op of a request.
func overHTTP2(transport *http.Transport, server *http.Server) (op, func(), error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return op{}, nil, err
	}
	go server.ServeTLS(listener, "", "")
	client, url := &http.Client{Transport: transport}, "https://"+listener.Addr().String()
	one := func() error {
		response, err := client.Get(url)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.ProtoMajor != 2 {
			err = fmt.Errorf("%s, not HTTP/2", response.Proto)
		}
		return err
	}
	run := func(n int) error {
		errs := make([]error, inFlight)
		var all sync.WaitGroup
		for i := range inFlight {
			all.Go(func() { errs[i] = each(one).run((n + i) / inFlight) })
		}
		all.Wait()
		return errors.Join(errs...)
	}
	return op{run: run}, func() { transport.CloseIdleConnections(); server.Close() }, one()
}
