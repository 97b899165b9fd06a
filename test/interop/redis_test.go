//go:build linux

package interop

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// newRedis starts redis-server on a unix socket.
func newRedis(t *testing.T) *program {
	dir := shortDir(t)
	socket := filepath.Join(dir, "redis.sock")
	p := start(t, "redis-server", "redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--loglevel", "verbose")
	await(t, "redis-server answers", func() error {
		_, err := run(nil, "redis-cli", "-s", socket, "PING")
		return err
	})
	return &program{title: "redis", path: "redis", target: "unix:" + socket, works: redisWorks,
		quick: func(address string) error {
			_, err := run(nil, "redis-cli", redis(address, "PING")...)
			return err
		},
		connections: func(t *testing.T) int { return strings.Count(p.said(t), "Accepted") }}
}

// redis returns arguments of redis-cli.
func redis(address string, words ...string) []string {
	host, port, _ := net.SplitHostPort(address)
	return append([]string{"-e", "-h", host, "-p", port}, words...)
}

func redisWorks(t *testing.T, address, _ string) {
	says(t, "PONG", nil, "redis-cli", redis(address, "PING")...)
	says(t, "OK", nil, "redis-cli", redis(address, "SET", "key", "value")...)
	says(t, "value", nil, "redis-cli", redis(address, "GET", "key")...)
	large := strings.Repeat("0123456789abcdef", 1<<19) // 8 MiB
	says(t, "OK", strings.NewReader(large), "redis-cli", redis(address, "-x", "SET", "large")...)
	says(t, large, nil, "redis-cli", redis(address, "GET", "large")...)

	subscriber := start(t, "redis-cli SUBSCRIBE", "redis-cli", redis(address, "SUBSCRIBE", "news")...)
	await(t, "redis-cli has subscribed", func() error { return subscriber.mustSay(t, "subscribe") })
	says(t, "1", nil, "redis-cli", redis(address, "PUBLISH", "news", "of the channel")...)
	await(t, "the subscriber reads it", func() error { return subscriber.mustSay(t, "of the channel") })
}
