package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"milagro.dev/idtls"
	"milagro.dev/internal/pairing"
)

const stormSize = 64

// storm is a server and so many peers of other names. Whoever connects has never
// met whom it meets, at either end.
type storm struct {
	server  *member
	clients []*member
	configs []*tls.Config
	door    net.Listener
}

func newStorm() (*storm, error) {
	s := pairing.RandomSecret()
	server, err := newMember(s, api)
	if err != nil {
		return nil, err
	}
	config, err := idtls.ServerConfig(server, idtls.Member("bench.example"))
	if err != nil {
		return nil, err
	}
	st := &storm{server: server}
	for i := range stormSize {
		client, err := newMember(s, fmt.Sprintf("%s/%d", web, i))
		if err != nil {
			return nil, err
		}
		config, err := idtls.ClientConfig(client, idtls.Exactly(mustName(api)))
		if err != nil {
			return nil, err
		}
		st.clients, st.configs = append(st.clients, client), append(st.configs, config)
	}
	st.door, err = serve(config, func(*tls.Conn) {})
	return st, err
}

// blow has everybody connect at once.
func (st *storm) blow() error {
	st.server.forget()
	errs := make([]error, stormSize)
	var all sync.WaitGroup
	for i, config := range st.configs {
		st.clients[i].forget()
		all.Go(func() { errs[i] = visit(st.door, config) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// serve runs handshakes with config for all who come, and then does with each
// connection what do does.
func serve(config *tls.Config, do func(*tls.Conn)) (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer raw.Close()
				conn := tls.Server(raw, config)
				if conn.Handshake() != nil {
					return
				}
				if _, err := conn.Write([]byte{1}); err == nil {
					do(conn)
				}
			}()
		}
	}()
	return listener, nil
}

// visit returns nil iff the door's server has welcomed the peer.
func visit(door net.Listener, config *tls.Config) error {
	raw, err := net.Dial("tcp", door.Addr().String())
	if err != nil {
		return err
	}
	defer raw.Close()
	_, err = tls.Client(raw, config).Read(make([]byte, 1))
	return err
}

// channelStorm counts one handshake of a storm as one operation.
func channelStorm() (*bench, error) {
	st, err := newStorm()
	if err != nil {
		return nil, err
	}
	if err := st.blow(); err != nil { // makes the leaves
		return nil, err
	}
	client, server, err := chainConfigs()
	if err != nil {
		return nil, err
	}
	reference, stop, err := handshakes(client, server, func() {})
	own := op{timed: func(n int) (time.Duration, error) {
		storms := (n + stormSize - 1) / stormSize
		began := processor()
		for range storms {
			if err := st.blow(); err != nil {
				return 0, err
			}
		}
		return (processor() - began) * time.Duration(n) / time.Duration(storms*stormSize), nil
	}}
	return &bench{own: own, reference: reference, done: func() { stop(); st.door.Close() }}, err
}
