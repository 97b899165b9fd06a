package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"milagro.dev/identity"
)

// The words of settings are types: a wrong one is refused where it is read, with
// its line.
type (
	// Mode says which side of a route is identity TLS.
	Mode string
	// Protocol says what a route understands of what it carries.
	Protocol string
	// Upstream says what HTTP the target of a server's route speaks.
	Upstream string
	// ProxyProtocol says whether the target is told first whose connection it is.
	ProxyProtocol string
	// Local says how the plain side is protected on the host.
	Local string
	// Switch is on or off; empty is the setting's default.
	Switch string
	// SocketMode are the permissions of a unix socket to listen on.
	SocketMode uint32
)

// The words.
const (
	Server Mode = "server" // identity TLS in, plain out
	Client Mode = "client" // plain in, identity TLS out

	TCP  Protocol = "tcp"
	HTTP Protocol = "http"

	HTTP1 Upstream = "http1"
	H2C   Upstream = "h2c" // HTTP/2 without TLS, for gRPC

	NoProxyProtocol ProxyProtocol = "off"
	ProxyProtocolV2 ProxyProtocol = "v2"

	LocalPlain Local = "plain"
	LocalX509  Local = "x509"

	On  Switch = "on"
	Off Switch = "off"
)

// UnmarshalText refuses other words.
func (m *Mode) UnmarshalText(b []byte) error { return choose(m, b, Server, Client) }

// UnmarshalText refuses other words.
func (p *Protocol) UnmarshalText(b []byte) error { return choose(p, b, TCP, HTTP) }

// UnmarshalText refuses other words.
func (u *Upstream) UnmarshalText(b []byte) error { return choose(u, b, HTTP1, H2C) }

// UnmarshalText refuses other words.
func (p *ProxyProtocol) UnmarshalText(b []byte) error {
	return choose(p, b, NoProxyProtocol, ProxyProtocolV2)
}

// UnmarshalText refuses other words.
func (l *Local) UnmarshalText(b []byte) error { return choose(l, b, LocalPlain, LocalX509) }

// UnmarshalText refuses other words.
func (s *Switch) UnmarshalText(b []byte) error { return choose(s, b, On, Off) }

func choose[T ~string](into *T, text []byte, words ...T) error {
	if !slices.Contains(words, T(text)) {
		return fmt.Errorf("%q is not one of %q", text, words)
	}
	*into = T(text)
	return nil
}

// UnmarshalText reads 0600 or 0660: a socket that everybody may use would let
// everybody speak as the name.
func (m *SocketMode) UnmarshalText(b []byte) error {
	if text := string(b); text != "0600" && text != "0660" {
		return fmt.Errorf("%q is neither 0600 nor 0660", text)
	}
	v, err := strconv.ParseUint(string(b), 8, 32)
	*m = SocketMode(v)
	return err
}

// Pattern is an identity.Pattern in a setting.
type Pattern struct{ identity.Pattern }

// Address is where to listen or connect: HOST:PORT or unix:PATH. Addresses compare
// with ==. The zero Address is none.
type Address struct{ network, text string }

// maxSocketPath is what the kernels take, in bytes.
const maxSocketPath = 103

// ParseAddress reads an address. A path must be absolute; a port a number.
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path {
			return Address{}, fmt.Errorf("%q is no absolute path without detours", path)
		}
		if len(path) > maxSocketPath {
			return Address{}, fmt.Errorf("the path of a socket has at most %d bytes, not %d", maxSocketPath, len(path))
		}
		return Address{"unix", path}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, "/ \t\n") {
		return Address{}, fmt.Errorf("%q is neither HOST:PORT nor unix:PATH", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Address{}, fmt.Errorf("%q has the port %q, not a number up to 65535", s, port)
	}
	return Address{"tcp", net.JoinHostPort(host, port)}, nil
}

// String is the inverse of ParseAddress.
func (a Address) String() string {
	if a.network == "unix" {
		return "unix:" + a.text
	}
	return a.text
}

// UnmarshalText is ParseAddress.
func (a *Address) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		return errors.New("the address is empty")
	}
	*a, err = ParseAddress(string(b))
	return err
}

// MarshalText returns the text of String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// IsZero reports whether a is no address.
func (a Address) IsZero() bool { return a.network == "" }

// Local reports whether only this host reaches a: a unix socket, a loopback address
// or localhost.
func (a Address) Local() bool {
	if a.network == "unix" {
		return true
	}
	host := a.host()
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// Path returns the path of a unix socket, or nothing.
func (a Address) Path() string {
	if a.network != "unix" {
		return ""
	}
	return a.text
}

// Port returns the port of a TCP address, or nothing.
func (a Address) Port() string {
	if a.network != "tcp" {
		return ""
	}
	return a.text[strings.LastIndexByte(a.text, ':')+1:]
}

// Network and Text are the arguments of net.Dial and net.Listen.
func (a Address) Network() string { return a.network }

// Text is the address for net.Dial and net.Listen, without "unix:".
func (a Address) Text() string { return a.text }

func (a Address) host() string {
	host, _, err := net.SplitHostPort(a.text)
	if err != nil {
		return ""
	}
	return host
}
