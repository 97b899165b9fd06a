package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk returns a directory on a disk of its own.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k,mode=0700"); err != nil {
		t.Skipf("A FULL DISK IS NOT TESTED: no disk to fill can be made here: %v", err)
	}
	t.Cleanup(func() { check(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// fill leaves no room on the disk of dir.
func fill(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "full")
	err := os.WriteFile(path, make([]byte, 1<<20), 0o600)
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("a disk of half a MiB holds one: %v", err)
	}
	return path
}

func TestAFullDiskIsNotTheEnd(t *testing.T) {
	disk := smallDisk(t)
	s := newStage(t, nil)
	s.dir = filepath.Join(disk, "wallet")
	p := s.plan(t, web)
	s.play(t, func(t *testing.T) {
		a, stop := s.start(t, p)
		defer stop()
		within(t, time.Minute, "enrolled", func() bool { return len(s.wards(a)) == 1 && ready(t, a) })
		filler := fill(t, disk)
		time.Sleep(9 * time.Minute)
		if !ready(t, a) || s.log.count("keys not renewed", "no space left") != 1 {
			t.Errorf("lacks %v:\n%s", lacks(t, a), s.log)
		}
		time.Sleep(7 * time.Minute)
		if why := lacks(t, a)[web]; !strings.Contains(why, "no channel key") {
			t.Errorf("lacks %q", why)
		}
		check(t, os.Remove(filler))
		within(t, 2*time.Minute, "a key again", func() bool { return ready(t, a) })
	})
}
