package proxy

import (
	"net"
	"testing"
	"time"
)

// An idle connection holds no copy buffers, also after bulk has passed.
func TestIdleConnectionsHoldNoBuffers(t *testing.T) {
	w := newTown()
	in, out := w.pair(t, target(t, echo), nil)
	const count = 100
	data := make([]byte, 200_000)
	open := func() net.Conn {
		conn := dial(t, out.Address("out"))
		go conn.Write(data)
		for left := len(data); left > 0; {
			n, err := conn.Read(make([]byte, left))
			check(t, err)
			left -= n
		}
		return conn
	}
	open().Close()
	before := heap()
	for range count {
		open()
	}
	await(t, "quiet", func() bool { return in.Proxy.metrics.open() >= count })
	time.Sleep(10 * time.Millisecond) // both directions go back to wait
	heap()                            // pools give up what nobody borrowed for two collections
	// Two proxies and both programs are in this process: echo alone holds 32 KiB.
	each := (heap() - before) / count
	if each > 128<<10 {
		t.Errorf("an idle connection costs %d bytes", each)
	}
	t.Logf("%d bytes", each)
}
