package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"milagro.dev/internal/authority"
)

func dtaApproveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "approve SERVICE", Short: "let a login server fetch its share of the server key", Args: exactly("SERVICE"),
		Example: "  milagro dta approve login --key ann.key --dir ./alpha",
		Long: `Show a login service and the words of its login server's card, ask, and approve as the
operator whose key is in --key that the login server fetches this authority's share of
the server key, once. Two operators must, within seven days. Whoever has the shares of
t authorities can test PINs against a stolen device: compare the words with the login
server's operator before you say yes ('milagro login card --words').`,
	}
	path := cmd.Flags().String("key", "", "your operator's key file (required)")
	yes := cmd.Flags().Bool("yes", false, "do not ask: somebody has compared the words")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *path == "" {
			return usagef(cmd, "%s: --key is required", cmd.CommandPath())
		}
		operator, err := operatorOf(cmd)
		if err != nil {
			return err
		}
		key, err := operatorKey(*path)
		if err != nil {
			return withHint(err, "'milagro dta operator add' makes a key and enters its operator")
		}
		service, err := serviceAt(cmd.Context(), operator, args[0])
		if err != nil {
			return err
		}
		describeApproval(cmd.OutOrStdout(), service)
		if !*yes {
			if err := confirm(cmd, "Let this login server have the share, once?"); err != nil {
				return err
			}
		}
		done, err := operator.Approve(cmd.Context(), key, service)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), approvalText(done.Approved, done.Needed))
		return nil
	}
	return cmd
}

// serviceAt returns the login service with this name of the domain that the
// authority serves.
func serviceAt(ctx context.Context, operator *authority.Operator, name string) (authority.ServiceState, error) {
	status, err := operator.Status(ctx)
	if err != nil {
		return authority.ServiceState{}, err
	}
	var names []string
	for _, s := range status.Services {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	err = fmt.Errorf("this authority serves no login service %q", name)
	if len(names) > 0 {
		return authority.ServiceState{}, withHint(err, "it serves: %s", strings.Join(names, ", "))
	}
	return authority.ServiceState{}, withHint(err, "a service is made by its ceremony: 'milagro ceremony plan --login'")
}

func describeApproval(w io.Writer, s authority.ServiceState) {
	fmt.Fprintf(w, "login service %s at %s\nwords of its login server's card:\n%s", s.Name, s.Origin, wordLines(fingerprintWords(s.Fingerprint), "    "))
	if s.Delivered > 0 {
		fmt.Fprintf(w, "warning: it has fetched this share %d times already\n", s.Delivered)
	}
}

// approvalText says how far an approval is.
func approvalText(approved, needed int) string {
	if approved < needed {
		return fmt.Sprintf("%d of %d operators have approved", approved, needed)
	}
	return "approved; the login server may fetch its share once"
}
