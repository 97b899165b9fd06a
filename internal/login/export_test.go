package login

import (
	"context"
	"net/http"
)

// Traced returns h with each step of its requests told to trace before it is done:
// "read", "write", "pairings" and every statement.
func Traced(h http.Handler, trace func(step string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tracer{}, trace)))
	})
}

// Hold occupies every processor of the verifier until it is released.
func (s *Server) Hold() (release func()) {
	v := s.gate.verifier
	for range cap(v.slots) {
		v.slots <- struct{}{}
	}
	return func() {
		for range cap(v.slots) {
			<-v.slots
		}
	}
}

// Queued returns how many proofs wait in the queue, and how many suspects are in hand.
func (s *Server) Queued() (waiting, suspects int) {
	return s.gate.verifier.queued(), len(s.gate.verifier.suspects)
}

// Finishing returns how many second passes run.
func (s *Server) Finishing() int { return len(s.gate.finishing) }

// Reconcile brings into the journal what others revoked, as it is done now and then.
func (s *Server) Reconcile(ctx context.Context) error { return s.registry.reconcile(ctx) }

// ExpireAudit forgets old decisions, as it is done now and then.
func (s *Server) ExpireAudit(ctx context.Context) error {
	return s.state.expireAudit(ctx, s.clock(), s.auditLife)
}

// Mails takes up new locks and mails about them, as it is done every second.
func (s *Server) Mails(ctx context.Context) error { return s.outbox.mails(ctx) }
