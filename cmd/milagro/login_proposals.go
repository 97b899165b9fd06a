package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"milagro.dev/internal/login"
)

type loginProposalsResult login.Proposals

func loginProposalsCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "proposals", Short: "list critical acts that wait for operators", Args: exactly(),
		Example: "  milagro login proposals --dir ./login",
		Long: `List what waits for the approval of two operators, the newest first: whole, as it is
signed. Each waits for a day.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			operator, err := loginOperator(cmd)
			if err != nil {
				return err
			}
			all, err := operator.Proposals(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd, loginProposalsResult(all))
		},
	})
}

// Text shows each proposal.
func (r loginProposalsResult) Text(w io.Writer) {
	if len(r.Proposals) == 0 {
		fmt.Fprintln(w, "nothing waits for operators")
	}
	for _, p := range r.Proposals {
		describeProposal(w, p)
	}
}

type loginDropResult struct {
	Proposal login.ProposalID `json:"proposal"`
}

func loginDropCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "drop PROPOSAL", Short: "end a proposal that waits", Args: exactly("PROPOSAL"),
		Example: "  milagro login drop 9f2c07… --dir ./login",
		Long:    "End a proposal that waits for operators. It needs no key: what is not done harms nobody.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var id login.ProposalID
			if err := id.UnmarshalText([]byte(args[0])); err != nil {
				return usagef(cmd, "%w", err)
			}
			operator, err := loginOperator(cmd)
			if err != nil {
				return err
			}
			if err := operator.Drop(cmd.Context(), id); err != nil {
				return err
			}
			return show(cmd, loginDropResult{id})
		},
	})
}

// Text says what was dropped.
func (r loginDropResult) Text(w io.Writer) { fmt.Fprintf(w, "dropped %s\n", r.Proposal) }

type loginOperatorResult struct {
	Name string `json:"name"`
	Key  string `json:"key"`            // Ed25519, hexadecimal
	Made string `json:"made,omitempty"` // the key file, if it is new
}

func loginOperatorCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "operator NAME", Short: "make an operator's key and print the section for the settings", Args: exactly("NAME"),
		Example: "  milagro login operator ann --key ann.key",
		Long: `Print the section [[operator]] of somebody who decides critical acts together with
another; his key is made in --key if there is no file. Each does this on a machine of his
own, and the sections of at least two go into the file of 'milagro login serve'.`,
	})
	path := cmd.Flags().String("key", "", "the operator's key file, made if it is not there (required)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *path == "" {
			return usagef(cmd, "%s: --key is required", cmd.CommandPath())
		}
		key, made, err := operatorKeyOrNew(*path)
		if err != nil {
			return err
		}
		defer clear(key)
		return show(cmd, loginOperatorResult{Name: args[0], Key: fmt.Sprintf("%x", publicOf(key)), Made: made})
	}
	return cmd
}

// Text prints the section alone.
func (r loginOperatorResult) Text(w io.Writer) {
	fmt.Fprintf(w, "[[operator]]\nname = %q\nkey = %q\n", r.Name, r.Key)
}

// operatorConfig is one who decides critical acts, as an [[operator]] table has him.
type operatorConfig struct {
	Name string `toml:"name"`
	Key  string `toml:"key"`
}

// loginOperators returns the operators of the settings.
func loginOperators(tables []operatorConfig) (all []login.OperatorKey, err error) {
	for _, t := range tables {
		one := login.OperatorKey{Name: t.Name}
		if err := one.Key.UnmarshalText([]byte(t.Key)); err != nil {
			return nil, fmt.Errorf("operator %.80q: key: an Ed25519 key is 64 lower-case hexadecimal digits", t.Name)
		}
		all = append(all, one)
	}
	return all, login.CheckOperators(all)
}
