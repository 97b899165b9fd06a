package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
)

type loginRevokeResult struct {
	Name    identity.Name `json:"name"`
	Device  string        `json:"device,omitempty"`
	Revoked int           `json:"revoked"`
}

func loginRevokeCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "revoke NAME", Short: "end a person's logins, or one device's", Args: exactly("NAME"),
		Example: "  milagro login revoke acct:alice@example.org --device 9f2c… --dir ./login",
		Long: `End the logins of all devices of a person, or with --device of one, from this moment
on and for good, and tell the authorities by a signed notice to renew no permit. Sessions
and tokens of applications end with it (doc/openid.md); a statement that was given before
and not yet shown here holds elsewhere for its five minutes.`,
	})
	device := addDevice(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := identity.ParseName(args[0])
		if err != nil {
			return err
		}
		only, err := device()
		if err != nil {
			return err
		}
		operator, err := loginOperator(cmd)
		if err != nil {
			return err
		}
		done, err := operator.Revoke(cmd.Context(), name, only)
		if err != nil {
			return err
		}
		r := loginRevokeResult{Name: name, Revoked: done.Devices}
		if only != nil {
			r.Device = only.String()
		}
		return show(cmd, r)
	}
	return cmd
}

// Text says what was ended.
func (r loginRevokeResult) Text(w io.Writer) {
	fmt.Fprintf(w, "revoked %d devices of %s\n", r.Revoked, r.Name)
}
