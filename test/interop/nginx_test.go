//go:build linux

package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// One process, which dies with the test; Debian's paths are not used.
const nginxConf = `daemon off;
master_process off;
user root;
pid %[1]s/pid;
events {}
http {
  access_log off;
  underscores_in_headers on;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  server {
    listen unix:%[1]s/http.sock;
    root %[1]s/files;
    location = /peer { return 200 "$http_milagro_peer\n"; }
  }
  server {
    listen unix:%[1]s/tcp.sock proxy_protocol;
    location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port to $proxy_protocol_server_addr:$proxy_protocol_server_port\n"; }
  }
  server {
    listen unix:%[1]s/status.sock;
    location / { stub_status; }
  }
}
`

// nginx is a server with a site for HTTP, one behind PROXY protocol and its own account
// of connections.
type nginx struct {
	dir   string
	asked atomic.Int64 // for the account
}

func startNginx(t *testing.T) *nginx {
	n := &nginx{dir: shortDir(t)}
	check(t, os.MkdirAll(filepath.Join(n.dir, "files"), 0o755))
	check(t, os.WriteFile(filepath.Join(n.dir, "files", "large"), largeFile(), 0o644))
	conf := filepath.Join(n.dir, "nginx.conf")
	check(t, os.WriteFile(conf, fmt.Appendf(nil, nginxConf, n.dir), 0o644))
	start(t, "nginx", "nginx", "-p", n.dir, "-e", "stderr", "-c", conf)
	await(t, "nginx answers", func() error {
		_, err := n.status()
		return err
	})
	return n
}

func largeFile() []byte { return bytes.Repeat([]byte("0123456789abcde\n"), 1<<19) } // 8 MiB

func (n *nginx) status() (string, error) {
	out, err := run(nil, "curl", "--silent", "--show-error", "--fail", "--unix-socket", filepath.Join(n.dir, "status.sock"), "http://nginx/")
	if err == nil {
		n.asked.Add(1)
	}
	return out, err
}

var accepted = regexp.MustCompile(`(?m)^ (\d+) \d+ \d+`)

// connections is how many nginx has accepted, less those that asked for this.
func (n *nginx) connections(t *testing.T) int {
	t.Helper()
	found := accepted.FindStringSubmatch(must(n.status())(t))
	if found == nil {
		t.Fatal("nginx gives no account of connections")
	}
	return must(strconv.Atoi(found[1]))(t) - int(n.asked.Load())
}

func (n *nginx) socket(name string) string { return "unix:" + filepath.Join(n.dir, name) }

// curl returns arguments that ask for a page, and fail on a refusal.
func curl(address, path string, words ...string) []string {
	return append([]string{"--silent", "--show-error", "--fail", "--max-time", "20", "http://" + address + path}, words...)
}

// newNginx is nginx behind a route that understands HTTP; the clients' carries bytes.
func newNginx(t *testing.T) *program {
	n := startNginx(t)
	return &program{title: "nginx", path: "nginx", target: n.socket("http.sock"), serving: `protocol = "http"`,
		connections: n.connections, works: nginxWorks, quick: func(address string) error {
			_, err := run(nil, "curl", curl(address, "/peer")...)
			return err
		}}
}

func nginxWorks(t *testing.T, address, _ string) {
	says(t, uri("client"), nil, "curl", curl(address, "/peer")...)
	for _, forged := range []string{"Milagro-Peer", "milagro-peer", "Milagro_Peer"} {
		says(t, uri("client"), nil, "curl", curl(address, "/peer", "--header", forged+": "+uri("admin"))...)
		says(t, uri("client"), nil, "curl", curl(address, "/peer", "--header", forged+": "+uri("admin"), "--header", "Connection: "+forged)...)
	}
	says(t, uri("client")+"\n"+uri("client"), nil, "curl", curl(address, "/peer", "http://"+address+"/peer")...)
	says(t, strings.TrimSpace(string(largeFile())), nil, "curl", curl(address, "/large")...)
}

// newNginxHTTP is nginx with HTTP/2 between its sidecar and the clients'.
func newNginxHTTP(t *testing.T) *program {
	p := newNginx(t)
	p.title, p.asking = "nginx over HTTP 2", p.serving
	return p
}

// newNginxTCP is nginx behind routes that carry bytes, and tell it with PROXY protocol
// whose they are.
func newNginxTCP(t *testing.T) *program {
	n := startNginx(t)
	return &program{title: "nginx and PROXY protocol", path: "nginx", target: n.socket("tcp.sock"), serving: `proxy_protocol = "v2"`,
		connections: n.connections, works: nginxKnowsAddresses, quick: func(address string) error {
			_, err := run(nil, "curl", curl(address, "/")...)
			return err
		}}
}

// nginxKnowsAddresses: the connection itself comes over a unix socket.
func nginxKnowsAddresses(t *testing.T, address, channel string) {
	out := must(run(nil, "curl", curl(address, "/")...))(t)
	if ok, _ := regexp.MatchString(`^127\.0\.0\.1:\d+ to `+regexp.QuoteMeta(channel)+"\n$", out); !ok {
		t.Errorf("nginx says %q, want an address of 127.0.0.1 and %s", out, channel)
	}
}
