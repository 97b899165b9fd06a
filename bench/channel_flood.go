package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// forgeries are how many bogus certificates make a flood.
	forgeries = 10_000
	// knocking are how many of them knock at once.
	knocking = 32
	// guests are the handshakes of a good peer that are timed.
	guests = 400
	// bindingDevice is the offset of the device in a binding (spec/idtls.md).
	bindingDevice = 63
)

// flood is a server, a peer that it knows, and forgers without end.
type flood struct {
	good   *tls.Config
	forger *forger
	door   net.Listener
}

func newFlood() (*flood, error) {
	p, err := newPair()
	if err != nil {
		return nil, err
	}
	f := &flood{good: p.clientConfig}
	if f.forger, err = newForger(p.clientConfig); err != nil {
		return nil, err
	}
	if f.door, err = serve(p.serverConfig, func(*tls.Conn) {}); err != nil {
		return nil, err
	}
	return f, visit(f.door, f.good)
}

// rage lets the forgers knock until n have, or stop is closed.
func (f *flood) rage(n int, stop <-chan struct{}) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, knocking)
	var all sync.WaitGroup
	for i := range knocking {
		all.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				select {
				case <-stop:
					return
				default:
					errs[i] = f.knock()
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (f *flood) knock() error {
	config, err := f.forger.next()
	if err != nil {
		return err
	}
	if visit(f.door, config) == nil {
		return errors.New("a forger is welcome")
	}
	return nil
}

// greet returns how long a handshake of the good peer takes, in the median.
func (f *flood) greet() (float64, error) {
	var took []float64
	for range guests {
		began := time.Now()
		if err := visit(f.door, f.good); err != nil {
			return 0, fmt.Errorf("good peer: %w", err)
		}
		took = append(took, float64(time.Since(began)))
	}
	return median(took), nil
}

// channelFlood is how long a known peer's handshake takes in a flood, on the wall,
// against the same when nobody else is there.
func channelFlood() (row, error) {
	f, err := newFlood()
	if err != nil {
		return row{}, err
	}
	defer f.door.Close()
	quiet, err := f.greet()
	if err != nil {
		return row{}, err
	}
	stop, raged := make(chan struct{}), make(chan error, 1)
	go func() { raged <- f.rage(forgeries, stop) }()
	loud, err := f.greet()
	close(stop)
	ratio := loud / quiet
	return row{NS: &loud, AgainstNS: &quiet, Ratio: &ratio}, errors.Join(err, <-raged)
}

// channelFloodMemory is what is in use after a whole flood, forgers included,
// against what was in use after the first tenth of it.
func channelFloodMemory() (row, error) {
	f, err := newFlood()
	if err != nil {
		return row{}, err
	}
	defer f.door.Close()
	if err := f.rage(forgeries/10, nil); err != nil {
		return row{}, err
	}
	early := float64(inUse())
	if err := f.rage(forgeries*9/10, nil); err != nil {
		return row{}, err
	}
	return byteRow(float64(inUse()), early), visit(f.door, f.good)
}

// forger makes leaves that are as they should be but for their signature: the
// binding of a good one, each with another device, on a key of his own.
type forger struct {
	key     *ecdsa.PrivateKey
	leaf    *x509.Certificate
	content int // which extension is the binding
	made    atomic.Uint64
}

func newForger(good *tls.Config) (*forger, error) {
	shown, err := good.GetClientCertificate(nil)
	if err != nil {
		return nil, err
	}
	f := &forger{leaf: shown.Leaf}
	f.content = slices.IndexFunc(f.leaf.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 999, 77, 73, 76, 1}) })
	f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return f, err
}

func (f *forger) next() (*tls.Config, error) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: f.leaf.NotBefore, NotAfter: f.leaf.NotAfter,
		ExtraExtensions: slices.Clone(f.leaf.Extensions)}
	binding := &template.ExtraExtensions[f.content]
	binding.Value = slices.Clone(binding.Value)
	binary.BigEndian.PutUint64(binding.Value[bindingDevice:], f.made.Add(1))
	der, err := x509.CreateCertificate(rand.Reader, template, template, f.key.Public(), f.key)
	return &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: f.key}}}, err
}
