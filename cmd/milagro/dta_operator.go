package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"milagro.dev/internal/authority"
)

func dtaOperatorCommand() *cobra.Command {
	return group("operator", "say who decides at the authority",
		`The people of an authority: two of them together approve that a login server fetches
its share of a server key, and who becomes one of them. Each has an Ed25519 key in a
file of his own. The first two are entered freely.`,
		"  milagro dta operator add ann --key ann.key --dir ./alpha\n  milagro dta operator list --dir ./alpha",
		dtaOperatorAddCommand(), dtaOperatorListCommand())
}

type operatorResult struct {
	Name string `json:"name"`
	Key  string `json:"key"`            // Ed25519, hexadecimal
	Made string `json:"made,omitempty"` // the key file, if it is new
	authority.OperatorEntry
}

func dtaOperatorAddCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "add NAME", Short: "enter an operator", Args: exactly("NAME"),
		Example: "  milagro dta operator add ann --key ann.key --dir ./alpha\n  milagro dta operator add cleo --key cleo.key --as ann.key --as ben.key --dir ./alpha",
		Long: `Enter an operator, whose key is in --key; a key is made there if there is no file. The
third and later ones need two others, who give their keys with --as: both at once, or
one after the other with the same command within seven days.`,
	})
	path := cmd.Flags().String("key", "", "key file of the new operator, made if it is not there (required)")
	as := cmd.Flags().StringArray("as", nil, "key file of an operator who approves it (may be given twice)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *path == "" {
			return usagef(cmd, "%s: --key is required", cmd.CommandPath())
		}
		operator, err := operatorOf(cmd)
		if err != nil {
			return err
		}
		key, made, err := operatorKeyOrNew(*path)
		if err != nil {
			return err
		}
		var approvals [][]byte
		for _, file := range *as {
			other, err := operatorKey(file)
			if err != nil {
				return err
			}
			approval, err := operator.ApproveOperator(cmd.Context(), other, args[0], publicOf(key))
			if err != nil {
				return err
			}
			approvals = append(approvals, approval)
		}
		entry, err := operator.Enter(cmd.Context(), args[0], publicOf(key), approvals...)
		if err != nil {
			return err
		}
		return show(cmd, operatorResult{Name: args[0], Key: fmt.Sprintf("%x", publicOf(key)), Made: made, OperatorEntry: entry})
	}
	return cmd
}

// Text says whether he is an operator now, and else what is missing.
func (r operatorResult) Text(w io.Writer) {
	if r.Made != "" {
		fmt.Fprintf(w, "made %s: whoever has it decides as %s, so keep it from the others\n", r.Made, r.Name)
	}
	if r.Entered {
		fmt.Fprintf(w, "%s is an operator, key %s\n", r.Name, r.Key)
		return
	}
	fmt.Fprintf(w, "%s is no operator yet: %d of %d have approved; the next gives the same command with his key as --as\n", r.Name, r.Approved, r.Needed)
}

type operatorsResult struct {
	Operators []authority.OperatorKey `json:"operators"`
	Approvals []authority.Approval    `json:"approvals"`
}

func dtaOperatorListCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "list", Short: "list the operators and what they have approved", Args: exactly(),
		Example: "  milagro dta operator list --dir ./alpha",
		Long:    "List the operators of this authority with their keys, and the approvals that wait for a second one or for their use.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			operator, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			status, err := operator.Status(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd, operatorsResult{status.Operators, status.Approvals})
		},
	})
}

// Text prints a table of operators and one of approvals.
func (r operatorsResult) Text(w io.Writer) {
	if len(r.Operators) == 0 {
		fmt.Fprintln(w, "there are no operators: 'milagro dta operator add' enters the first two")
		return
	}
	rows := [][]string{{"OPERATOR", "KEY"}}
	for _, o := range r.Operators {
		rows = append(rows, []string{o.Name, o.Key.String()})
	}
	table(w, rows...)
	if len(r.Approvals) == 0 {
		return
	}
	rows = [][]string{{"WAITING", "OF", "APPROVED BY", "UNTIL"}}
	for _, a := range r.Approvals {
		rows = append(rows, []string{a.Act, a.Subject, a.Operator, a.Expires.UTC().Format(time.RFC3339)})
	}
	table(w, rows...)
}
