//go:build linux

package interop

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"milagro.dev/internal/webserver"
)

// newMosquitto starts the broker mosquitto on a port of its own.
func newMosquitto(t *testing.T) *program {
	address := must(webserver.FreeAddresses(1))(t)[0]
	_, port, _ := net.SplitHostPort(address)
	file := filepath.Join(t.TempDir(), "mosquitto.conf")
	check(t, os.WriteFile(file, []byte("listener "+port+" 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\nlog_dest stderr\nlog_type all\n"), 0o600))
	p := start(t, "mosquitto", "mosquitto", "-c", file)
	quick := func(address string) error {
		_, err := run(nil, "mosquitto_pub", mqtt(address, "-t", "quick", "-q", "1", "-m", "x")...)
		return err
	}
	await(t, "mosquitto answers", func() error { return quick(address) })
	return &program{title: "mosquitto", path: "mqtt", target: address, quick: quick,
		works:       func(t *testing.T, address, _ string) { mqttWorks(t, p, address) },
		connections: func(t *testing.T) int { return strings.Count(p.said(t), "New connection from") }}
}

// mqtt returns arguments of mosquitto_pub and mosquitto_sub.
func mqtt(address string, words ...string) []string {
	host, port, _ := net.SplitHostPort(address)
	return append([]string{"-h", host, "-p", port}, words...)
}

func mqttWorks(t *testing.T, broker *process, address string) {
	large := strings.Repeat("0123456789abcdef", 1<<14) // 256 KiB
	for _, message := range []string{"21 degrees", large} {
		before := strings.Count(broker.said(t), "Sending SUBACK")
		subscriber := start(t, "mosquitto_sub", "mosquitto_sub", mqtt(address, "-t", "room/+", "-q", "1", "-C", "1", "-W", "20")...)
		await(t, "mosquitto_sub has subscribed", func() error { return broker.mustSayMore(t, "Sending SUBACK", before) })
		says(t, "", strings.NewReader(message), "mosquitto_pub", mqtt(address, "-t", "room/7", "-q", "1", "-s")...)
		<-subscriber.over
		if got := strings.TrimSpace(subscriber.said(t)); got != message {
			t.Errorf("mosquitto_sub says %d bytes, %.80q, want %d bytes", len(got), got, len(message))
		}
	}
}
