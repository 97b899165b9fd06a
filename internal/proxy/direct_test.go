//go:build unix

package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// sockets are both ends of a connection of each kind of socket.
func sockets(t *testing.T, f func(t *testing.T, near, far net.Conn)) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		t.Run(network, func(t *testing.T) {
			l := must(net.Listen(network, address))(t)
			defer l.Close()
			near := must(net.Dial(network, l.Addr().String()))(t)
			defer near.Close()
			far := must(l.Accept())(t)
			defer far.Close()
			f(t, near, far)
		})
	}
}

func TestWriterWaitsForRoom(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // more than the kernel holds
	sockets(t, func(t *testing.T, near, far net.Conn) {
		check(t, far.SetDeadline(time.Now().Add(patience)))
		wrote := make(chan error, 1)
		go func() {
			n, err := writerTo(near).Write(data)
			if n != len(data) {
				err = errors.Join(err, io.ErrShortWrite)
			}
			wrote <- errors.Join(err, near.(halfConn).CloseWrite())
		}()
		got, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes of %d have come: %v", len(got), len(data), err)
		}
		check(t, <-wrote)
	})
}

func TestWriterObeysDeadline(t *testing.T) {
	data := make([]byte, 16<<20)
	sockets(t, func(t *testing.T, near, far net.Conn) {
		check(t, near.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
		n, err := writerTo(near).Write(data)
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == len(data) {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

func TestWriterSaysThatNobodyReads(t *testing.T) {
	sockets(t, func(t *testing.T, near, far net.Conn) {
		far.Close()
		w := writerTo(near)
		var err error
		await(t, "an error", func() bool {
			_, err = w.Write([]byte{1})
			return err != nil
		})
		var op *net.OpError
		if !errors.As(err, &op) || !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("error %v", err)
		}
		near.Close()
		if _, err := w.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}
