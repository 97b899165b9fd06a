package proxy

import (
	"net"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// announce tells the target whose connection this is: a PROXY protocol v2 header
// with the addresses of the identity TLS connection and a TLV of type SSL, whose
// common name is the peer's name.
func announce(local net.Conn, s *session) error {
	secure := tlvparse.PP2SSL{
		Client: tlvparse.PP2_BITFIELD_CLIENT_SSL | tlvparse.PP2_BITFIELD_CLIENT_CERT_CONN | tlvparse.PP2_BITFIELD_CLIENT_CERT_SESS,
		TLV: []proxyproto.TLV{
			{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte("TLSv1.3")},
			{Type: proxyproto.PP2_SUBTYPE_SSL_CN, Value: []byte(s.peer.Name.String())},
		},
	}
	tlv, err := secure.Marshal()
	if err != nil {
		return err
	}
	header := proxyproto.HeaderProxyFromAddrs(2, s.conn.RemoteAddr(), s.conn.LocalAddr())
	if err := header.SetTLVs([]proxyproto.TLV{tlv}); err != nil {
		return err
	}
	if err := local.SetWriteDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	if _, err := header.WriteTo(local); err != nil {
		return &unreachable{err}
	}
	return local.SetWriteDeadline(time.Time{})
}
