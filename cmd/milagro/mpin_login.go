package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
	"milagro.dev/wallet"
)

type loginResult struct {
	Name      identity.Name `json:"name"`
	Service   string        `json:"service"`
	Statement string        `json:"statement"`
	Expires   time.Time     `json:"expires"`
}

func mpinLoginCommand() *cobra.Command {
	cmd := addWallet(addJSON(&cobra.Command{
		Use: "login [NAME]", Short: "log in with the PIN", Args: atMost("NAME"),
		Example: "  milagro mpin login acct:alice@example.org\n  milagro mpin login --json | jq -r .statement",
		Long: `Log in on this device with its PIN. The login server gives a signed statement that
holds for five minutes: 'milagro mpin whoami' shows it, --json prints it, and any
application verifies it with the server's public keys. Without NAME it is the only
person that is registered here.`,
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
		pin, err := pins.existing(cmd.Context(), fmt.Sprintf("PIN of %v", login.Name))
		if err != nil {
			return err
		}
		defer clear(pin)
		s, err := w.Login(cmd.Context(), wallet.LoginRequest{Name: login.Name, Service: login.Service, PIN: pin})
		if err != nil {
			return err
		}
		return show(cmd, loginResult{Name: login.Name, Service: login.Service, Statement: s.JWT, Expires: unixTime(s.Expires)})
	}
	return cmd
}

func unixTime(seconds uint64) time.Time { return time.Unix(int64(seconds), 0).UTC() }

// Text says who is logged in; the statement itself is for programs.
func (r loginResult) Text(w io.Writer) {
	fmt.Fprintf(w, "logged in as %v at %s until %s\n", r.Name, r.Service, r.Expires.Format(time.RFC3339))
}
