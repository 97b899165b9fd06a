package proxy

import (
	"net"
	"runtime"
	"testing"
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
	before := objects()
	for range count {
		open()
	}
	await(t, "quiet", func() bool { return in.Proxy.metrics.open() >= count })
	// Pools give up what nobody borrowed for two collections. Two proxies and both
	// programs are in this process: echo alone holds 32 KiB.
	await(t, "their buffers to be given back", func() bool { return (objects()-before)/count < 96<<10 })
}

// objects returns the bytes of objects that are alive; stacks are larger with the
// race detector.
func objects() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
