package login

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"net/netip"
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

// Asked returns how many names wait for an invitation by mail, and how often one was
// tried to be sent.
func (s *Server) Asked(ctx context.Context) (n, tries int) {
	s.state.read(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.one(ctx, []any{&n, &tries}, "SELECT count(*), coalesce(max(tries), 0) FROM invited")
		return err
	})
	return n, tries
}

// Relayed passes a request on to an authority at a URL and returns its answer.
func Relayed(ctx context.Context, url string, request []byte) ([]byte, error) {
	a, err := newRelay(nil, new(http.Client)).ask(ctx, url, relayRequest{request})
	return a.body, err
}

// From returns by what a request is counted that comes from peer, where a proxy in a
// network is believed.
func From(peer, forwarded, proxies string) string {
	r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	c := &crowd{proxies: []netip.Prefix{netip.MustParsePrefix(proxies)}}
	return c.from(r).String()
}

// ApprovalBody returns what an operator signs to approve an act at a server.
func ApprovalBody(a Act, server ed25519.PublicKey, id ProposalID, time uint64) []byte {
	return a.body(server, id, time)
}

// ApprovalOf returns whose approval an envelope is.
func ApprovalOf(signed []byte, server ed25519.PublicKey, id ProposalID, a Act, all []OperatorKey) (OperatorKey, uint64, error) {
	return approvalOf(signed, server, id, a, all)
}

// ExpireProposals forgets old proposals, as it is done now and then.
func (s *Server) ExpireProposals(ctx context.Context) error {
	return s.state.expireProposals(ctx, s.clock(), s.auditLife)
}

// Approvals returns how many signatures of operators are kept.
func (s *Server) Approvals(ctx context.Context) (n int) {
	s.state.read(ctx, func(ctx context.Context, tx transaction) error {
		_, err := tx.one(ctx, []any{&n}, "SELECT count(*) FROM proposal_approvals")
		return err
	})
	return n
}
