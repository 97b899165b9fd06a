package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"milagro.dev/wallet"
)

type domainsResult struct {
	Domains []domainResult `json:"domains"`
}

func domainShowCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "show [DOMAIN]", Short: "show pinned domains", Args: atMost("DOMAIN"),
		Example: "  milagro domain show\n  milagro domain show example.org --json",
		Long:    "Show the domains that the wallet has pinned, or one of them by its name or fingerprint. Nobody is asked.",
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := openWallet(cmd)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				pinned, err := w.Domain(args[0])
				if err != nil {
					return pinFirst(err)
				}
				return show(cmd, domainsResult{[]domainResult{describeDomain(pinned.Published)}})
			}
			all, unread := w.Domains()
			var r domainsResult
			for _, pinned := range all {
				r.Domains = append(r.Domains, describeDomain(pinned.Published))
			}
			return errors.Join(show(cmd, r), unread)
		},
	})
}

// Text prints one domain after the other.
func (r domainsResult) Text(w io.Writer) {
	if len(r.Domains) == 0 {
		fmt.Fprintln(w, "no domain is pinned")
	}
	for _, d := range r.Domains {
		d.Text(w)
	}
}

// pinFirst tells who has not pinned a domain how to.
func pinFirst(err error) error {
	if errors.Is(err, wallet.ErrNotPinned) {
		return withHint(err, "pin it first: milagro domain pin URL --fingerprint milagro1…")
	}
	return err
}

// onlyDomain returns the domain that the user means: the named one, or the only
// one that is pinned.
func onlyDomain(w *wallet.Wallet, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	all, err := w.Domains()
	if err != nil {
		return "", err
	}
	switch len(all) {
	case 0:
		return "", pinFirst(wallet.ErrNotPinned)
	case 1:
		return all[0].ID.String(), nil
	}
	return "", withHint(fmt.Errorf("%d domains are pinned", len(all)), "name one of those that 'milagro domain show' lists")
}
