package proxy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milagro.dev/internal/config"
)

const goodFile = `metrics = "127.0.0.1:9465"
access_log = "off"
drain = "5s"

[[federation]]
domain = "example.com"
names = ["spiffe://example.com/partner/**"]

[[route]]
name = "redis"
mode = "server"
as = "spiffe://example.org/redis"
listen = "0.0.0.0:6380"
target = "unix:/run/redis.sock"
allow = ["spiffe://example.org/web", "spiffe://example.org/jobs/*"]
proxy_protocol = "v2"

[[route]]
mode = "client"
protocol = "http"
as = "spiffe://example.org/redis"
listen = "127.0.0.1:8080"
target = "orders.example.org:8443"
to = ["spiffe://example.org/orders"]
`

func load(t *testing.T, text string) (*Settings, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "proxy.toml")
	check(t, os.WriteFile(path, []byte(text), 0o600))
	s, err := Load(path)
	return s, path, err
}

func TestSettingsAreRead(t *testing.T) {
	s, _, err := load(t, goodFile)
	check(t, err)
	if s.Metrics.String() != "127.0.0.1:9465" || s.AccessLog != Off || s.Drain.Duration != 5*time.Second || len(s.Federation[0].Names) != 1 {
		t.Errorf("%+v", s)
	}
	redis, orders := s.Routes[0], s.Routes[1]
	if redis.Target.Path() != "/run/redis.sock" || len(redis.Allow) != 2 || redis.Protocol != TCP || redis.ProxyProtocol != ProxyProtocolV2 || redis.MaxConnections != 4096 || redis.ListenMode != 0o600 {
		t.Errorf("%+v", redis)
	}
	if orders.Name != "127.0.0.1:8080" || orders.PeerHeader != "Milagro-Peer" || orders.Protocol != HTTP || orders.Target.Port() != "8443" {
		t.Errorf("%+v", orders)
	}
}

