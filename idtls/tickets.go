package idtls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"slices"
)

// leafLabel begins the entry of a session that holds the peer's leaf.
const leafLabel = "milagro/v1 tls session leaf\x00"

// resumable returns config with session tickets on. Nothing exported does so:
// tickets stay off, and this is how the tests hold resumption against the checks.
//
// A server's checks run after the client has finished a resumed handshake. One
// that they refuse leaves the client with a ticket that it will show again and
// again, though its new leaf would be welcome. So the leaf goes into the ticket,
// and a ticket whose leaf would not pass is declined: the handshake becomes a full
// one. A client whose own checks refuse a session loses one handshake, and
// crypto/tls throws the ticket away.
func resumable(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.SessionTicketsDisabled = false
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	verify := config.VerifyConnection
	config.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		if len(state.PeerCertificates) == 1 {
			session.Extra = append(session.Extra, slices.Concat([]byte(leafLabel), state.PeerCertificates[0].Raw))
		}
		return config.EncryptTicket(state, session)
	}
	config.UnwrapSession = func(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
		session, err := config.DecryptTicket(ticket, state)
		if session == nil || err != nil {
			return nil, err
		}
		if state.PeerCertificates = sessionLeaf(session); verify(state) != nil {
			return nil, nil
		}
		return session, nil
	}
	return config
}

func sessionLeaf(session *tls.SessionState) []*x509.Certificate {
	for _, entry := range session.Extra {
		der, ours := bytes.CutPrefix(entry, []byte(leafLabel))
		if leaf, err := x509.ParseCertificate(der); ours && err == nil {
			return []*x509.Certificate{leaf}
		}
	}
	return nil
}
