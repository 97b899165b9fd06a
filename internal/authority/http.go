package authority

import (
	"context"
	"encoding/json"
	"net/http"

	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
)

// post returns the handler of a call: a JSON object in, one out.
func post[In, Out any](a *Authority, do func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in, err := problem.Decode[In](w, r, webserver.MaxBody)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		out, err := do(r.Context(), in)
		reply(a, w, r, out, err)
	}
}

// get returns the handler of a question.
func get[Out any](a *Authority, do func(*http.Request) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := do(r)
		reply(a, w, r, out, err)
	}
}

func reply[Out any](a *Authority, w http.ResponseWriter, r *http.Request, out Out, err error) {
	var body []byte
	if err == nil {
		body, err = json.Marshal(out)
	}
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(append(body, '\n')) // a peer that is gone asks again
}

// refuse answers with the problem and logs what its peer is not told.
func (a *Authority) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problem.Of(err)
	a.counters.refusal(p)
	if p.Status() >= http.StatusInternalServerError && r.Context().Err() == nil { // else the peer is gone
		a.log.Error("request failed", "route", r.Pattern, "kind", string(p.Kind), "error", err)
	} else {
		a.log.Debug("request refused", "route", r.Pattern, "kind", string(p.Kind))
	}
	problem.Write(w, err)
}

// nothing is the answer {} of calls that only take.
type nothing struct{}
