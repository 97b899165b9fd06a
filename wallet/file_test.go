package wallet

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/identity"
)

// files returns the content of every file of the wallet but its locks.
func files(t testing.TB, w *Wallet) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	check(t, filepath.WalkDir(w.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == lockFile {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	}))
	return all
}

// useEverything does with the wallet what reads each of its files, and returns
// all that went wrong.
func useEverything(t testing.TB, c *town, w *Wallet, n identity.Name) error {
	t.Helper()
	_, pinErr := w.Pin(t.Context(), c.url(1), c.id())
	_, domainsErr := w.Domains()
	_, namesErr := w.Names()
	shown, showErr := w.Show(n)
	_, renewErr := w.Renew(t.Context(), n)
	_, sourceErr := w.Source(n).Credential()
	errs := []error{pinErr, domainsErr, namesErr, showErr, renewErr, sourceErr}
	if shown != nil {
		for _, k := range shown.Keys {
			errs = append(errs, k.Err)
		}
	}
	return errors.Join(errs...)
}

func TestDamagedFilesAreNamedAndLeftAlone(t *testing.T) {
	c := newTown(t, 2, 2, day)
	w, n := c.enrolled(t)
	check(t, useEverything(t, c, w, n))
	for path, good := range files(t, w) {
		if strings.HasPrefix(filepath.Base(path), "statement_") {
			continue // kept for the authorities; the wallet never reads one
		}
		damages := map[string][]byte{
			"empty": {}, "cut": good[:len(good)/2], "longer": append(bytes.Clone(good), 'x'),
			"a bit flipped": append(bytes.Clone(good[:len(good)/3]), append([]byte{good[len(good)/3] ^ 1}, good[len(good)/3+1:]...)...),
		}
		for title, bad := range damages {
			check(t, os.WriteFile(path, bad, 0o600))
			err := useEverything(t, c, c.wallet(t, w.Dir()), n)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s %s: %v", filepath.Base(path), title, err)
			}
			if now := must(os.ReadFile(path))(t); !bytes.Equal(now, bad) {
				t.Errorf("%s %s: it was overwritten", filepath.Base(path), title)
			}
		}
		check(t, os.WriteFile(path, good, 0o600))
	}
	check(t, useEverything(t, c, c.wallet(t, w.Dir()), n))
}

func TestFilesOpenToOthersAreRefused(t *testing.T) {
	c := newTown(t, 2, 2, day)
	w, n := c.enrolled(t)
	for path := range files(t, w) {
		if strings.HasPrefix(filepath.Base(path), "statement_") {
			continue
		}
		check(t, os.Chmod(path, 0o640))
		err := useEverything(t, c, c.wallet(t, w.Dir()), n)
		if !errors.Is(err, ErrPermissions) || !strings.Contains(hint(err), "chmod 600 "+path) {
			t.Errorf("%s: %v, hint %q", filepath.Base(path), err, hint(err))
		}
		check(t, os.Chmod(path, 0o600))
	}
}

func TestOpenRefusesADirectoryOpenToOthers(t *testing.T) {
	dir := t.TempDir() + "/wallet"
	check(t, os.Mkdir(dir, 0o755))
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrPermissions) || !strings.Contains(hint(err), "chmod 700 "+dir) {
		t.Errorf("error = %v, hint %q", err, hint(err))
	}
	if _, err := Open(Config{}); err == nil {
		t.Error("opened no directory")
	}
}

func TestEverythingIsPrivate(t *testing.T) {
	w, _ := newTown(t, 2, 2, day).enrolled(t)
	check(t, filepath.WalkDir(w.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info := must(d.Info())(t); info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	}))
}

func TestCreateReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	check(t, disk{}.create(path, []byte("first")))
	if err := (disk{}).create(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error = %v", err)
	}
	if b := must(disk{}.read(path))(t); string(b) != "first" {
		t.Errorf("content = %q", b)
	}
}

func TestAFailedWriteLeavesTheOldFileAndNoOther(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	check(t, disk{}.replace(path, []byte("old")))
	cut := disk{step: func(op string) error {
		if strings.HasPrefix(op, "rename") { // somebody removes it under our hands
			return os.Remove(must(filepath.Glob(filepath.Join(dir, ".file.*")))(t)[0])
		}
		return nil
	}}
	if err := cut.replace(path, []byte("new")); !missing(err) {
		t.Errorf("error = %v", err)
	}
	if b := must(disk{}.read(path))(t); string(b) != "old" || len(must(os.ReadDir(dir))(t)) != 1 {
		t.Errorf("content = %q", b)
	}
}

