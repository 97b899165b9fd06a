package login

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"milagro.dev/internal/problem"
)

const (
	crowdWindow = time.Minute
	// maxCrowd bounds the addresses that are counted apart.
	maxCrowd = 50_000
)

// crowd bounds by address, within one process, what anybody may ask for. What must
// hold over several processes is bounded in the database, by name.
type crowd struct {
	limit   int // in a window
	proxies []netip.Prefix

	mu     sync.Mutex // of what follows
	ends   time.Time
	counts map[netip.Prefix]int
}

// admit counts a request, or refuses it.
func (c *crowd) admit(r *http.Request, now time.Time) error {
	from := c.from(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !now.Before(c.ends) || c.ends.Sub(now) > crowdWindow { // over, or the clock was set back
		c.ends, c.counts = now.Add(crowdWindow), map[netip.Prefix]int{}
	}
	if _, known := c.counts[from]; !known && len(c.counts) >= maxCrowd {
		from = netip.Prefix{} // the others, together
	}
	if c.counts[from] >= c.limit {
		refused := problem.New(problem.RateLimited, "at most %d are answered in a minute", c.limit)
		refused.RetryAfter = int(c.ends.Sub(now)/time.Second) + 1
		return refused
	}
	c.counts[from]++
	return nil
}

// from returns who asks: an IPv4 address, or the network of an IPv6 address, since
// one machine has all the addresses in it.
func (c *crowd) from(r *http.Request) netip.Prefix {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero address is one address
	from := peer.Addr().Unmap()
	if c.proxy(from) {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, hop := range slices.Backward(hops) {
			next, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				break
			}
			if from = next.Unmap(); !c.proxy(from) {
				break
			}
		}
	}
	bits := 32
	if from.Is6() {
		bits = 64
	}
	p, _ := from.WithZone("").Prefix(bits)
	return p
}

// proxy reports whether an address is one whose X-Forwarded-For is believed: this
// machine, or a proxy that the operator named.
func (c *crowd) proxy(a netip.Addr) bool {
	return a.IsLoopback() || slices.ContainsFunc(c.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
