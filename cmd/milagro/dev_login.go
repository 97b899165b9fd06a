package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"milagro.dev/dta"
	"milagro.dev/wallet"
)

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

// replaceCodes writes a file with codes in place of the one there, if there is one.
func replaceCodes(file string, codes map[uint32]dta.Code) error {
	var b bytes.Buffer
	for _, code := range codes {
		fmt.Fprintln(&b, code.Canonical())
	}
	return writeOver(file, b.Bytes())
}
