package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// probe bounds one readiness check.
const probe = 3 * time.Second

// Check is one thing that must be so before a server answers.
type Check struct {
	// Name of the check, in the answer.
	Name string
	// Run returns nil when it is so; else an error whose text anybody may read.
	// It heeds the end of ctx, after three seconds.
	Run func(ctx context.Context) error
}

// Alive answers GET /healthz: 200 as long as the process answers at all.
func Alive() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]bool{"alive": true})
	})
}

// readiness is the body of /readyz.
type readiness struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"` // "ok", or why not
}

// Ready answers GET /readyz: 200 when all checks hold, else 503, and in both
// cases {"ready": bool, "checks": {name: "ok" or why not}}. The checks run one after
// the other, at each request.
func Ready(checks ...Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, status := readiness{Ready: true, Checks: map[string]string{}}, http.StatusOK
		for _, c := range checks {
			body.Checks[c.Name] = "ok"
			if err := run(r.Context(), c); err != nil {
				body.Checks[c.Name] = err.Error()
				body.Ready, status = false, http.StatusServiceUnavailable
			}
		}
		answer(w, status, body)
	})
}

func run(ctx context.Context, c Check) error {
	ctx, cancel := context.WithTimeout(ctx, probe)
	defer cancel()
	return c.Run(ctx)
}

func answer[T any](w http.ResponseWriter, status int, body T) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(text, '\n')) // a prober that is gone needs no answer
}
