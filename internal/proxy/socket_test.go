package proxy

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// relay carries bytes both ways in small pieces.
func relay(t testing.TB, to string) Address {
	t.Helper()
	return target(t, func(in net.Conn) {
		out := dial(t, to)
		go pieces(out, in)
		pieces(in, out)
	})
}

func pieces(to, from net.Conn) {
	buffer := make([]byte, 7)
	for i := 1; ; i = i%7 + 1 {
		n, err := from.Read(buffer[:i])
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

func TestRecordsMayArriveInPieces(t *testing.T) {
	w := newTown()
	in := start(t, Config{}, w.serverRoute(t, target(t, echo), webName))
	out := start(t, Config{}, w.clientRoute(t, relay(t, in.Address("in")).String()))
	data := make([]byte, 50_000)
	rand.NewChaCha8([32]byte{7}).Read(data)
	conn := dial(t, out.Address("out"))
	go func() {
		conn.Write(data)
		conn.CloseWrite()
	}()
	if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d came back, %v", len(got), len(data), err)
	}
}

// Whatever comes in, in whatever pieces, is handed out unchanged and in order; and
// what is said to be a whole record can be read without waiting.
func FuzzHand(f *testing.F) {
	f.Add([]byte("\x17\x03\x03\x00\x02ab\x17\x03\x03\x00\x00\x15\x03\x03\x00\x01c"), uint8(3), uint8(2))
	f.Add([]byte("GET / HTTP/1.1\r\n"), uint8(1), uint8(255))
	f.Fuzz(func(t *testing.T, data []byte, chunk, size uint8) {
		c := new(hookedConn)
		var out []byte
		p := make([]byte, int(size)+1)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), int(chunk)+1)
			c.unread, rest = rest[:n], rest[n:]
			for len(c.unread) > 0 {
				if c.whole() && len(c.unread) < recordHeader {
					t.Fatal("less than a header is a whole record")
				}
				n := c.hand(p)
				if n == 0 {
					t.Fatal("nothing was handed out")
				}
				out = append(out, p[:n]...)
			}
		}
		if !bytes.Equal(out, data) {
			t.Errorf("%q became %q", data, out)
		}
	})
}
