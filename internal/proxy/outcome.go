package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"milagro.dev/idtls"
)

// outcome is how a connection or request ended; the words are in the access log
// and in metrics (doc/proxy.md "Access log").
type outcome string

const (
	outcomeClosed      outcome = "closed"      // both sides said all they had to say
	outcomeBroken      outcome = "broken"      // one side broke off
	outcomeRefused     outcome = "refused"     // our check of the peer failed
	outcomeDeclined    outcome = "declined"    // the peer's check of us failed
	outcomeHandshake   outcome = "handshake"   // no TLS, no answer in time, no certificate
	outcomeUnreachable outcome = "unreachable" // nobody at the target
	outcomeKey         outcome = "no-key"      // we have no key to show
	outcomeLimit       outcome = "limit"       // max_connections
	outcomeIdle        outcome = "idle"        // idle_timeout
	outcomeDrained     outcome = "drained"     // the proxy or the route ended
	outcomeForbidden   outcome = "forbidden"   // a reload took the peer's welcome away
	outcomeEnded       outcome = "ended"       // the peer's epoch is over or the peer is revoked
)

// outcomeOf says what an error of a connection means.
func outcomeOf(err error) outcome {
	_, refused := errors.AsType[*idtls.VerifyError](err)
	_, absent := errors.AsType[*unreachable](err)
	_, alert := errors.AsType[tls.AlertError](err)
	remote, isOp := errors.AsType[*net.OpError](err)
	switch {
	case err == nil:
		return outcomeClosed
	case errors.Is(err, errNoKey):
		return outcomeKey
	case refused:
		return outcomeRefused
	case absent:
		return outcomeUnreachable
	case errors.Is(err, errLimit):
		return outcomeLimit
	case alert, isOp && remote.Op == "remote error":
		return outcomeDeclined
	case isOp && (remote.Op == "read" || remote.Op == "raw-read" || remote.Op == "write"), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return outcomeBroken
	}
	return outcomeHandshake
}

// checkOf returns the check that a peer did not pass, or the outcome's own word.
func checkOf(how outcome, err error) string {
	if refusal, ok := errors.AsType[*idtls.VerifyError](err); ok {
		return string(refusal.Check)
	}
	return string(how)
}

// claimed returns who a refused peer says that it is.
func claimed(err error) idtls.Peer {
	if refusal, ok := errors.AsType[*idtls.VerifyError](err); ok {
		return refusal.Claimed
	}
	return idtls.Peer{}
}

// line is one of the access log.
type line struct {
	peer    idtls.Peer
	remote  net.Addr
	began   time.Time
	in, out int64 // bytes from the peer and to it
	outcome outcome
	err     error
	request []slog.Attr // of a request: method, path, status
}

func lineOf(s *session, err error) line {
	return line{peer: s.peer, remote: s.conn.RemoteAddr(), began: s.began, in: s.in.Load(), out: s.out.Load(), outcome: s.outcome(err), err: err}
}

func (l line) attrs(route string) []slog.Attr {
	attrs := []slog.Attr{slog.String("route", route), slog.String("outcome", string(l.outcome))}
	if !l.peer.Name.IsZero() {
		attrs = append(attrs, slog.String("peer", l.peer.Name.String()), slog.String("device", l.peer.Device.String()))
	}
	if l.remote != nil {
		attrs = append(attrs, slog.String("remote", l.remote.String()))
	}
	attrs = append(attrs, l.request...)
	attrs = append(attrs, slog.Int64("from_peer", l.in), slog.Int64("to_peer", l.out), slog.Float64("seconds", time.Since(l.began).Seconds()))
	if l.outcome == outcomeRefused {
		attrs = append(attrs, slog.String("check", checkOf(l.outcome, l.err)))
	}
	if l.err != nil {
		attrs = append(attrs, slog.String("error", l.err.Error()))
	}
	return attrs
}

// line writes a line to the access log, if there is one.
func (s *routeStats) line(l line) {
	s.finished(l.outcome)
	if log := s.metrics.access.Load(); log != nil {
		text := "connection"
		if l.request != nil {
			text = "request"
		}
		log.LogAttrs(context.Background(), slog.LevelInfo, text, l.attrs(s.name)...)
	}
}
