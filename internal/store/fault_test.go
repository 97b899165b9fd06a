package store

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// child is another process on the same database.
func child(role string, cfg Config) int {
	if role == "stranger" && os.Geteuid() == 0 {
		if err := syscall.Setuid(65534); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	ctx := context.Background()
	db, err := Open(ctx, cfg)
	if err != nil {
		fmt.Println("open:", err, errors.Is(err, ErrUnavailable))
		return 1
	}
	switch role {
	case "count":
		return countForEver(ctx, db)
	case "stall":
		return stall(ctx, db)
	}
	err = db.Write(ctx, insert(0))
	fmt.Println("write:", err, errors.Is(err, ErrUnavailable))
	return 0
}

// countForEver says each number after its row is committed; several writers
// share the numbers.
func countForEver(ctx context.Context, db *DB) int {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if err := db.Write(ctx, insert(n)); err != nil {
					fmt.Println(err)
					return
				}
				fmt.Println(n)
			}
		})
	}
	wg.Wait()
	return 1
}

// stall stops between the statement and the commit.
func stall(ctx context.Context, db *DB) int {
	err := db.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := insert(0)(ctx, tx); err != nil {
			return err
		}
		fmt.Println("inside")
		time.Sleep(time.Hour) // until it is killed: without cgo the runtime ends a program that blocks for good
		return nil
	})
	fmt.Println(err)
	return 1
}

func insert(n int) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO rows (id, filler) VALUES ($1, $2)", n, make([]byte, 3000))
		return err
	}
}

func spawn(t *testing.T, role string, cfg Config) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	if self, err := os.Executable(); err == nil {
		cmd = exec.Command(self)
	}
	cmd.Env = append(os.Environ(), "STORE_TEST_ROLE="+role, "STORE_TEST_PATH="+cfg.Path, "STORE_TEST_URL="+cfg.URL)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func TestKilledTransactionLeavesNoTrace(t *testing.T) {
	cfg := at(t)
	created(t, cfg).Close()
	cmd, lines := spawn(t, "stall", cfg)
	if !lines.Scan() || lines.Text() != "inside" {
		t.Fatalf("child said %q", lines.Text())
	}
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrInUse) {
		t.Errorf("second process: %v, want ErrInUse", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if rows := value(t, db, "SELECT count(*) FROM rows"); rows != 0 {
		t.Fatalf("%d rows of an unfinished transaction", rows)
	}
}

func TestFullDiskIsUnavailableAndRecovers(t *testing.T) {
	db := created(t, at(t))
	var pages int
	if err := db.writer.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		t.Helper()
		if _, err := db.writer.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 8)
	written := 0
	var err error
	for err == nil && written < 100 {
		if err = db.Write(t.Context(), insert(written)); err == nil {
			written++
		}
	}
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("after %d rows: %v, want ErrUnavailable", written, err)
	}
	if rows := value(t, db, "SELECT count(*) FROM rows"); rows != written {
		t.Fatalf("%d rows, %d acknowledged", rows, written)
	}
	limit(pages + 1000)
	if err := db.Write(t.Context(), insert(written)); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

// limitFiles makes every write of this process beyond the first n bytes of a file fail.
func limitFiles(t *testing.T, n uint64) (restore func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFailingWriteIsUnavailableAndRecovers(t *testing.T) {
	cfg := at(t)
	db := created(t, cfg)
	written := 0
	restore := limitFiles(t, 256<<10)
	var err error
	for err == nil && written < 1000 {
		if err = db.Write(t.Context(), insert(written)); err == nil {
			written++
		}
	}
	restore()
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("after %d rows: %v, want ErrUnavailable", written, err)
	}
	if err := db.Write(t.Context(), insert(written)); err != nil {
		t.Fatalf("when the disk writes again: %v", err)
	}
	db.Close()
	db, err = Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if rows := value(t, db, "SELECT count(*) FROM rows"); rows != written+1 {
		t.Fatalf("%d rows, %d acknowledged", rows, written+1)
	}
}