// Each line changes one line of the good file; the error names file, line and key.
func TestBadSettingsAreRefusedWithTheirLine(t *testing.T) {
	for _, k := range []struct{ old, new, want string }{
		{`mode = "server"`, `mode = "sever"`, `:11: route.mode: "sever" is not one of ["server" "client"]`},
		{`mode = "server"`, ``, `:9: route.mode: is missing`},
		{`as = "spiffe://example.org/redis"` + "\nlisten = \"0", `as = "spiffe://example.org//redis"` + "\nlisten = \"0", `:12: route.as: not a canonical name`},
		{`listen = "0.0.0.0:6380"`, `listen = "0.0.0.0"`, `:13: route.listen: "0.0.0.0" is neither HOST:PORT nor unix:PATH`},
		{`listen = "0.0.0.0:6380"`, `listen = "0.0.0.0:http"`, `:13: route.listen: "0.0.0.0:http" has the port "http"`},
		{`target = "unix:/run/redis.sock"`, `target = "unix:run/redis.sock"`, `:14: route.target: "run/redis.sock" is no absolute path`},
		{`target = "unix:/run/redis.sock"`, `target = "10.0.0.1:6379"`, `:14: route.target: 10.0.0.1:6379 is not on this host`},
		{`target = "unix:/run/redis.sock"`, `target = "127.0.0.1:0"`, `:14: route.target: port 0`},
		{`"spiffe://example.org/web", `, `"spiffe://*/web", `, `:15: route.allow: `},
		{`allow = [`, `#allow = [`, `:9: route.allow: is missing`},
		{`allow = ["spiffe://example.org/web", "spiffe://example.org/jobs/*"]`, `allow = []`, `:15: route.allow: is missing`},
		{`allow = [`, `to = [`, `:9: route.allow: is missing`},
		{`proxy_protocol = "v2"`, `proxy_protocol = "v1"`, `:16: route.proxy_protocol: "v1" is not one of`},
		{`proxy_protocol = "v2"`, `upstream = "h2c"`, `:16: route.upstream: needs protocol = "http"`},
		{`proxy_protocol = "v2"`, `max_connections = -1`, `:16: route.max_connections: -1 is not between`},
		{`proxy_protocol = "v2"`, `local = "x509"`, `:16: route.local: x509 needs the Workload API`},
		{`proxy_protocol = "v2"`, `listen_mode = "0666"`, `:16: route.listen_mode: "0666" is neither`},
		{`proxy_protocol = "v2"`, `allow_remote = true`, `:16: route.allow_remote: belongs to mode "client"`},
		{`proxy_protocol = "v2"`, `colour = "red"`, `:16: route.colour: unknown key`},
		{`protocol = "http"`, "protocol = \"http\"\npeer_header = \"Peer: x\"", `:21: route.peer_header: "Peer: x" is no name of a header`},
		{`protocol = "http"`, "protocol = \"http\"\nproxy_protocol = \"v2\"", `:21: route.proxy_protocol: belongs to mode "server"`},
		{`listen = "127.0.0.1:8080"`, `listen = ":8080"`, `:22: route.listen: :8080 is no address of this host alone`},
		{`listen = "127.0.0.1:8080"`, `listen = "0.0.0.0:6380"` + "\nallow_remote = true", `:22: route.listen: another route listens on 0.0.0.0:6380`},
		{`to = ["spiffe://example.org/orders"]`, `to = ["spiffe://example.org/orders"]` + "\nname = \"redis\"", `:25: route.name: another route is called "redis"`},
		{`names = ["spiffe://example.com/partner/**"]`, `names = ["spiffe://example.org/**"]`, `:7: federation.names: spiffe://example.org/** does not lie in example.com`},
		{`names = ["spiffe://example.com/partner/**"]`, ``, `:5: federation.names: no name`},
		{`access_log = "off"`, `access_log = "no"`, `:2: access_log: "no" is not one of ["on" "off"]`},
		{`proxy_protocol = "v2"`, `listen_mode = 0o666`, `:16: route.listen_mode: "0666" is neither`},
		{`drain = "5s"`, `drain = "soon"`, `:3: drain: "soon" is no duration`},
		{`drain = "5s"`, "[workload]\nsocket = \"s\"", `:4: workload.socket: "s" is no absolute path`},
		{`drain = "5s"`, "[[workload.entry]]\nname = \"spiffe://example.org/redis\"\nuser = \"a\"\nuid = 0", `:5: workload.entry.user: 2 of user, uid and gid`},
	} {
		text := strings.Replace(goodFile, k.old, k.new, 1)
		if text == goodFile {
			t.Fatalf("%q is not in the file", k.old)
		}
		_, path, err := load(t, text)
		e, ok := errors.AsType[*config.Error](err)
		if !ok || !strings.HasPrefix(err.Error(), path+k.want) {
			t.Errorf("%q: %v, want FILE%s", k.new, err, k.want)
			continue
		}
		if strings.Contains(k.want, "is missing") && e.Hint() == "" {
			t.Errorf("%q: no hint", k.new)
		}
	}
	if _, _, err := load(t, "drain = \"5s\"\n"); err == nil || !strings.Contains(err.Error(), "no [[route]]") {
		t.Errorf("no route: %v", err)
	}
}

func TestAddressesKnowThisHost(t *testing.T) {
	for text, local := range map[string]bool{"127.0.0.1:1": true, "127.8.9.1:1": true, "[::1]:1": true, "localhost:1": true, "unix:/run/s": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:1": false, "[::]:1": false, ":1": false, "10.0.0.1:1": false, "localhost.example.org:1": false, "example.org:1": false} {
		if a := address(t, text); a.Local() != local {
			t.Errorf("%s: local %t", text, a.Local())
		}
	}
}

// Whatever is an address is written as it was read, or as what reads the same.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", "[::1]:80", "unix:/run/s", "unix:/run/../s", ":0", "a:65536", "[fe80::1%eth0]:1", "unix:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		again, err := ParseAddress(a.String())
		if err != nil || again != a || a.IsZero() {
			t.Errorf("%q gives %q, which gives %q, %v", s, a, again, err)
		}
	})
}
