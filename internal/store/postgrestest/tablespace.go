//go:build unix

package postgrestest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// SmallTablespace makes a tablespace of 2 MiB on a file system of its own, for
// tests of a full disk; makeRoom gives it 6 MiB more. Mounting wants root on
// Linux: elsewhere the test is skipped.
func (s *Server) SmallTablespace(t testing.TB, name string) (makeRoom func()) {
	t.Helper()
	dir := filepath.Join(s.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("size=8m,mode=700,uid=%d,gid=%d", s.uid, s.gid)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("NOT RUN, a full disk of PostgreSQL: no file system can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	// In a directory of it, which must be empty: the ballast lies beside that.
	place, ballast := filepath.Join(dir, "files"), filepath.Join(dir, "ballast")
	if err := os.Mkdir(place, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.own(place); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ballast, make([]byte, 6<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, fmt.Sprintf("CREATE TABLESPACE %s LOCATION '%s'", name, place))
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}
