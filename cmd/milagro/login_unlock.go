package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
)

type unlockResult struct {
	Name      identity.Name `json:"name"`
	Unlocked  int           `json:"unlocked"`
	Exhausted int           `json:"exhausted"` // devices with fifty wrong PINs, which nothing unlocks
}

func loginUnlockCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "unlock NAME", Short: "let a person try again after five wrong PINs", Args: exactly("NAME"),
		Example: "  milagro login unlock acct:alice@example.org --dir ./login",
		Long: `Give a person's locked devices, or one of them, five tries again. Make sure that it is
the person who asks: whoever has stolen the device would ask too. A device with fifty
wrong PINs in all is not unlocked: it is registered anew, with new codes. Where two
operators decide, it is proposed.`,
	})
	device, key := addDevice(cmd), addProposerKey(cmd)
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
		done, err := operator.Unlock(cmd.Context(), name, only)
		if err != nil {
			return err
		}
		if done.Proposal != nil {
			return proposed(cmd, operator, *done.Proposal, *key)
		}
		return show(cmd, unlockResult{Name: name, Unlocked: done.Devices, Exhausted: done.Exhausted})
	}
	return cmd
}

// Text says what was done.
func (r unlockResult) Text(w io.Writer) {
	fmt.Fprintf(w, "unlocked %d devices of %s\n", r.Unlocked, r.Name)
	if r.Exhausted > 0 {
		fmt.Fprintf(w, "%d have had fifty wrong PINs: revoke them, and let %s register anew\n", r.Exhausted, r.Name)
	}
}
