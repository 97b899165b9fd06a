//go:build linux

package interop

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"milagro.dev/internal/webserver"
)

// route is a [[route]] of a sidecar's file.
type route struct {
	name, mode, as string // as: path of the name
	listen, target string
	peers          []string // paths of the names
	more           string   // further lines
}

func (r route) toml() string {
	list := map[string]string{"server": "allow", "client": "to"}[r.mode]
	var peers []string
	for _, path := range r.peers {
		peers = append(peers, fmt.Sprintf("%q", uri(path)))
	}
	return fmt.Sprintf("\n[[route]]\nname = %q\nmode = %q\nas = %q\nlisten = %q\ntarget = %q\n%s = [%s]\n%s\n",
		r.name, r.mode, uri(r.as), r.listen, r.target, list, strings.Join(peers, ", "), r.more)
}

// sidecar is a process of 'milagro proxy' with a file of its own.
type sidecar struct {
	name, file, dir string
	metrics         string // address
	process         *process
}

// newSidecar starts one with a wallet and routes, and waits until it is ready.
func newSidecar(t testing.TB, name, wallet string, routes ...route) *sidecar {
	t.Helper()
	s := &sidecar{name: name, dir: wallet, file: filepath.Join(t.TempDir(), "proxy.toml"), metrics: must(webserver.FreeAddresses(1))(t)[0]}
	s.write(t, routes...)
	s.start(t)
	return s
}

func (s *sidecar) write(t testing.TB, routes ...route) {
	t.Helper()
	text := fmt.Sprintf("dir = %q\nmetrics = %q\naccess_log = \"on\"\ndrain = \"1s\"\n", s.dir, s.metrics)
	for _, r := range routes {
		text += r.toml()
	}
	check(t, os.WriteFile(s.file, []byte(text), 0o600))
}

func (s *sidecar) start(t testing.TB) {
	t.Helper()
	s.process = start(t, s.name, must(milagro())(t), "proxy", "--config", s.file)
	asking := http.Client{Timeout: time.Second}
	await(t, s.name+" is ready", func() error {
		if !s.process.runs() {
			t.Fatalf("%s has ended", s.name)
		}
		response, err := asking.Get("http://" + s.metrics + "/readyz")
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %s", response.Status)
		}
		return nil
	})
}

// reload gives a running sidecar other routes.
func (s *sidecar) reload(t testing.TB, routes ...route) {
	t.Helper()
	s.write(t, routes...)
	check(t, s.process.cmd.Process.Signal(syscall.SIGHUP))
}
