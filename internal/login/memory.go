package login

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much a login server's heap may grow before garbage is collected: it
// holds a few megabytes, and a login's share of a collection costs more than they do.
const gcPercent = 400

// RelaxGC lets the heap of this process, whose one role is to be a login server, grow
// to five times what is alive, unless GOGC in the environment says otherwise.
func RelaxGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
