package proxy

import (
	"path/filepath"
	"strconv"
)

// Sandbox is what the process may still do once it is hardened: what its settings
// name, and what every program needs to resolve names and tell the time.
type Sandbox struct {
	Writable []string // directories: the wallet, those of unix sockets
	Readable []string // directories and files; what is missing is left out
	Bind     []uint16 // TCP ports
	// Connect are TCP ports; nil if any may be needed: renewals go wherever the
	// domain document says.
	Connect []uint16
}

// readable is what a program needs beside its own files: the resolver and its
// libraries, roots for authorities behind public TLS, time zones, own statistics.
func readable() []string {
	return []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services", "/etc/localtime",
		"/etc/ssl", "/etc/pki", "/usr/share/ca-certificates", "/usr/share/zoneinfo", "/lib", "/lib64", "/usr/lib", "/proc", "/sys/kernel/mm", "/dev"}
}

// SandboxFor returns what these settings need. Files names more that is read later,
// such as the file that the settings came from.
func SandboxFor(s *Settings, walletDir string, files ...string) Sandbox {
	box := Sandbox{Writable: []string{walletDir}, Readable: readable()}
	for _, f := range files {
		// The directory: editors and Kubernetes replace files by others.
		box.Readable = append(box.Readable, filepath.Dir(f))
	}
	if s.Workload.Socket != "" {
		box.Writable = append(box.Writable, filepath.Dir(s.Workload.Socket))
	}
	var targets []uint16
	for _, a := range addresses(s) {
		if path := a.Path(); path != "" {
			box.Writable = append(box.Writable, filepath.Dir(path))
		}
	}
	for _, r := range s.Routes {
		box.Bind = appendPort(box.Bind, r.Listen)
		targets = appendPort(targets, r.Target)
	}
	box.Bind = appendPort(box.Bind, s.Metrics)
	if s.Keep == Off {
		const domain = 53 // answers too long for UDP
		box.Connect = append(targets, domain)
	}
	return box
}

func addresses(s *Settings) []Address {
	all := []Address{s.Metrics}
	for _, r := range s.Routes {
		all = append(all, r.Listen, r.Target)
	}
	return all
}

func appendPort(ports []uint16, a Address) []uint16 {
	if n, err := strconv.ParseUint(a.Port(), 10, 16); err == nil {
		ports = append(ports, uint16(n))
	}
	return ports
}