// A full disk fails one operation after the other; each time the enrolment is
// refused, and completes when there is room again.
func TestEnrolmentOutlastsEachFailureOfTheDisk(t *testing.T) {
	c := newTown(t, 2, 2, day)
	n := name(t, "spiffe://example.org/web")
	failed := true
	for last := 1; failed; last++ {
		w := c.wallet(t, t.TempDir()+"/wallet")
		codes, steps := c.register(), 0
		var where string
		w.disk.step = func(op string) error {
			if steps++; steps == last {
				where = op
				return syscall.ENOSPC
			}
			return nil
		}
		_, err := w.Pin(t.Context(), c.url(1), c.id())
		if err == nil {
			_, err = w.Enrol(t.Context(), n, identity.Channel, codes)
		}
		failed = where != ""
		if at, ok := errors.AsType[*FileError](err); failed && (!ok || !errors.Is(err, syscall.ENOSPC) || at.Path == "") {
			t.Errorf("%s: %v", where, err)
		}
		w.disk.step = nil
		must(w.Pin(t.Context(), c.url(1), c.id()))(t)
		if _, err := w.Enrol(t.Context(), n, identity.Channel, codes); err != nil {
			t.Errorf("after %s: %v", where, err)
		}
		must(w.Source(n).Credential())(t)
		if left := must(filepath.Glob(filepath.Join(w.nameDir(n), ".*")))(t); len(left) > 0 {
			t.Errorf("after %s: left %v", where, left)
		}
	}
}

func TestReadRefusesWhatAWalletDoesNotWrite(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	check(t, os.WriteFile(big, make([]byte, maxFile+1), 0o600))
	for _, path := range []string{big, dir} {
		check(t, os.Chmod(path, os.FileMode(0o700)))
		if _, err := (disk{}).read(path); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestLockSweepsWhatAKilledProcessLeft(t *testing.T) {
	w, n := newTown(t, 2, 2, day).enrolled(t)
	left := filepath.Join(w.nameDir(n), ".device.pem.123")
	check(t, os.WriteFile(left, []byte("secret"), 0o600))
	must(w.Renew(t.Context(), n))(t)
	if _, err := os.Stat(left); !missing(err) {
		t.Errorf("%s is still there: %v", left, err)
	}
}

func TestLockIsHeldByOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 2, day)
		w, n := c.enrolled(t)
		unlock, err := w.lock(t.Context(), w.nameDir(n))
		check(t, err)
		other := c.wallet(t, w.Dir())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := other.Renew(ctx, n); !errors.Is(err, ErrBusy) || hint(err) == "" {
			t.Errorf("error = %v", err)
		}
		time.AfterFunc(time.Second, unlock)
		must(other.Renew(t.Context(), n))(t)
	})
}

func TestManyAtOnce(t *testing.T) {
	c := newTown(t, 2, 3, day)
	first, n := c.enrolled(t)
	wallets := []*Wallet{first, c.wallet(t, first.Dir())}
	var group sync.WaitGroup
	for i, path := range []string{"a", "b", "c", "d"} {
		w := wallets[i%2]
		group.Go(func() {
			m, codes := name(t, "spiffe://example.org/"+path), c.register()
			if _, err := w.Enrol(t.Context(), m, identity.Channel, codes); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			if _, err := w.Renew(t.Context(), n); err != nil {
				t.Error(err)
			}
		})
		source := w.Source(n)
		group.Go(func() {
			for range 50 {
				if _, err := source.Credential(); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			if _, err := w.Refresh(t.Context(), "example.org"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if names := must(first.Names())(t); len(names) != 5 {
		t.Errorf("names = %v", names)
	}
}

func TestDeviceKeyOfTheCaller(t *testing.T) {
	c := newTown(t, 2, 2, day)
	inTPM := must(newDeviceKey())(t)
	w := must(Open(Config{Dir: t.TempDir() + "/wallet", Client: c.client(),
		DeviceKey: func(identity.Name) (crypto.Signer, error) { return inTPM, nil }}))(t)
	must(w.Pin(t.Context(), c.url(1), c.id()))(t)
	n := name(t, "spiffe://example.org/web")
	must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
	if got, want := must(w.Show(n))(t).Device, must(identity.DeviceOf(inTPM))(t).Hash(); got != want {
		t.Errorf("device = %v", got)
	}
	for path := range files(t, w) {
		if strings.HasSuffix(path, deviceFile) {
			t.Error("the wallet made a device key of its own")
		}
	}
}
