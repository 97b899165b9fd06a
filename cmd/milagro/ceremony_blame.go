package main

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"milagro.dev/internal/dkg"
)

type blameResult struct {
	Plan    string      `json:"plan"`
	Domain  string      `json:"domain"`
	Index   uint32      `json:"index"`
	Name    string      `json:"name"`
	Offence dkg.Offence `json:"offence"`
}

func ceremonyBlameCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "blame FILE", Short: "say whom a blame file convicts", Args: exactly("FILE"),
		Example: "  milagro ceremony blame blame.txt",
		Long: `Judge a blame file by itself: the signed messages in it prove which authority
cheated in which plan, or they prove nothing. The exit status is 0 if it convicts
somebody and 1 if it convicts nobody.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := readInput(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			v, err := dkg.Judge(b)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			hash := v.Plan.Hash()
			return show(cmd, blameResult{Plan: hex.EncodeToString(hash[:]), Domain: v.Plan.Domain(), Index: v.Index, Name: v.Name, Offence: v.Offence})
		},
	})
}

// Text names the culprit.
func (r blameResult) Text(w io.Writer) {
	fmt.Fprintf(w, "convicted: authority %d (%s) of plan %s for %s\noffence: %s\n", r.Index, r.Name, r.Plan, r.Domain, r.Offence)
}
