package idtls

import (
	"runtime"
	"sync"

	"milagro.dev/ibs"
	"milagro.dev/keys"
)

const (
	// maxWaiting bounds the handshakes that wait in one lane.
	maxWaiting = 4096
	// wholeBatch is a batch that gains little from those that wait beside it.
	wholeBatch = 16
)

// cold verifies the signatures that are not remembered, by pairings, as many at
// once as there are processors. Those that wait for a processor are verified
// together by whoever gets one: no handshake waits for others to come, and none
// is verified by a goroutine of its own.
//
// Bad signatures are what an enemy has to offer, so there are two lanes, which
// take turns (spec/idtls.md "Cold verifications"). Its zero value is idle.
type cold struct {
	once   sync.Once
	slots  chan struct{}
	master keys.Master // prepared

	mu    sync.Mutex
	known map[[32]byte]*job // those not done
	lanes [2]lane
	turn  origin // whose batch is next
}

// origin says which lane a peer waits in.
type origin uint8

const (
	strangers origin = iota
	familiars        // their name and device had a good signature before
)

type lane struct {
	jobs    []*job // those not taken
	waiting int    // handshakes, of jobs taken too
	spoilt  int    // by how much bad signatures have made batches smaller
}

// job is a signature to be verified, and whoever waits for it.
type job struct {
	key, who  [32]byte
	statement ibs.Statement
	signature []byte
	lane      *lane
	err       error // of the verification, once done
	done      chan struct{}
}

// begin makes c ready for the domain of master.
func (c *cold) begin(master keys.Master) {
	c.once.Do(func() {
		c.slots = make(chan struct{}, runtime.GOMAXPROCS(0))
		c.known = make(map[[32]byte]*job)
		c.master = master.Prepared()
	})
}

// join puts j into its lane, and returns it or that which has the same bytes and
// waits already. An error is ErrBusy.
func (c *cold) join(from origin, j *job) (*job, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if twin := c.known[j.key]; twin != nil {
		j = twin
	} else {
		j.lane, j.done = &c.lanes[from], make(chan struct{})
	}
	if j.lane.waiting >= maxWaiting {
		return nil, ErrBusy
	}
	if j.lane.waiting++; c.known[j.key] == nil {
		c.known[j.key] = j
		j.lane.jobs = append(j.lane.jobs, j)
	}
	return j, nil
}

// await returns what the verification of j says, which the caller may have to do
// with that of others.
func (p *proved) await(j *job) error {
	c := &p.cold
	defer c.leave(j)
	// Whoever is ready to run comes first: those of a storm arrive together, and a
	// pairing keeps its processor for long.
	runtime.Gosched()
	for {
		select {
		case <-j.done:
			return j.err
		case c.slots <- struct{}{}:
			p.turn()
		}
	}
}

func (c *cold) leave(j *job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.lane.waiting--
}

// turn verifies a batch, with a slot that it gives back.
func (p *proved) turn() {
	c := &p.cold
	defer func() { <-c.slots }()
	batch := c.take()
	if len(batch) == 0 { // others were faster
		return
	}
	defer c.finish(batch)
	judge(c.master, batch)
	p.settle(batch)
}

// take takes a processor's part of a lane, no more than the lane's bad
// signatures allow.
func (c *cold) take() []*job {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lanes[c.turn].jobs) == 0 {
		c.turn = 1 - c.turn
	}
	l := &c.lanes[c.turn]
	c.turn = 1 - c.turn
	part := max(wholeBatch, (len(l.jobs)+cap(c.slots)-1)/cap(c.slots))
	n := min(part, l.limit(), len(l.jobs))
	batch := l.jobs[:n:n]
	if l.jobs = l.jobs[n:]; len(l.jobs) == 0 {
		l.jobs = nil // and with it what was verified
	}
	return batch
}

// judge fills in each job's error.
func judge(master keys.Master, batch []*job) {
	statements, signatures := make([]ibs.Statement, len(batch)), make([][]byte, len(batch))
	for i, j := range batch {
		statements[i], signatures[i], j.err = j.statement, j.signature, ibs.ErrSignature
	}
	if len(batch) == 1 { // says what is wrong
		batch[0].err = ibs.Verify(master, statements[0], signatures[0])
		return
	}
	bad := make([]bool, len(batch))
	for _, i := range ibs.VerifyBatch(master, statements, signatures) {
		bad[i] = true
	}
	for i, j := range batch {
		if !bad[i] {
			j.err = nil
		}
	}
}

// finish wakes those who wait for the batch.
func (c *cold) finish(batch []*job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bad := 0
	for _, j := range batch {
		if j.err != nil {
			bad++
		}
		delete(c.known, j.key)
		close(j.done)
	}
	batch[0].lane.learn(len(batch), bad)
}

// limit is the greatest size of the next batch.
func (l *lane) limit() int { return ibs.MaxBatch - l.spoilt }

// learn sets the next limit. To find the b bad ones of n takes pairings, and so
// many that to verify each alone is cheaper where they are many. A batch of
// n/(2b) is good as often as not; each good signature lets the limit grow by one.
func (l *lane) learn(n, bad int) {
	limit := min(l.limit()+n, ibs.MaxBatch)
	if bad > 0 {
		limit = min(l.limit(), max(1, n/(2*bad)))
	}
	l.spoilt = ibs.MaxBatch - limit
}
