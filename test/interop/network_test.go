//go:build linux

package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/wallet"
)

// insideVariable says that this test process has its own namespaces.
const insideVariable = "MILAGRO_INTEROP_INSIDE"

// outageEpoch is long enough for a busy machine to renew in its last quarter.
const outageEpoch = 8

// TestAuthoritiesCutOff has six hosts on a bridge: three authorities, two services
// that link the library and a device behind a sidecar. These three talk to each other
// without a pause, over connections that stay open and over new ones. Once everybody holds the next epoch's key the links of the
// authorities go down, and come back when that epoch has ended. No call fails, before,
// between or after, and the renewal catches up by itself.
//
// It runs in a process of its own, whose network and mounts nobody else sees and
// which end with it.
func TestAuthoritiesCutOff(t *testing.T) {
	t.Parallel()
	if os.Getenv(insideVariable) == "" {
		isolate(t)
		return
	}
	n := newNetwork(t)
	var addresses []string
	for i := range 3 {
		addresses = append(addresses, n.host(t, fmt.Sprintf("dta%d", i+1))+":7400")
	}
	d := foundDomain(t, outageEpoch, addresses, func(i int, args ...string) *exec.Cmd {
		return n.on(fmt.Sprintf("dta%d", i+1), must(milagro())(t), args...)
	})
	crowd := newCrowd(t, n, d)
	crowd.await(t, "everybody talks", func(_ *talker, now tally) bool { return now.Calls > 4 && now.Echoes > 4 })

	last := crowd.nextKeys(t)
	before := crowd.tallies(t)
	for i := range 3 {
		n.link(t, fmt.Sprintf("dta%d", i+1), "down")
	}
	if d.members[0].answers() == nil {
		t.Fatal("an authority answers over a link that is down")
	}
	crowd.await(t, "the last key's epoch ends and the channel goes on", func(c *talker, now tally) bool {
		was := before[c.path]
		return time.Now().Unix() > int64(last.End()) && now.Epoch == last.Start &&
			now.Calls > was.Calls+4 && now.Echoes > was.Echoes+4 && now.Streams >= was.Streams+2
	})
	for i := range 3 {
		n.link(t, fmt.Sprintf("dta%d", i+1), "up")
	}
	crowd.await(t, "renewal catches up", func(_ *talker, now tally) bool { return now.Epoch > last.Start })
	for path, now := range crowd.tallies(t) {
		if len(now.Failures) > 0 {
			t.Errorf("%s: %d calls failed:\n%s", path, len(now.Failures), strings.Join(now.Failures[:min(20, len(now.Failures))], "\n"))
		}
		t.Logf("%s: %d connections and %d messages on %d long ones were answered", path, now.Calls, now.Echoes, now.Streams)
	}
}

// isolate runs the test in a process that has network and mounts of its own.
func isolate(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), must(os.Executable())(t), "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=90s")
	cmd.Env = append(os.Environ(), insideVariable+"=1", "MILAGRO_INTEROP_BINARY="+must(milagro())(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNET, Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) && cmd.ProcessState == nil {
		reason := fmt.Sprintf("NOT RUN: %s: this user may make no network namespaces, root may: %v", t.Name(), err)
		fmt.Fprintln(os.Stderr, reason)
		t.Skip(reason)
	}
	t.Logf("in namespaces of its own:\n%s", out)
	if err != nil {
		t.Error(err)
	}
}

// network is a bridge in this process's own network namespace; each host is a
// namespace with one link to it.
type network struct{ hosts int }

func newNetwork(t *testing.T) *network {
	t.Helper()
	// Names of namespaces are files here: of this process's mounts alone.
	check(t, os.MkdirAll("/run/netns", 0o755))
	check(t, syscall.Mount("tmpfs", "/run/netns", "tmpfs", 0, ""))
	ip(t, "link set lo up", "link add bridge type bridge", "addr add 10.77.0.1/24 dev bridge", "link set bridge up")
	return &network{hosts: 1}
}

// host adds a host and returns its address.
func (n *network) host(t *testing.T, name string) string {
	t.Helper()
	n.hosts++
	address := fmt.Sprintf("10.77.0.%d", n.hosts)
	ip(t, "netns add "+name, "link add "+name+" type veth peer name eth0 netns "+name, "link set "+name+" master bridge up")
	ip(t, "-n "+name+" addr add "+address+"/24 dev eth0", "-n "+name+" link set eth0 up", "-n "+name+" link set lo up")
	return address
}

