package main

import (
	"errors"

	"github.com/spf13/cobra"
	"milagro.dev/identity"
	"milagro.dev/wallet"
)

func renewCommand() *cobra.Command {
	cmd := addWallet(addJSON(&cobra.Command{
		Use: "renew NAME", Short: "get the latest keys of a name", Args: exactly("NAME"),
		Example: "  milagro renew spiffe://example.org/web",
		Long: `Get the keys of the current epoch and, in its last quarter, those of the next, by
the device key alone. With --keep stay, and renew ahead of every epoch's end.`,
	}))
	keep := cmd.Flags().Bool("keep", false, "renew for ever, ahead of each epoch's end")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := identity.ParseName(args[0])
		if err != nil {
			return err
		}
		w, err := openWallet(cmd)
		if err != nil {
			return err
		}
		if *keep {
			return stopped(cmd, enrolFirst(w.Keep(cmd.Context(), name)))
		}
		r, err := w.Renew(cmd.Context(), name)
		return errors.Join(showReport(cmd, r), enrolFirst(err))
	}
	return cmd
}

// enrolFirst tells who has no key how to get one.
func enrolFirst(err error) error {
	if errors.Is(err, wallet.ErrNotEnrolled) {
		return withHint(err, "enrol it first: milagro enrol NAME --codes FILE")
	}
	return pinFirst(err)
}

// stopped returns nil for the end that the user asked for.
func stopped(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() != nil {
		return nil
	}
	return err
}
