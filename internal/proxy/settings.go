package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/config"
)

// Settings are those of a file; doc/proxy.md explains each.
type Settings struct {
	Dir        string           `toml:"dir"`
	Metrics    Address          `toml:"metrics"`
	LogLevel   slog.Level       `toml:"log_level"`
	AccessLog  Switch           `toml:"access_log"`
	Drain      config.Duration  `toml:"drain"`
	Keep       Switch           `toml:"keep"`
	Hardening  Switch           `toml:"hardening"`
	Workload   WorkloadSettings `toml:"workload"`
	Federation []Federation     `toml:"federation"`
	Routes     []Route          `toml:"route"`
}

// WorkloadSettings say where the SPIFFE Workload API is served and to whom
// (doc/bridge.md); nowhere without a socket.
type WorkloadSettings struct {
	Socket  string          `toml:"socket"`
	Entries []WorkloadEntry `toml:"entry"`
}

// WorkloadEntry gives a name to the processes of a user or group: one of the three.
type WorkloadEntry struct {
	Name identity.Name `toml:"name"`
	User string        `toml:"user"`
	UID  *uint32       `toml:"uid"`
	GID  *uint32       `toml:"gid"`
}

// Federation says which names of a foreign domain, which the wallet has pinned,
// that domain may vouch for.
type Federation struct {
	Domain string    `toml:"domain"`
	Names  []Pattern `toml:"names"`
}

// Route is one way through the proxy.
type Route struct {
	Name           string          `toml:"name"`
	Mode           Mode            `toml:"mode"`
	As             identity.Name   `toml:"as"`
	Listen         Address         `toml:"listen"`
	Target         Address         `toml:"target"`
	Allow          []Pattern       `toml:"allow"`
	To             []Pattern       `toml:"to"`
	Protocol       Protocol        `toml:"protocol"`
	Upstream       Upstream        `toml:"upstream"`
	PeerHeader     string          `toml:"peer_header"`
	ProxyProtocol  ProxyProtocol   `toml:"proxy_protocol"`
	MaxConnections int             `toml:"max_connections"`
	IdleTimeout    config.Duration `toml:"idle_timeout"`
	ListenMode     SocketMode      `toml:"listen_mode"`
	AllowRemote    bool            `toml:"allow_remote"`
	UnsafeTarget   bool            `toml:"unsafe_target"`
	Local          Local           `toml:"local"`

	// Source holds the credentials of As. It is no setting: the caller of Apply
	// fills it in, with the same value as long as the same is meant.
	Source idtls.Source `toml:"-"`
	// LocalTLS is what the plain side speaks where Local is x509: the client's config
	// in a server's route, the server's in a client's. It is no setting either.
	LocalTLS *tls.Config `toml:"-"`
}

const (
	defaultDrain       = 30 * time.Second
	defaultConnections = 4096
	defaultPeerHeader  = "Milagro-Peer"
)

// SettingError is a setting of a list that is wrong for a reason that its own text
// does not show.
type SettingError struct {
	List   string // "route", "federation" or "workload.entry"
	Index  int    // of the table, from 0
	Key    string // may be empty
	Reason string
	hint   string
}

// Error returns which key of which table is wrong and why.
func (e *SettingError) Error() string {
	if e.List == "" {
		return e.Key + ": " + e.Reason
	}
	if e.Key == "" {
		return fmt.Sprintf("%s %d: %s", e.List, e.Index+1, e.Reason)
	}
	return fmt.Sprintf("%s %d: %s: %s", e.List, e.Index+1, e.Key, e.Reason)
}

// Hint returns what to do next.
func (e *SettingError) Hint() string { return e.hint }

// Load reads the settings in the file at path and checks them. Errors:
// *config.Error with file, line and key, and those of the operating system.
func Load(path string) (*Settings, error) {
	s := new(Settings)
	if err := config.Load(path, s); err != nil {
		return nil, err
	}
	err := s.Check()
	if e, ok := errors.AsType[*SettingError](err); ok && e.List != "" {
		return nil, config.Place{Path: path, List: e.List, Index: e.Index}.Error(e.Key, e.Reason, e.hint)
	} else if ok {
		return nil, &config.Error{Source: path, Line: lineOfKey(path, e.Key), Key: e.Key, Reason: e.Reason}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// lineOfKey returns the line of a key outside of lists, 0 if it is not found.
func lineOfKey(path, key string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	key = key[strings.LastIndexByte(key, '.')+1:]
	for number, line := range slices.Collect(strings.Lines(string(text))) {
		if strings.HasPrefix(strings.Join(strings.Fields(line), ""), key+"=") {
			return number + 1
		}
	}
	return 0
}
