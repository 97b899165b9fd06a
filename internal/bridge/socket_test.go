package bridge

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// shortDir returns a directory whose path is short enough for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestTheSocketsModeFollowsTheEntries(t *testing.T) {
	own := newSite(t, longEpoch, nil)
	others := newSite(t, longEpoch, func(s *site, cfg *Config) {
		cfg.Entries = append(cfg.Entries, Entry{s.api, Group(strangerID)})
	})
	path := filepath.Join(shortDir(t), "w")
	for b, want := range map[*Bridge]fs.FileMode{own.Bridge: 0o600, others.Bridge: 0o666} {
		l, err := b.Listen(path)
		check(t, err)
		info, err := os.Lstat(path)
		check(t, err)
		if info.Mode() != want|fs.ModeSocket || l.Addr().String() != path {
			t.Errorf("%v, not %v; %v", info.Mode(), want, l.Addr())
		}
		check(t, l.Close())
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestADeadSocketIsReplaced(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := filepath.Join(shortDir(t), "w")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	check(t, err)
	dead.SetUnlinkOnClose(false)
	check(t, dead.Close())
	l, err := s.Listen(path)
	check(t, err)
	conn, err := net.Dial("unix", path)
	check(t, err)
	check(t, conn.Close())
	check(t, l.Close())
}

func TestALiveSocketIsNotTaken(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := filepath.Join(shortDir(t), "w")
	live, err := s.Listen(path)
	check(t, err)
	defer live.Close()
	if _, err := s.Listen(path); err == nil || !strings.Contains(err.Error(), "another process serves it") || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func TestOneOfManyThatStartAtOnceHasTheSocket(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := filepath.Join(shortDir(t), "w")
	listeners := make([]net.Listener, 8)
	var all sync.WaitGroup
	for i := range listeners {
		all.Go(func() { listeners[i], _ = s.Listen(path) })
	}
	all.Wait()
	count := 0
	for _, l := range listeners {
		if l != nil {
			count++
			check(t, l.Close())
		}
	}
	if count != 1 {
		t.Errorf("%d listeners", count)
	}
}

func TestWhatIsNoSocketIsLeftAlone(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	dir := shortDir(t)
	path := filepath.Join(dir, "w")
	check(t, os.WriteFile(path, []byte("mine"), 0o600))
	if _, err := s.Listen(path); err == nil || !strings.Contains(err.Error(), "something else is there") {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Error("replaced")
	}
	if _, err := s.Listen(filepath.Join(dir, "no", "w")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := s.Listen(filepath.Join(dir, strings.Repeat("a", 100))); err == nil || !strings.Contains(err.Error(), "at most 107 bytes") {
		t.Error(err)
	}
}

// TestClosingLeavesTheSocketOfASuccessor: a listener removes its own socket only.
func TestClosingLeavesTheSocketOfASuccessor(t *testing.T) {
	s := newSite(t, longEpoch, nil)
	path := filepath.Join(shortDir(t), "w")
	first, err := s.Listen(path)
	check(t, err)
	check(t, os.Remove(path))
	second, err := s.Listen(path)
	check(t, err)
	check(t, first.Close())
	conn, err := net.Dial("unix", path)
	check(t, err)
	check(t, conn.Close())
	check(t, second.Close())
}
