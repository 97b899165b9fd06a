package main

import (
	"github.com/spf13/cobra"
)

func domainCommand() *cobra.Command {
	return addWallet(group("domain", "pin and watch trust domains",
		`Pin a trust domain by its fingerprint, once and for ever, and see what its
authorities serve.`,
		"  milagro domain pin https://dta.alpha.example --fingerprint milagro1…\n  milagro domain status example.org",
		domainPinCommand(), domainShowCommand(), domainStatusCommand()))
}
