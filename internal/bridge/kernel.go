package bridge

import (
	"context"
	"errors"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
)

// How many connections may be open.
const (
	maxConnections        = 256
	maxConnectionsOfAUser = 32
)

// kernel is the transport credentials of the socket: no bytes are exchanged, the
// kernel says who has connected. It bounds the connections, of each user too:
// nobody keeps another from his certificates.
type kernel struct {
	mu   sync.Mutex
	open map[uint32]int // connections by user
	all  int
}

func newKernel() *kernel { return &kernel{open: map[uint32]int{}} }

// attested is what the kernel said of a connection.
type attested struct {
	credentials.CommonAuthInfo
	caller caller
}

// AuthType is credentials.AuthInfo.
func (attested) AuthType() string { return "SO_PEERCRED" }

// ServerHandshake is credentials.TransportCredentials.
func (k *kernel) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, err := callerOf(raw)
	if err != nil {
		return nil, nil, err
	}
	if !k.admit(c.uid) {
		return nil, nil, errors.New("too many connections")
	}
	conn := &counted{Conn: raw, leave: sync.OnceFunc(func() { k.leave(c.uid) })}
	info := attested{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}, c}
	return conn, info, nil
}

func (k *kernel) admit(uid uint32) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all >= maxConnections || k.open[uid] >= maxConnectionsOfAUser {
		return false
	}
	k.all++
	k.open[uid]++
	return true
}

func (k *kernel) leave(uid uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all--
	if k.open[uid]--; k.open[uid] == 0 {
		delete(k.open, uid)
	}
}

// counted is a connection that was admitted.
type counted struct {
	net.Conn
	leave func()
}

// Close is net.Conn.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// ClientHandshake is credentials.TransportCredentials; the bridge is no client.
func (k *kernel) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("the bridge is no client")
}

// Info is credentials.TransportCredentials.
func (k *kernel) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "SO_PEERCRED"}
}

// Clone is credentials.TransportCredentials: the count is of all clones.
func (k *kernel) Clone() credentials.TransportCredentials { return k }

// OverrideServerName is credentials.TransportCredentials.
func (k *kernel) OverrideServerName(string) error {
	return errors.New("a unix socket has no server name")
}
