package main

import (
	"context"
	"path/filepath"

	"milagro.dev/internal/login"
	"milagro.dev/wallet"
)

// openLogin starts the login server, in plain HTTP and over identity TLS.
func (d *dev) openLogin(ctx context.Context) (err error) {
	d.login.channel = d.state.Channel
	if d.login.codes, err = d.codes(ctx, townService, login.WalletDir(d.login.dir)); err != nil {
		return err
	}
	if err := d.login.start(ctx); err != nil {
		return err
	}
	return d.invite(ctx)
}

// invite writes the codes with which you register, unless you have.
func (d *dev) invite(ctx context.Context) error {
	w, err := wallet.Open(wallet.Config{Dir: d.walletDir("you")})
	if err != nil {
		return err
	}
	if registered, err := w.Logins(); err != nil || len(registered) > 0 {
		return err
	}
	codes, err := d.town.registerPerson(ctx, d.town.person("you"))
	if err != nil {
		return err
	}
	return replaceCodes(d.personFile(), codes)
}

func (d *dev) personFile() string { return filepath.Join(d.dir, "you-mpin.codes") }