// link takes a host's link up or down.
func (n *network) link(t *testing.T, name, state string) {
	t.Helper()
	ip(t, "link set "+name+" "+state)
}

// on prepares a program on a host.
func (n *network) on(host, program string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + host, program}, args...)...)
}

// ip runs commands of iproute2.
func ip(t *testing.T, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", command, err, out)
		}
	}
}

// talker is a host with a process of role service.
type talker struct {
	path, dir, address string
	process            *process
}

// crowd is hosts that all talk to each other.
type crowd []*talker

// newCrowd starts two services that link the library and a device that does not.
func newCrowd(t *testing.T, n *network, d *domain) crowd {
	t.Helper()
	all := crowd{{path: "web"}, {path: "api"}, {path: "device"}}
	for _, c := range all {
		c.address, c.dir = n.host(t, c.path)+":443", d.enrol(t, c.path)
	}
	for _, c := range all {
		listen, peers := c.address, map[string]string{}
		for _, other := range all {
			if other != c {
				peers[other.path] = other.address
			}
		}
		if c.path == "device" {
			listen = c.sidecar(t, n, peers)
		}
		args := []string{fmt.Sprintf("-plain=%v", c.path == "device"), "-dir", c.dir, "-as", uri(c.path), "-listen", listen}
		for path, address := range peers {
			args = append(args, uri(path)+"="+address)
		}
		cmd := n.on(c.path, must(os.Executable())(t), args...)
		cmd.Env = append(os.Environ(), roleVariable+"="+roleService)
		c.process = startCommand(t, c.path, cmd)
	}
	return all
}

// sidecar starts a sidecar on the host, puts its addresses in the place of the
// peers' own, and returns where it looks for the service.
func (c *talker) sidecar(t *testing.T, n *network, peers map[string]string) string {
	t.Helper()
	const behind = "127.0.0.1:7000"
	own := route{name: "own", mode: "server", as: c.path, listen: c.address, target: behind}
	s := &sidecar{dir: c.dir, file: filepath.Join(t.TempDir(), "proxy.toml"), metrics: "127.0.0.1:7001"}
	var routes []route
	for path, address := range peers {
		own.peers = append(own.peers, path)
		peers[path] = fmt.Sprintf("127.0.0.1:%d", 7002+len(routes))
		routes = append(routes, route{name: path, mode: "client", as: c.path, listen: peers[path], target: address, peers: []string{path}})
	}
	s.write(t, append(routes, own)...)
	startCommand(t, c.path+"'s sidecar", n.on(c.path, must(milagro())(t), "proxy", "--config", s.file))
	return behind
}

// nextKeys waits until all hold the key of the following epoch, and returns that.
func (all crowd) nextKeys(t *testing.T) (next identity.Epoch) {
	t.Helper()
	await(t, "everybody holds the next key", func() error {
		next = identity.EpochAt(uint64(time.Now().Unix()), outageEpoch).Next()
		for _, c := range all {
			enrolment := must(must(wallet.Open(wallet.Config{Dir: c.dir}))(t).Show(name(c.path)))(t)
			if held := enrolment.Keys[len(enrolment.Keys)-1].Epoch; held != next {
				return fmt.Errorf("%s holds %v, and not yet %v", c.path, held, next)
			}
		}
		return nil
	})
	return next
}

// tallies returns what each has done so far.
func (all crowd) tallies(t *testing.T) map[string]tally {
	t.Helper()
	now := map[string]tally{}
	for _, c := range all {
		now[c.path] = c.tally(t)
	}
	return now
}

// tally is the newest that the service printed.
func (c *talker) tally(t *testing.T) (now tally) {
	t.Helper()
	lines := strings.Split(c.process.said(t), "\n")
	for _, l := range lines[:len(lines)-1] { // the last one may be half of one
		if strings.HasPrefix(l, "{") {
			check(t, json.Unmarshal([]byte(l), &now))
		}
	}
	return now
}

// await waits until it is so with everybody.
func (all crowd) await(t *testing.T, what string, so func(*talker, tally) bool) {
	t.Helper()
	await(t, what, func() error {
		for _, c := range all {
			if !c.process.runs() {
				t.Fatalf("%s has ended", c.path)
			}
			if now := c.tally(t); !so(c, now) {
				return fmt.Errorf("not so with %s: %+v", c.path, now)
			}
		}
		return nil
	})
}
