package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
	"milagro.dev/wallet"
)

func mpinCommand() *cobra.Command {
	return group("mpin", "log in with a PIN and this device",
		`Register a person at a login service, log in, and say who is logged in. The PIN is
asked for on the terminal, which shows nothing of it; programs give it on stdin or in
a file, a PIN a line. It is kept nowhere: neither here nor at the server.`,
		"  milagro mpin register acct:alice@example.org --codes alpha.csv --codes beta.csv --codes gamma.csv\n  milagro mpin login acct:alice@example.org",
		mpinRegisterCommand(), mpinLoginCommand(), mpinWhoamiCommand(), mpinChangePINCommand(), mpinDevicesCommand(), mpinForgetCommand())
}

// addService gives cmd the flag that says at which login service.
func addService(cmd *cobra.Command) *string {
	return cmd.Flags().String("service", "", "the login service (default the only one there is)")
}

// loginOf returns the login that args and service name, or the only one there is.
func loginOf(w *wallet.Wallet, args []string, service string) (*wallet.Login, error) {
	all, unread := w.Logins()
	var found []*wallet.Login
	for _, l := range all {
		if (len(args) == 0 || l.Name.String() == args[0]) && (service == "" || l.Service == service) {
			found = append(found, l)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		var where []string
		for _, l := range found {
			where = append(where, fmt.Sprintf("%v at %s", l.Name, l.Service))
		}
		return nil, withHint(fmt.Errorf("which login? this device has %s", strings.Join(where, ", ")), "give the NAME, and --service")
	case len(args) > 0:
		if _, err := identity.ParseName(args[0]); err != nil {
			return nil, err
		}
	}
	return nil, errors.Join(withHint(wallet.ErrNotRegistered, "'milagro mpin devices' lists what this device has; 'milagro mpin register' makes one"), unread)
}
