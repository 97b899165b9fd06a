package main

import (
	"errors"

	"github.com/spf13/cobra"

	"milagro.dev/wallet"
)

func mpinChangePINCommand() *cobra.Command {
	cmd := addWallet(addJSON(&cobra.Command{
		Use: "change-pin [NAME]", Short: "take another PIN", Args: atMost("NAME"),
		Example: "  milagro mpin change-pin acct:alice@example.org",
		Long: `Log in with the old PIN and register a new device key with a new one, which is typed
twice: two copies of a wallet, from before and after, tell neither PIN. The old one
ends with the first login of the new one. If it is interrupted one of the two PINs
logs in; run it again.`,
	}))
	service, pinFile := addService(cmd), addPINFile(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		w, err := openWallet(cmd)
		if err != nil {
			return err
		}
		login, err := loginOf(w, args, *service)
		if err != nil {
			return err
		}
		pins, err := openPINs(cmd, *pinFile)
		if err != nil {
			return err
		}
		q := wallet.PINChange{Name: login.Name, Service: login.Service}
		if q.Old, err = pins.existing(cmd.Context(), "old PIN"); err != nil {
			return err
		}
		defer clear(q.Old)
		if q.New, err = pins.chosen(cmd.Context(), "new PIN"); err != nil {
			return err
		}
		defer clear(q.New)
		r, err := w.ChangePIN(cmd.Context(), q)
		if err := errors.Join(showReport(cmd, r), err); err != nil {
			return err
		}
		note(cmd, "the PIN of %v at %s is changed, and with it the device key; the old one is revoked", login.Name, login.Service)
		return nil
	}
	return cmd
}
