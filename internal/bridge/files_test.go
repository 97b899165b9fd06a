package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milagro.dev/identity"
)

func parseSocket(t testing.TB, s string) Socket {
	t.Helper()
	socket, err := ParseSocket(s)
	check(t, err)
	return socket
}

// export fetches the first name's files into a new directory.
func export(t *testing.T, path string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tls")
	files, err := Fetch(t.Context(), parseSocket(t, path), identity.Name{})
	check(t, err)
	check(t, files.Write(dir))
	return dir
}

// pair reads the three files as a program does, and returns an error unless they
// belong together.
func pair(dir string) (*x509.Certificate, error) {
	c, err := tls.LoadX509KeyPair(filepath.Join(dir, "svid.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	bundle, err := os.ReadFile(filepath.Join(dir, "bundle.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bundle) {
		return nil, errors.New("no bundle")
	}
	_, err = c.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: c.Leaf.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return c.Leaf, err
}

func TestTheFilesBelongTogether(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := s.serve(t)
	dir := export(t, path)
	first, err := pair(dir)
	if err != nil || first.URIs[0].String() != webText {
		t.Fatalf("%v, %v", first, err)
	}
	for name, want := range map[string]fs.FileMode{".": 0o700 | fs.ModeDir, "svid.pem": 0o644, "key.pem": 0o600, "bundle.pem": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	again, err := Fetch(t.Context(), parseSocket(t, "unix://"+path), s.web)
	check(t, err)
	check(t, again.Write(dir))
	second, err := pair(dir)
	if err != nil || second.SerialNumber.Cmp(first.SerialNumber) == 0 {
		t.Errorf("not replaced: %v", err)
	}
	entries, err := os.ReadDir(dir)
	check(t, err)
	if len(entries) != 5 { // the three, ..data, and what it leads to
		t.Errorf("what is old is left: %v", entries)
	}
}

// TestAnUnfinishedWriteChangesNothing: the old three belong together until the
// switch, and what is not ours is not replaced.
func TestAnUnfinishedWriteChangesNothing(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := s.serve(t)
	dir := export(t, path)
	before, err := pair(dir)
	check(t, err)
	files, err := Fetch(t.Context(), parseSocket(t, path), s.web)
	check(t, err)
	check(t, os.Remove(filepath.Join(dir, "bundle.pem")))
	check(t, os.WriteFile(filepath.Join(dir, "bundle.pem"), []byte("mine"), 0o600))
	if err := files.Write(dir); err == nil || !strings.Contains(err.Error(), "is not of this command") {
		t.Error(err)
	}
	if mine, err := os.ReadFile(filepath.Join(dir, "bundle.pem")); err != nil || string(mine) != "mine" {
		t.Errorf("%s, %v", mine, err)
	}
	check(t, os.Remove(filepath.Join(dir, "bundle.pem")))
	check(t, os.Symlink("..data/bundle.pem", filepath.Join(dir, "bundle.pem")))
	// ..data cannot be replaced: it is a directory with something in it.
	current, err := os.Readlink(filepath.Join(dir, "..data"))
	check(t, err)
	check(t, os.Remove(filepath.Join(dir, "..data")))
	check(t, os.Rename(filepath.Join(dir, current), filepath.Join(dir, "..data")))
	if err := files.Write(dir); err == nil {
		t.Error("written over a directory")
	}
	after, err := pair(dir)
	if err != nil || after.SerialNumber.Cmp(before.SerialNumber) != 0 {
		t.Errorf("changed: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "..[0-9]*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWatchFollowsAndSaysWhatIsWrong(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := s.serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	type event struct {
		files *Files
		err   error
	}
	events := make(chan event, 16)
	done := make(chan error, 1)
	go func() {
		done <- Watch(ctx, parseSocket(t, path), s.web, func(f *Files, err error) { events <- event{f, err} })
	}()
	first := <-events
	check(t, first.err)
	s.pass(t, DefaultLifetime/2+time.Second)
	second := <-events
	check(t, second.err)
	if !second.files.NotAfter.After(first.files.NotAfter) {
		t.Error("not a fresher one")
	}
	s.holders[s.web].set(nil)
	check(t, s.look())
	if e := <-events; e.err == nil || !strings.Contains(e.err.Error(), errNoCredential.Error()) || hint(e.err) == "" {
		t.Errorf("no credential: %v", e.err)
	}
	s.holders[s.web].set(s.town.issue(t, s.web, s.clock.time()))
	for e := range events {
		if e.err == nil {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the end of Watch: %v", err)
	}
}

func hint(err error) string {
	if a, ok := errors.AsType[*advised](err); ok {
		return a.Hint()
	}
	return ""
}

func TestErrorsSayWhoseTheyAre(t *testing.T) {
	s := newSite(t, longEpoch, func(s *site, cfg *Config) { cfg.Entries = []Entry{{s.web, User(strangerID)}} })
	stranger := s.serve(t)
	dir, err := os.MkdirTemp("", "e")
	check(t, err)
	defer os.RemoveAll(dir)
	dead := filepath.Join(dir, "dead")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	check(t, err)
	l.SetUnlinkOnClose(false)
	check(t, l.Close())
	chatter := filepath.Join(dir, "chatter")
	other, err := net.Listen("unix", chatter)
	check(t, err)
	defer other.Close()
	go func() {
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "220 mail.example.org ESMTP\r\n")
			_, _ = io.CopyN(io.Discard, conn, 24) // the client's preface, or its end
			conn.Close()
		}
	}()
	for path, want := range map[string][2]string{
		filepath.Join(dir, "none"): {"there is none", "start the sidecar"},
		dead:                       {"nobody serves it any more", "start the sidecar"},
		stranger:                   {"no workload entry for user", "[[workload.entry]]"},
		chatter:                    {"connection error", "does the SPIFFE Workload API listen there?"},
	} {
		_, err := Fetch(t.Context(), parseSocket(t, path), identity.Name{})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want[0]) || !strings.Contains(hint(err), want[1]) {
			t.Errorf("%s: %v; hint %s", path, err, hint(err))
		}
	}
	own := newSite(t, longEpoch, nil)
	if _, err := Fetch(t.Context(), parseSocket(t, own.serve(t)), own.api); err == nil || !strings.Contains(err.Error(), "only "+webText) {
		t.Errorf("a name that is not this user's: %v", err)
	}
}

// TestOpenSSLAcceptsTheFiles: a program that is not Go verifies the chain with its
// constraints, and talks TLS over the hop.
func TestOpenSSLAcceptsTheFiles(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("NOT TESTED: openssl is not installed, no program but Go's has seen the certificates")
	}
	s := newSite(t, longEpoch, nil)
	dir := export(t, s.serve(t))
	for _, purpose := range []string{"sslclient", "sslserver"} {
		out := openssl(t, "", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", dir+"/bundle.pem", dir+"/svid.pem")
		if !strings.Contains(out, "svid.pem: OK") {
			t.Errorf("%s: %s", purpose, out)
		}
	}
	_, server := s.local(t, s.web, s.web)
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	check(t, err)
	defer l.Close()
	heard := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			heard <- err.Error()
			return
		}
		defer conn.Close()
		line := make([]byte, 5)
		if _, err := io.ReadFull(conn, line); err != nil {
			heard <- err.Error()
			return
		}
		_, _ = io.WriteString(conn, "world\n")
		heard <- string(line)
	}()
	out := openssl(t, "hello", "s_client", "-quiet", "-verify_return_error", "-verify", "1", "-connect", l.Addr().String(),
		"-CAfile", dir+"/bundle.pem", "-cert", dir+"/svid.pem", "-key", dir+"/key.pem")
	if got := <-heard; got != "hello" || !strings.Contains(out, "world") {
		t.Errorf("the sidecar hears %q; s_client: %s", got, out)
	}
}

func openssl(t *testing.T, in string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", args...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("openssl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestParseSocketReadsPathsOnly(t *testing.T) {
	for in, want := range map[string]string{
		"/run/w.sock":                  "/run/w.sock",
		"unix:/run/w.sock":             "/run/w.sock",
		"unix:///run/w.sock":           "/run/w.sock",
		"unix:///run/a%20b":            "/run/a b",
		"":                             "",
		"unix:":                        "",
		"unix://":                      "",
		"unix://run/w.sock":            "",
		"unix:///run/%zz":              "",
		"tcp://127.0.0.1:1":            "",
		"tcp:127.0.0.1:1":              "",
		"http://x":                     "",
		"/a\x00":                       "",
		"/" + strings.Repeat("a", 107): "",
	} {
		got, err := ParseSocket(in)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

func FuzzParseSocket(f *testing.F) {
	for _, s := range []string{"/run/w.sock", "unix:///run/a%20b", "unix:w", "tcp://a:1", "w?x#y%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		socket, err := ParseSocket(s)
		if err != nil {
			return
		}
		again, err := ParseSocket(socket.URI())
		if err != nil || again != socket || !filepath.IsAbs(socket.String()) {
			t.Errorf("%q is %v, whose URI %s is %v, %v", s, socket, socket.URI(), again, err)
		}
	})
}

func TestASocketWithOddLettersIsReached(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := filepath.Dir(s.serve(t)) + "/a b%20?#c"
	l, err := s.Listen(path)
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	if _, err := Fetch(t.Context(), parseSocket(t, path), s.web); err != nil {
		t.Error(err)
	}
	cancel()
	check(t, <-done)
}
