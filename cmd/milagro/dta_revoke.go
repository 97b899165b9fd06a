package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"milagro.dev/identity"
)

type revokeResult struct {
	Name       identity.Name `json:"name"`
	Device     string        `json:"device,omitempty"`
	Enrolments int           `json:"enrolments"`
	Codes      int           `json:"codes"`
}

func dtaRevokeCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "revoke NAME", Short: "end the enrolments of a name, or of one device", Args: exactly("NAME"),
		Example: "  milagro dta revoke spiffe://example.org/web --dir ./alpha",
		Long: `End the enrolments of a name at this authority; without --device those of all its
devices, and its unused codes. A device that is named is revoked also where it never
enrolled. When n-t+1 authorities have revoked a device it is refused its next key, and
whoever hears their signed lists refuses it within seconds; where they are not heard,
its key holds until the epoch ends.`,
	})
	device := cmd.Flags().String("device", "", "only this device, as 'milagro dta list' shows it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := identity.ParseName(args[0])
		if err != nil {
			return err
		}
		var only *identity.DeviceHash
		if *device != "" {
			hash, err := identity.ParseDeviceHash(*device)
			if err != nil {
				return usagef(cmd, "--device: %w", err)
			}
			only = &hash
		}
		operator, err := operatorOf(cmd)
		if err != nil {
			return err
		}
		done, err := operator.Revoke(cmd.Context(), name, only)
		if err != nil {
			return err
		}
		return show(cmd, revokeResult{Name: name, Device: *device, Enrolments: done.Enrolments, Codes: done.Codes})
	}
	return cmd
}

// Text says what was ended.
func (r revokeResult) Text(w io.Writer) {
	fmt.Fprintf(w, "revoked %d enrolments and %d unused codes of %s\n", r.Enrolments, r.Codes, r.Name)
}
