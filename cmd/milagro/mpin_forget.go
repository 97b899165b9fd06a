package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
)

type forgetResult struct {
	Name    identity.Name `json:"name"`
	Service string        `json:"service"`
	Device  string        `json:"device"`
}

func mpinForgetCommand() *cobra.Command {
	cmd := addWallet(addJSON(&cobra.Command{
		Use: "forget [NAME]", Short: "erase a login from this device", Args: atMost("NAME"),
		Example: "  milagro mpin forget acct:alice@example.org --yes",
		Long: `Erase the device key, token, permits and statement of a login. Nothing brings them
back: to log in from this device again takes new codes. The login server still knows
the device, which is of no use without its key; its operator ends it with 'milagro
login revoke NAME --device HASH'.`,
	}))
	service := addService(cmd)
	yes := cmd.Flags().Bool("yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		w, err := openWallet(cmd)
		if err != nil {
			return err
		}
		login, err := loginOf(w, args, *service)
		if err != nil {
			return err
		}
		if !*yes {
			if err := confirm(cmd, fmt.Sprintf("Erase the login of %v at %s from this device?", login.Name, login.Service)); err != nil {
				return err
			}
		}
		if err := w.ForgetLogin(cmd.Context(), login.Name, login.Service); err != nil {
			return err
		}
		return show(cmd, forgetResult{Name: login.Name, Service: login.Service, Device: login.Device.String()})
	}
	return cmd
}

// Text says what is gone.
func (r forgetResult) Text(w io.Writer) {
	fmt.Fprintf(w, "forgot %v at %s, device %s\n", r.Name, r.Service, r.Device)
}
