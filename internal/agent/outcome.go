package agent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"milagro.dev/wallet"
)

const (
	// firstPause is how long after a first failure an enrolment is tried again.
	firstPause = time.Second
	// remotePause is how long at most, if authorities were asked.
	remotePause = 5 * time.Minute
	// localPause is how long at most, if a file or command had nothing to show.
	localPause = 10 * time.Second
)

// backoff returns the pause after that many failures in a row: doubled each time,
// and up to a half of it left out by chance.
func backoff(failures int, sent bool) time.Duration {
	high := localPause
	if sent {
		high = remotePause
	}
	pause := min(firstPause<<min(failures, 16), high)
	return pause/2 + rand.N(pause/2)
}

// outcome says what the authorities did that gave no share; without one that was
// asked, what went wrong. It is the same text as long as nothing changes, which an
// error with a port or a time in it is not.
func outcome(r *wallet.Report, err error) string {
	var all []string
	asked := false
	if r != nil {
		for _, k := range r.Keys {
			for _, a := range k.Authorities {
				asked = true
				if a.Outcome != wallet.OK {
					all = append(all, fmt.Sprintf("%s: authority %d %s", k.Purpose, a.Index, a.Outcome))
				}
			}
		}
	}
	if err != nil && (!asked || len(all) == 0) {
		return err.Error()
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "; ")
}
