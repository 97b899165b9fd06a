package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"milagro.dev/dta"
	"milagro.dev/identity"
)

func ceremonyVerifyCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "verify FILE", Short: "verify a domain document with nothing but the fingerprint", Args: exactly("FILE"),
		Example: "  milagro ceremony verify domain.json --fingerprint milagro1…",
		Long: `Verify that a domain document is signed by the master key that the fingerprint
names, and that the authorities stamped it in the last seven days.`,
	})
	fingerprint := cmd.Flags().String("fingerprint", "", "the domain's fingerprint, milagro1… (required)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := parseFingerprint(cmd, *fingerprint)
		if err != nil {
			return err
		}
		b, err := readInput(args[0], cmd.InOrStdin())
		if err != nil {
			return err
		}
		p, err := dta.ParsePublished(b)
		if err == nil {
			err = p.Verify(id)
		}
		if err == nil {
			err = withHint(p.Fresh(unixNow()), "fetch it anew from an authority: 'milagro domain pin URL --fingerprint …'")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		return show(cmd, describeDomain(p))
	}
	return cmd
}

func parseFingerprint(cmd *cobra.Command, text string) (identity.DomainID, error) {
	if text == "" {
		return identity.DomainID{}, usagef(cmd, "%s: --fingerprint is required: it is the one thing to be trusted", cmd.CommandPath())
	}
	id, err := identity.ParseDomainID(text)
	if err != nil {
		return id, usagef(cmd, "--fingerprint: %w", err)
	}
	return id, nil
}