func TestReadOnlyFileIsUnavailable(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "milagro-store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "state.db")
	created(t, Config{Path: path, Schema: sample()}).Close()
	for _, p := range []string{path, path + ".lock", dir} {
		if os.Geteuid() == 0 {
			err = errors.Join(err, os.Chown(p, 65534, 65534))
		}
	}
	if err := errors.Join(err, os.Chmod(path, 0o400), os.Chmod(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	cmd, lines := spawn(t, "stranger", Config{Path: path})
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	cmd.Wait()
	if got := strings.Join(said, "\n"); !strings.HasSuffix(got, "true") || !strings.Contains(got, "readonly") {
		t.Fatalf("child said %q, want ErrUnavailable because it is read-only", got)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Fatal("file changed")
	}
}

// TestOpenRefusesDamagedFiles shows that each is named, hinted at, and left as it was.
func TestOpenRefusesDamagedFiles(t *testing.T) {
	cfg := at(t)
	db := created(t, cfg)
	for n := range 200 {
		if err := db.Write(t.Context(), insert(n)); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	whole, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	page := append([]byte(nil), whole...)
	for i := len(page) / 2; i < len(page)/2+20000; i++ {
		page[i] ^= 0x5a
	}
	foreign := append([]byte(nil), whole...)
	copy(foreign[68:72], "\x00\x00\x00\x00")
	for name, content := range map[string][]byte{
		"empty":         {},
		"garbage":       []byte(strings.Repeat("not a database ", 500)),
		"few bytes":     whole[:60],
		"truncated":     whole[:len(whole)/2],
		"flipped pages": page,
		"foreign":       foreign,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := at(t)
			if err := os.WriteFile(cfg.Path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), cfg)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), cfg.Path) {
				t.Fatalf("error %v, want ErrDamaged that names the file", err)
			}
			var hint interface{ Hint() string }
			if !errors.As(err, &hint) || hint.Hint() == "" {
				t.Errorf("no hint in %v", err)
			}
			if after, _ := os.ReadFile(cfg.Path); string(after) != string(content) {
				t.Error("the damaged file was changed")
			}
			if _, err := Create(t.Context(), cfg); !errors.Is(err, fs.ErrExist) {
				t.Errorf("Create over it: %v", err)
			}
		})
	}
}

func TestOpenRefusesALogWithoutItsDatabase(t *testing.T) {
	cfg := at(t)
	if err := os.WriteFile(cfg.Path+"-wal", []byte("frames"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open: %v, want ErrDamaged", err)
	}
	if _, err := Create(t.Context(), cfg); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create: %v, want fs.ErrExist", err)
	}
}

func TestOpenRefusesOtherRoleAndWidePermissions(t *testing.T) {
	cfg := at(t)
	created(t, cfg).Close()
	other := cfg
	other.Schema.Name = "login"
	if _, err := Open(t.Context(), other); !errors.Is(err, ErrDamaged) {
		t.Errorf("another role's file: %v, want ErrDamaged", err)
	}
	if err := os.Chmod(cfg.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), cfg)
	var hint interface{ Hint() string }
	if !errors.Is(err, ErrPermissions) || !errors.As(err, &hint) || !strings.HasPrefix(hint.Hint(), "chmod 600 ") {
		t.Errorf("mode 0640: %v, want ErrPermissions with the command to run", err)
	}
}

func TestBackupIsAWholeDatabaseAndNeverOverwrites(t *testing.T) {
	cfg := at(t)
	db := created(t, cfg)
	if err := db.Write(t.Context(), query("UPDATE counters SET value = 42")); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := db.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	before, _ := os.ReadFile(copied)
	if err := db.Backup(t.Context(), copied); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("second backup: %v, want fs.ErrExist", err)
	}
	if after, _ := os.ReadFile(copied); string(after) != string(before) {
		t.Fatal("the first backup changed")
	}
	restored, err := Open(t.Context(), Config{Path: copied, Schema: sample()})
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	if got := value(t, restored, "SELECT value FROM counters"); got != 42 {
		t.Fatalf("restored value %d, want 42", got)
	}
}

func TestFailedBackupLeavesNothing(t *testing.T) {
	db := created(t, at(t))
	for n := range 100 {
		if err := db.Write(t.Context(), insert(n)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	restore := limitFiles(t, 64<<10)
	err := db.Backup(t.Context(), filepath.Join(dir, "copy.db"))
	restore()
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind %v", entries)
	}
}
