//go:build unix

package wallet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

// The environment of a child that is to die.
const (
	envDir    = "WALLET_CRASH_DIR"
	envURL    = "WALLET_CRASH_URL"
	envDomain = "WALLET_CRASH_DOMAIN"
	envCodes  = "WALLET_CRASH_CODES"
	envStep   = "WALLET_CRASH_STEP"
	envForget = "WALLET_CRASH_FORGET"
	envLogin  = "WALLET_CRASH_LOGIN" // "register PIN", "change OLD NEW" or "forget"

	crashName   = "spiffe://example.org/web"
	crashPerson = "acct:alice@example.org"
)

func TestMain(m *testing.M) {
	if os.Getenv(envDir) == "" {
		os.Exit(m.Run())
	}
	if err := crash(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// crash uses a wallet and kills this process, as kill -9 does, at the file
// operation whose number it was given.
func crash() error {
	last, err := strconv.Atoi(os.Getenv(envStep))
	if err != nil {
		return err
	}
	steps := 0
	d := disk{step: func(string) error {
		if steps++; steps == last {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}}
	w, err := open(Config{Dir: os.Getenv(envDir)}, d)
	if err != nil {
		return err
	}
	if what := strings.Fields(os.Getenv(envLogin)); len(what) > 0 {
		return crashLogin(w, what)
	}
	n, err := identity.ParseName(crashName)
	if err != nil {
		return err
	}
	if os.Getenv(envForget) != "" {
		return w.Forget(context.Background(), n)
	}
	id, err := identity.ParseDomainID(os.Getenv(envDomain))
	if err != nil {
		return err
	}
	if _, err := w.Pin(context.Background(), os.Getenv(envURL), id); err != nil {
		return err
	}
	codes, err := crashCodes()
	if err != nil {
		return err
	}
	_, err = w.Enrol(context.Background(), n, identity.Channel, codes)
	return err
}

func crashCodes() (map[uint32]dta.Code, error) {
	codes := map[uint32]dta.Code{}
	for text := range strings.FieldsSeq(os.Getenv(envCodes)) {
		code, err := dta.ParseCode(text)
		if err != nil {
			return nil, err
		}
		codes[code.Index()] = code
	}
	return codes, nil
}

// crashLogin uses a wallet that has pinned its domain.
func crashLogin(w *Wallet, what []string) error {
	CheapPINs(w)
	n, err := identity.ParseName(crashPerson)
	if err != nil {
		return err
	}
	codes, err := crashCodes()
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch what[0] {
	case "register":
		_, err = w.Register(ctx, Registration{Name: n, Service: "login", PIN: []byte(what[1]), Codes: codes})
	case "change":
		_, err = w.ChangePIN(ctx, PINChange{Name: n, Service: "login", Old: []byte(what[1]), New: []byte(what[2])})
	case "forget":
		err = w.ForgetLogin(ctx, n, "login")
	}
	return err
}

// serve puts the town on real sockets.
func (c *town) serve(t *testing.T) {
	t.Helper()
	f := c.fields
	f.Authorities = slices.Clone(f.Authorities)
	for i, b := range c.authorities {
		server := httptest.NewServer(b)
		t.Cleanup(server.Close)
		f.Authorities[i].URL = server.URL
	}
	c.fields = f
	c.publish(t, f)
}

// child runs crash in a process of its own and reports whether it was killed.
func (c *town) child(t *testing.T, dir string, step int, codes map[uint32]dta.Code, extra ...string) bool {
	t.Helper()
	return CrashingChild(t, dir, step, codes, append(extra, envURL+"="+c.url(1), envDomain+"="+c.id().String())...)
}

// CrashingChild runs crash in a process of its own and reports whether it was killed.
func CrashingChild(t *testing.T, dir string, step int, codes map[uint32]dta.Code, env ...string) bool {
	t.Helper()
	var texts []string
	for _, code := range codes {
		texts = append(texts, code.Canonical())
	}
	cmd := exec.Command(must(os.Executable())(t))
	cmd.Env = append(os.Environ(), envDir+"="+dir, envCodes+"="+strings.Join(texts, " "), envStep+"="+strconv.Itoa(step))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	exit := (*exec.ExitError)(nil)
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("step %d: %v: %s", step, err, out)
	}
	return false
}

// unfinished returns the files that a killed process left half written.
func unfinished(t *testing.T, w *Wallet) (left []string) {
	t.Helper()
	check(t, filepath.WalkDir(w.Dir(), func(path string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), ".") {
			left = append(left, path)
		}
		return err
	}))
	return left
}

func TestEnrolmentKilledAtAnyFileOperationCompletes(t *testing.T) {
	c := newTown(t, 2, 2, day)
	c.serve(t)
	client := new(dta.Client)
	n := name(t, crashName)
	step, killed := 0, true
	for killed {
		step++
		dir := filepath.Join(t.TempDir(), "wallet")
		codes := c.register()
		killed = c.child(t, dir, step, codes)
		w := must(Open(Config{Dir: dir, Client: client}))(t)
		device, err := os.ReadFile(w.deviceFile(n))
		if err != nil && !missing(err) {
			t.Fatal(err)
		}
		must(w.Pin(t.Context(), c.url(1), c.id()))(t)
		if _, err := w.Enrol(t.Context(), n, identity.Channel, codes); err != nil {
			t.Fatalf("killed at step %d: %v", step, err)
		}
		must(w.Source(n).Credential())(t)
		if again := must(os.ReadFile(w.deviceFile(n)))(t); len(device) > 0 && !bytes.Equal(again, device) {
			t.Errorf("killed at step %d: another device key", step)
		}
		if left := unfinished(t, w); len(left) > 0 {
			t.Errorf("killed at step %d: left %v", step, left)
		}
	}
	if step < 30 {
		t.Errorf("killed only %d times", step-1)
	}
}

func TestForgetKilledAtAnyFileOperationCompletes(t *testing.T) {
	c := newTown(t, 2, 2, day)
	c.serve(t)
	n := name(t, crashName)
	step, killed := 0, true
	for killed {
		step++
		w := must(Open(Config{Dir: filepath.Join(t.TempDir(), "wallet")}))(t)
		must(w.Pin(t.Context(), c.url(1), c.id()))(t)
		must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
		before := must(w.Show(n))(t).Device
		killed = c.child(t, w.Dir(), step, nil, envForget+"=1")
		check(t, w.Forget(t.Context(), n))
		must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
		if must(w.Show(n))(t).Device == before {
			t.Errorf("killed at step %d: the forgotten device is back", step)
		}
	}
	if step < 8 {
		t.Errorf("killed only %d times", step-1)
	}
}
