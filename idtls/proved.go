package idtls

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"milagro.dev/ibs"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
)

// provedSize bounds what is remembered of a domain's signatures, and of its
// familiar peers: 32 bytes and some each.
const provedSize = 1 << 14

// proved knows which bindings of one domain have good signatures, so that a peer
// that comes again costs no pairing. Its zero value knows none.
type proved struct {
	signatures recent
	familiar   recent // names and devices that had a good one
	cold       cold
}

// verify returns nil iff signature is the name's of statement. An error wraps
// ibs.ErrSignature, or ErrBusy: nothing was verified.
func (p *proved) verify(master keys.Master, statement ibs.Statement, signature []byte) error {
	key := sha256.Sum256(encoding.LP("milagro/v1 tls proved", statement.Message, signature))
	if p.signatures.has(key) {
		return nil
	}
	who := sha256.Sum256(encoding.LP("milagro/v1 tls familiar", []byte(statement.Name.String()), statement.Device[:]))
	from := strangers
	if p.familiar.has(who) {
		from = familiars
	}
	p.cold.begin(master)
	j, err := p.cold.join(from, &job{key: key, who: who, statement: statement, signature: signature})
	if err != nil {
		return err
	}
	if err := p.await(j); err != nil {
		return fmt.Errorf("%w: the peer's key is of another name, device, epoch or master, or the binding of another leaf", err)
	}
	return nil
}

// settle keeps what a verification has shown: that a signature is good, which is
// true whoever shows it. Failures are not kept; they only end a familiarity, so
// that whoever abuses a name and device does it once.
func (p *proved) settle(batch []*job) {
	for _, j := range batch {
		if j.err != nil {
			p.familiar.drop(j.who)
			continue
		}
		p.signatures.add(j.key)
		p.familiar.add(j.who)
	}
}

// recent is a bounded set of hashes. Two generations approximate the least
// recently used: when the young one is full it becomes the old one, and what was
// not asked for since is forgotten. Its zero value is empty.
type recent struct {
	mu         sync.Mutex // of young and old
	young, old map[[32]byte]struct{}
}

func (r *recent) has(key [32]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.young[key]; ok {
		return true
	}
	_, ok := r.old[key]
	if ok {
		r.insert(key)
	}
	return ok
}

func (r *recent) add(key [32]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.insert(key)
}

func (r *recent) drop(key [32]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, key)
	delete(r.old, key)
}

// insert needs r.mu.
func (r *recent) insert(key [32]byte) {
	if r.young == nil || len(r.young) >= provedSize/2 {
		r.young, r.old = make(map[[32]byte]struct{}), r.young
	}
	r.young[key] = struct{}{}
}
