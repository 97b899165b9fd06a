package login

import (
	"context"
	"encoding/json"
	"net/http"

	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
)

// post returns the handler of a call: a JSON object in, one out.
func post[In, Out any](s *Server, do func(*http.Request, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in, err := problem.Decode[In](w, r, webserver.MaxBody)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		out, err := do(r, in)
		reply(s, w, r, out, err)
	}
}

// get returns the handler of a question.
func get[Out any](s *Server, do func(*http.Request) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := do(r)
		reply(s, w, r, out, err)
	}
}

// act is post for calls that are the same whatever the connection.
func act[In, Out any](s *Server, do func(context.Context, In) (Out, error)) http.HandlerFunc {
	return post(s, func(r *http.Request, in In) (Out, error) { return do(r.Context(), in) })
}

func reply[Out any](s *Server, w http.ResponseWriter, r *http.Request, out Out, err error) {
	var body []byte
	if err == nil {
		body, err = json.Marshal(out)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	send(w, append(body, '\n'))
}

func send(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(body) // a peer that is gone asks again
}

// refuse answers with the problem and logs what its peer is not told.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problem.Of(err)
	s.counters.refusal(p)
	if p.Status() >= http.StatusInternalServerError && r.Context().Err() == nil { // else the peer is gone
		s.log.Error("request failed", "route", r.Pattern, "kind", string(p.Kind), "error", err)
	} else {
		s.log.Debug("request refused", "route", r.Pattern, "kind", string(p.Kind))
	}
	problem.Write(w, err)
}

// nothing is the answer {} of calls that only take.
type nothing struct{}
