package login

import (
	"runtime"
	"sync"

	"milagro.dev/internal/pairing"
	"milagro.dev/mpin"
)

// wholeBatch is a batch that gains nothing any more from those that wait beside it.
const wholeBatch = 16

// verifier checks proofs by pairings, as many at once as there are processors.
// Proofs that wait for a processor are verified together by whoever gets one: no
// login waits for others, and none is verified by a goroutine of its own.
//
// Suspects are verified one by one and hold at most half the processors: a bad
// proof costs a batch its advantage, and must not cost others their turn.
type verifier struct {
	batching Batching
	slots    chan struct{}
	suspects chan struct{}
	seen     func(size int) // of each verification

	mu      sync.Mutex
	waiting []*job
}

// job is a proof to be checked.
type job struct {
	served     *served // whose key it is checked with
	transcript mpin.Transcript
	v          [pairing.G1Size]byte
	good       bool
	done       chan struct{}
}

func newVerifier(batching Batching, seen func(size int)) *verifier {
	n := runtime.GOMAXPROCS(0)
	return &verifier{batching: batching, seen: seen, slots: make(chan struct{}, n), suspects: make(chan struct{}, max(1, n/2))}
}

// verify reports whether a proof is that of the right PIN.
func (v *verifier) verify(s *served, t mpin.Transcript, proof mpin.Proof) bool {
	if v.batching == Singly {
		return v.single(s, t, proof)
	}
	j := &job{served: s, transcript: t, v: proof.V, done: make(chan struct{})}
	v.mu.Lock()
	v.waiting = append(v.waiting, j)
	v.mu.Unlock()
	// Whoever is ready to run comes first: those of one commit wake together, and a
	// pairing keeps its processor for long.
	runtime.Gosched()
	for {
		select {
		case <-j.done:
			return j.good
		case v.slots <- struct{}{}:
			v.run(v.take())
			<-v.slots
		}
	}
}

// suspect is verify for whom a failure is on record, or who has no row.
func (v *verifier) suspect(s *served, t mpin.Transcript, proof mpin.Proof) bool {
	v.suspects <- struct{}{}
	defer func() { <-v.suspects }()
	return v.single(s, t, proof)
}

func (v *verifier) single(s *served, t mpin.Transcript, proof mpin.Proof) bool {
	v.slots <- struct{}{}
	defer func() { <-v.slots }()
	v.seen(1)
	return mpin.Verify(s.key, t, proof.V) == nil
}

// take takes a processor's part of what waits, if there is enough for several, of
// one server key: that of the service has changed where there are two.
func (v *verifier) take() []*job {
	v.mu.Lock()
	defer v.mu.Unlock()
	part := min(max(wholeBatch, (len(v.waiting)+cap(v.slots)-1)/cap(v.slots)), mpin.MaxBatch)
	n := 0
	for n < len(v.waiting) && n < part && v.waiting[n].served.same(v.waiting[0].served) {
		n++
	}
	batch := v.waiting[:n:n]
	v.waiting = v.waiting[n:]
	return batch
}

func (v *verifier) run(batch []*job) {
	switch len(batch) {
	case 0: // others were faster
		return
	case 1:
		j := batch[0]
		j.good = mpin.Verify(j.served.key, j.transcript, j.v) == nil
	default:
		together(batch)
	}
	v.seen(len(batch))
	for _, j := range batch {
		close(j.done)
	}
}

func together(batch []*job) {
	transcripts, vs := make([]mpin.Transcript, len(batch)), make([][pairing.G1Size]byte, len(batch))
	for i, j := range batch {
		transcripts[i], vs[i], j.good = j.transcript, j.v, true
	}
	for _, bad := range mpin.VerifyBatch(batch[0].served.key, transcripts, vs) {
		batch[bad].good = false
	}
}

// queued returns how many proofs wait.
func (v *verifier) queued() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.waiting)
}
