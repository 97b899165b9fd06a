package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func domainPinCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "pin URL", Short: "trust the domain with this fingerprint", Args: exactly("URL"),
		Example: "  milagro domain pin https://dta.alpha.example --fingerprint milagro1…",
		Long: `Fetch a domain's document from any of its authorities and keep it, if with nothing
but the fingerprint it proves genuine and fresh. Get the fingerprint from somebody you
trust: it is all that is ever trusted, and it never changes.`,
	})
	fingerprint := cmd.Flags().String("fingerprint", "", "the domain's fingerprint, milagro1… (required)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := parseFingerprint(cmd, *fingerprint)
		if err != nil {
			return err
		}
		w, err := openWallet(cmd)
		if err != nil {
			return err
		}
		doc, err := w.Pin(cmd.Context(), args[0], id)
		if err != nil {
			return fmt.Errorf("pin %s: %w", args[0], err)
		}
		pinned, err := w.Domain(doc.ID().String())
		if err != nil {
			return err
		}
		note(cmd, "pinned %s in %s", doc.Domain(), w.Dir())
		return show(cmd, describeDomain(pinned.Published))
	}
	return cmd
}
