package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/words"
	"milagro.dev/wallet"
)

func mpinRegisterCommand() *cobra.Command {
	cmd := addWallet(addJSON(&cobra.Command{
		Use: "register NAME", Short: "register a person on this device, with a PIN", Args: exactly("NAME"),
		Example: "  milagro mpin register acct:alice@example.org --codes alpha.csv --codes beta.csv --codes gamma.csv\n  milagro mpin register acct:alice@example.org --invitation https://login.example.org/enrol#…\n  milagro mpin register acct:alice@example.org --codes codes.txt --at 10.0.0.9:8443 --to spiffe://example.org/login --as spiffe://example.org/laptop",
		Long: `Make a device key, get the key of a login with a one-time code of each authority,
split it by a PIN that is typed twice, and log in for the first time. Run it again
without codes if it was interrupted after the authorities had answered. With
--invitation in place of codes the login server vouches for the device; authorities
may mail a code besides, which is asked for after the PIN (a line each). With --at,
--to and --as logins go over identity TLS and are bound to their connection.`,
	}))
	service, pinFile := addService(cmd), addPINFile(cmd)
	files := cmd.Flags().StringArray("codes", nil, "file with one-time codes; may be given for each authority")
	invitation := cmd.Flags().String("invitation", "", "link of an invitation, in place of codes")
	via := addVia(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := identity.ParseName(args[0])
		if err != nil {
			return err
		}
		q := wallet.Registration{Name: name}
		if q.Via, err = via(name); err != nil {
			return err
		}
		if len(*files) > 0 {
			if q.Codes, err = readCodes(cmd.InOrStdin(), *files, name, identity.MPin); err != nil {
				return err
			}
		}
		if *invitation != "" {
			if q.Invitation, err = dta.ParseInvitation(*invitation); err != nil {
				return err
			}
		}
		w, err := openWallet(cmd)
		if err != nil {
			return err
		}
		if q.Service, err = serviceOf(cmd, w, name, *service); err != nil {
			return err
		}
		pins, err := openPINs(cmd, *pinFile)
		if err != nil {
			return err
		}
		if q.PIN, err = pins.chosen(cmd.Context(), "new PIN"); err != nil {
			return err
		}
		defer clear(q.PIN)
		q.MailCode = mailCodes(cmd, pins)
		r, err := w.Register(cmd.Context(), q)
		if err := errors.Join(showReport(cmd, r), pinFirst(err)); err != nil {
			return err
		}
		note(cmd, "registered %v at %s and logged in; next time: milagro mpin login %v", name, q.Service, name)
		return nil
	}
	return cmd
}

// mailCodes asks for the codes that authorities have mailed, one after the other:
// where the PIN came from.
func mailCodes(cmd *cobra.Command, from *pins) func(context.Context, wallet.MailedCode) (string, error) {
	var mu sync.Mutex
	return func(ctx context.Context, m wallet.MailedCode) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if errors.Is(m.Refused, problem.EmailRefused) {
			note(cmd, "that was not the code of %s, or it is past", m.Authority.Name)
		}
		note(cmd, "%s has mailed a code; its mail must show the words: %s", m.Authority.Name, words.OfDevice(m.Device))
		code, err := from.read(ctx, "code of "+m.Authority.Name+", empty for another mail")
		if err != nil {
			return "", fmt.Errorf("code of %s: %w", m.Authority.Name, err)
		}
		return strings.Map(func(r rune) rune {
			if r == ' ' || r == '-' {
				return -1
			}
			return r
		}, string(code)), nil
	}
}

// serviceOf returns the service that is named, or the only one of the domain.
func serviceOf(cmd *cobra.Command, w *wallet.Wallet, name identity.Name, service string) (string, error) {
	if service != "" {
		return service, nil
	}
	domain, err := w.Domain(name.Domain())
	if err != nil {
		return "", pinFirst(err)
	}
	if _, err := w.Refresh(cmd.Context(), name.Domain()); err == nil {
		if domain, err = w.Domain(name.Domain()); err != nil {
			return "", err
		}
	}
	all := domain.Published.Document.Services()
	if len(all) != 1 {
		return "", withHint(fmt.Errorf("domain %s has %d login services", name.Domain(), len(all)), "give --service; 'milagro domain show %s' lists them", name.Domain())
	}
	return all[0].Name, nil
}

// addVia gives cmd the flags of logins over identity TLS, and returns what reads
// them.
func addVia(cmd *cobra.Command) func(person identity.Name) (wallet.Via, error) {
	at := cmd.Flags().String("at", "", "HOST:PORT of the login server over identity TLS (default its origin, over HTTPS)")
	to := cmd.Flags().String("to", "", "the name that must answer there")
	as := cmd.Flags().String("as", "", "the name to connect as (default the person)")
	return func(person identity.Name) (via wallet.Via, err error) {
		if *at == "" && *to == "" && *as == "" {
			return via, nil
		}
		if *at == "" || *to == "" {
			return via, usagef(cmd, "%s: --at and --to belong together", cmd.CommandPath())
		}
		via = wallet.Via{Address: *at, As: person}
		if via.To, err = identity.ParseName(*to); err != nil {
			return via, usagef(cmd, "--to: %w", err)
		}
		if *as != "" {
			if via.As, err = identity.ParseName(*as); err != nil {
				return via, usagef(cmd, "--as: %w", err)
			}
		}
		return via, nil
	}
}
