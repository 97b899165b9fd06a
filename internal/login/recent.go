package login

import (
	"sync"
	"time"

	"milagro.dev/mpin"
)

// maxRecent bounds the transcripts that are kept at hand; each has about 1 KiB.
const maxRecent = 4096

// recent are transcripts of sessions that this server has stored, at hand until
// they are finished: what the first pass decoded, the second need not read and
// decode again. Whether a session is still open, only the database says. The zero
// value has none.
type recent struct {
	mu   sync.Mutex
	kept map[[mpin.SessionSize]byte]kept
}

type kept struct {
	transcript mpin.Transcript
	expires    time.Time
}

// keep keeps the transcript of a session, in place of any other if there are too
// many.
func (r *recent) keep(t mpin.Transcript, expires time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = map[[mpin.SessionSize]byte]kept{}
	}
	for session := range r.kept {
		if len(r.kept) < maxRecent {
			break
		}
		delete(r.kept, session)
	}
	r.kept[t.Challenge().Session] = kept{t, expires}
}

// find returns the transcript of a session that ends after one time and not after
// another, and keeps it no longer.
func (r *recent) find(session []byte, after, until time.Time) (mpin.Transcript, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.kept[[mpin.SessionSize]byte(session)]
	delete(r.kept, [mpin.SessionSize]byte(session))
	return k.transcript, ok && k.expires.After(after) && !k.expires.After(until)
}
