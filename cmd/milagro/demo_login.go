package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
	"milagro.dev/wallet"
)

const (
	demoPIN, demoNewPIN = "472916", "830517"
	// demoLock is how many wrong PINs in a row lock a device.
	demoLock = 5
)

// mpinCeremony makes the master of a login service and serves its logins.
func (d *demo) mpinCeremony(ctx context.Context) (string, error) {
	addresses, err := webserver.FreeAddresses(1)
	if err != nil {
		return "", err
	}
	d.login = d.three.newGatehouse(addresses[0])
	if err := d.login.start(ctx); err != nil {
		return "", err
	}
	s, _ := d.three.published.Document.Service(townService)
	return fmt.Sprintf("service %s at %s, revision %d; its key was delivered after two approvals at each authority", s.Name, s.Origin,
		d.three.published.Document.Revision()), nil
}

func (d *demo) enrolPerson(ctx context.Context) (string, error) {
	name := d.three.person("alice")
	codes, err := d.three.registerPerson(ctx, name)
	if err != nil {
		return "", err
	}
	r, err := d.wallet.Register(ctx, wallet.Registration{Name: name, Service: townService, Codes: codes, PIN: []byte(demoPIN)})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%v: %s; split by a PIN, never whole", name, outcomes(r)), nil
}

// logIn logs Alice in from a wallet.
func (d *demo) logIn(ctx context.Context, w *wallet.Wallet, pin string) (*wallet.Statement, error) {
	return w.Login(ctx, wallet.LoginRequest{Name: d.three.person("alice"), Service: townService, PIN: []byte(pin)})
}

// refuseLogin fails unless the PIN is refused, as every refusal is.
func (d *demo) refuseLogin(ctx context.Context, w *wallet.Wallet, pin string) error {
	_, err := d.logIn(ctx, w, pin)
	if !errors.Is(err, problem.LoginRefused) {
		return fmt.Errorf("not refused as it should be: %w", either(err, errors.New("logged in")))
	}
	return nil
}

func (d *demo) personLogin(ctx context.Context) (string, error) {
	s, err := d.logIn(ctx, d.wallet, demoPIN)
	if err != nil {
		return "", err
	}
	who, err := d.wallet.WhoAmI(ctx, d.three.person("alice"), townService)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%v until %s, in a statement of %d bytes that any application verifies", who.Name, unixTime(s.Expires).Format("15:04:05"), len(s.JWT)), nil
}

func (d *demo) wrongPIN(ctx context.Context) (string, error) {
	if err := d.refuseLogin(ctx, d.wallet, "472961"); err != nil {
		return "", err
	}
	if _, err := d.logIn(ctx, d.wallet, demoPIN); err != nil {
		return "", err
	}
	return "a wrong PIN is refused, and the right one still logs in", nil
}

func (d *demo) lockout(ctx context.Context) (string, error) {
	for i := range demoLock {
		if err := d.refuseLogin(ctx, d.wallet, fmt.Sprintf("11%04d", i)); err != nil {
			return "", err
		}
	}
	if err := d.refuseLogin(ctx, d.wallet, demoPIN); err != nil {
		return "", fmt.Errorf("the right PIN after %d wrong ones: %w", demoLock, err)
	}
	done, err := d.login.operator().Unlock(ctx, d.three.person("alice"), nil)
	if err != nil {
		return "", err
	}
	if done.Devices != 1 {
		return "", fmt.Errorf("%d devices unlocked", done.Devices)
	}
	if _, err := d.logIn(ctx, d.wallet, demoPIN); err != nil {
		return "", err
	}
	return fmt.Sprintf("after %d wrong PINs the right one is refused in the same words; an operator unlocks it", demoLock), nil
}

func (d *demo) permitRenewed(ctx context.Context) (string, error) {
	r, err := d.wallet.RenewPermits(ctx, d.three.person("alice"), townService)
	if err != nil {
		return "", err
	}
	last := r.Keys[len(r.Keys)-1]
	return fmt.Sprintf("by the device key alone, until %s: %s", unixTime(last.Epoch.End()).Format("2006-01-02"), outcomes(r)), nil
}

// stolenDevice is a thief with a copy of the wallet, device key and all.
func (d *demo) stolenDevice(ctx context.Context) (string, error) {
	if err := copyPrivate(d.wallet.Dir(), d.path("thief")); err != nil {
		return "", err
	}
	thief, err := wallet.Open(wallet.Config{Dir: d.path("thief")})
	if err != nil {
		return "", err
	}
	if _, err := thief.RenewPermits(ctx, d.three.person("alice"), townService); err != nil {
		return "", err
	}
	guesses := []string{"0000", "123456", "111111"}
	for _, guess := range guesses {
		if err := d.refuseLogin(ctx, thief, guess); err != nil {
			return "", err
		}
	}
	if _, err := d.logIn(ctx, d.wallet, demoPIN); err != nil {
		return "", err
	}
	return fmt.Sprintf("a copy of the wallet gets permits and no PIN: %d guesses refused, and it cannot test one by itself", len(guesses)), nil
}

// copyPrivate copies a directory of which only the owner reads anything.
func copyPrivate(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, at), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, at), b, 0o600)
	})
}

func (d *demo) pinChanged(ctx context.Context) (string, error) {
	name := d.three.person("alice")
	_, err := d.wallet.ChangePIN(ctx, wallet.PINChange{Name: name, Service: townService, Old: []byte(demoPIN), New: []byte(demoNewPIN)})
	if err != nil {
		return "", err
	}
	if _, err := d.logIn(ctx, d.wallet, demoNewPIN); err != nil {
		return "", err
	}
	if err := d.refuseLogin(ctx, d.wallet, demoPIN); err != nil {
		return "", err
	}
	thief, err := wallet.Open(wallet.Config{Dir: d.path("thief")})
	if err != nil {
		return "", err
	}
	if err := d.refuseLogin(ctx, thief, demoPIN); err != nil {
		return "", fmt.Errorf("the stolen copy with the old PIN: %w", err)
	}
	return "a new device key with the new PIN; the old one is revoked, so a copy of it is of no use even with the old PIN", nil
}
