package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// otherUser is the variable that makes the test binary a workload of another
// user; it holds the socket.
const otherUser = "MILAGRO_TEST_OTHER_USER"

const strangerID = 65533

func actAsOtherUser(path string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := workloadapi.New(ctx, workloadapi.WithAddr("unix://"+path))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer c.Close()
	x, err := c.FetchX509Context(ctx)
	if err != nil {
		fmt.Println(status.Code(err), status.Convert(err).Message())
		return 0
	}
	for _, s := range x.SVIDs {
		fmt.Println(s.ID)
	}
	return 0
}

// runAsStranger runs this binary as another user and returns what it was given.
func runAsStranger(t *testing.T, path string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: another user's refusal needs root, to become another user")
	}
	// The stranger must be able to read the binary: that of the test lies in a private directory.
	dir, err := os.MkdirTemp("", "x")
	check(t, err)
	defer os.RemoveAll(dir)
	check(t, os.Chmod(dir, 0o755))
	self, err := os.Executable()
	check(t, err)
	binary, err := os.ReadFile(self)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "stranger"), binary, 0o755))
	cmd := exec.Command(filepath.Join(dir, "stranger"))
	cmd.Env = []string{otherUser + "=" + path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: strangerID, Gid: strangerID}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestAnotherUserGetsNothing(t *testing.T) {
	s := newSite(t, longEpoch, func(s *site, cfg *Config) {
		cfg.Entries = append(cfg.Entries, Entry{s.api, User(strangerID + 1)}) // opens the socket to all
	})
	want := fmt.Sprintf("PermissionDenied no workload entry for user %d, group %d", strangerID, strangerID)
	if got := runAsStranger(t, s.serve(t)); got != want {
		t.Errorf("a stranger gets %q, not %q", got, want)
	}
}

func TestASocketOfTheOwnUserOnlyIsClosedToOthers(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	if got := runAsStranger(t, s.serve(t)); !strings.Contains(got, "permission denied") {
		t.Errorf("a stranger gets %q", got)
	}
}

func TestEachWorkloadGetsItsOwnNames(t *testing.T) {
	for _, who := range []Workload{User(strangerID), Group(strangerID)} {
		s := newSite(t, longEpoch, func(s *site, cfg *Config) {
			cfg.Entries = append(cfg.Entries, Entry{s.api, who}, Entry{s.api, who})
		})
		path := s.serve(t)
		if got := runAsStranger(t, path); got != apiText {
			t.Errorf("%v gets %q", who, got)
		}
		svid, err := client(t, path).FetchX509SVIDs(t.Context())
		if err != nil || len(svid) != 1 || svid[0].ID.String() != webText {
			t.Errorf("the own user gets %v, %v", svid, err)
		}
	}
}

func TestWithoutEntriesTheOwnUserHasEveryName(t *testing.T) {
	s := newSite(t, longEpoch, func(_ *site, cfg *Config) { cfg.Entries = nil })
	svids, err := client(t, s.serve(t)).FetchX509SVIDs(t.Context())
	if err != nil || len(svids) != 2 || svids[0].ID.String() != apiText || svids[1].ID.String() != webText {
		t.Errorf("%v, %v", svids, err)
	}
}

// raw returns the stubs over a connection without go-spiffe's header.
func raw(t *testing.T, path string) workload.SpiffeWorkloadAPIClient {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	return workload.NewSpiffeWorkloadAPIClient(conn)
}

func TestTheHeaderIsMandatory(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	api := raw(t, s.serve(t))
	for _, values := range [][]string{{}, {header, "false"}, {header, "True"}, {header, "true", header, "true"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		ctx = metadata.AppendToOutgoingContext(ctx, values...)
		svid, err := api.FetchX509SVID(ctx, &workload.X509SVIDRequest{})
		check(t, err)
		_, err = svid.Recv()
		bundle, opened := api.FetchX509Bundles(ctx, &workload.X509BundlesRequest{})
		check(t, opened)
		_, bundleErr := bundle.Recv()
		_, unary := api.FetchJWTSVID(ctx, &workload.JWTSVIDRequest{})
		for _, err := range []error{err, bundleErr, unary} {
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), headerRequired) {
				t.Errorf("header %v: %v", values, err)
			}
		}
	}
}

func TestTokensAreNotImplemented(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	c := client(t, s.serve(t))
	_, fetch := c.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: "a"})
	_, bundles := c.FetchJWTBundles(t.Context())
	_, validate := c.ValidateJWTSVID(t.Context(), "x.y.z", "a")
	_, wit := c.FetchWITSVID(t.Context(), "")
	_, witBundles := c.FetchWITBundles(t.Context())
	for _, err := range []error{fetch, bundles, validate, wit, witBundles} {
		if status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), noTokens) {
			t.Error(err)
		}
	}
}

func TestGarbageEndsItsConnectionOnly(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := s.serve(t)
	good := client(t, path)
	for _, garbage := range []string{
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		strings.Repeat("\x00\xff", 5000),
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\xff", 5000),
		"\x16\x03\x01\x02\x00\x01",
	} {
		conn, err := net.Dial("unix", path)
		check(t, err)
		_, _ = conn.Write([]byte(garbage)) // it may be cut before the end
		if len(garbage) > 100 {
			check(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("garbage %.20q: the connection is left open", garbage)
			}
		}
		if _, err := good.FetchX509SVID(t.Context()); err != nil {
			t.Errorf("garbage %.20q: %v", garbage, err)
		}
		check(t, conn.Close())
	}
}

func TestConnectionsOfOneUserAreBound(t *testing.T) {
	k := newKernel()
	for range maxConnectionsOfAUser {
		if !k.admit(1) {
			t.Fatal("too few")
		}
	}
	if k.admit(1) {
		t.Error("one too many of a user")
	}
	if !k.admit(2) {
		t.Error("another user is kept out")
	}
	k.leave(1)
	if !k.admit(1) {
		t.Error("a place that is free again is not given")
	}
	for uid := uint32(100); k.all < maxConnections; uid++ {
		k.admit(uid)
	}
	if k.admit(3) {
		t.Error("one too many in all")
	}
}

func TestAConnectionTooManyIsCut(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := s.serve(t)
	var all []net.Conn
	for range maxConnectionsOfAUser {
		conn, err := net.Dial("unix", path)
		check(t, err)
		defer conn.Close()
		_, err = io.ReadFull(conn, make([]byte, 9)) // the server's first frame: it is admitted
		check(t, err)
		all = append(all, conn)
	}
	extra, err := net.Dial("unix", path)
	check(t, err)
	defer extra.Close()
	if n, err := extra.Read(make([]byte, 1)); err == nil {
		t.Errorf("one too many is served %d bytes", n)
	}
	check(t, all[0].Close())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for { // until the server has seen that one has left
		_, err := client(t, path).FetchX509SVID(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestWorkloadsAreKnownByKindAndNumber(t *testing.T) {
	c := caller{uid: 7, gid: 9, pid: 1}
	for w, want := range map[Workload]bool{
		User(7): true, Group(9): true, User(9): false, Group(7): false, User(0): false, Group(0): false, {}: false,
	} {
		if w.fits(c) != want {
			t.Errorf("%v fits: %t", w, !want)
		}
	}
}
