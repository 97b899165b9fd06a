package idtls

import (
	"crypto/sha256"
	"runtime"
	"sync"

	"milagro.dev/ibs"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
)

// provedSize bounds the signatures remembered: 32 bytes and some each.
const provedSize = 1 << 14

// proved remembers which bindings of one domain have good signatures, so that a
// peer that comes again costs no pairing. Two generations approximate the least
// recently used: when the young one is full it becomes the old one, and what was
// not asked for since is forgotten. Its zero value is empty.
type proved struct {
	once  sync.Once
	slots chan struct{}

	mu         sync.Mutex // of young and old
	young, old map[[32]byte]struct{}
}

// verify returns nil iff signature is the name's of statement. At most as many
// pairings run at once as there are processors, so that strangers who show bad
// signatures slow down only those whose signatures nobody has seen yet.
func (p *proved) verify(master keys.Master, statement ibs.Statement, signature []byte) error {
	key := sha256.Sum256(encoding.LP("milagro/v1 tls proved", statement.Message, signature))
	if p.has(key) {
		return nil
	}
	p.once.Do(func() { p.slots = make(chan struct{}, runtime.GOMAXPROCS(0)) })
	p.slots <- struct{}{}
	defer func() { <-p.slots }()
	if p.has(key) { // many connections of one new peer: the first has done the work
		return nil
	}
	if err := ibs.Verify(master, statement, signature); err != nil {
		return err
	}
	p.add(key)
	return nil
}

func (p *proved) has(key [32]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.young[key]; ok {
		return true
	}
	_, ok := p.old[key]
	if ok {
		p.insert(key)
	}
	return ok
}

func (p *proved) add(key [32]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.insert(key)
}

// insert needs p.mu.
func (p *proved) insert(key [32]byte) {
	if p.young == nil || len(p.young) >= provedSize/2 {
		p.young, p.old = make(map[[32]byte]struct{}), p.young
	}
	p.young[key] = struct{}{}
}
