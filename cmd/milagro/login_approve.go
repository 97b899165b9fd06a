package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"milagro.dev/internal/login"
)

func loginApproveCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "approve PROPOSAL", Short: "let a critical act be done, as one of two operators", Args: exactly("PROPOSAL"),
		Example: "  milagro login approve 9f2c07… --key ben.key --dir ./login",
		Long: `Show a proposal, ask, and approve it as the operator whose key is in --key. The second
operator's approval does it, once, and prints what comes of it, such as the link of an
invitation. Ask whoever proposed it, by another way than this machine, why: an invitation
enrols a device as that person, an application is sent everybody who signs in there,
and unlocking gives whoever holds the device five tries at the PIN (doc/operators.md).`,
	})
	path := cmd.Flags().String("key", "", "your operator's key file (required)")
	yes := cmd.Flags().Bool("yes", false, "do not ask: somebody has looked at it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var id login.ProposalID
		if err := id.UnmarshalText([]byte(args[0])); err != nil {
			return usagef(cmd, "%w", err)
		}
		if *path == "" {
			return usagef(cmd, "%s: --key is required", cmd.CommandPath())
		}
		operator, err := loginOperator(cmd)
		if err != nil {
			return err
		}
		all, err := operator.Proposals(cmd.Context())
		if err != nil {
			return err
		}
		for _, p := range all.Proposals {
			if p.ID != id {
				continue
			}
			if !*yes {
				describeProposal(cmd.ErrOrStderr(), p)
				if err := confirm(cmd, "Let this be done?"); err != nil {
					return err
				}
			}
			return approveProposal(cmd, operator, p, *path)
		}
		return withHint(fmt.Errorf("no proposal %s waits", id), "'milagro login proposals' lists those that wait")
	}
	return cmd
}

// approveProposal approves as the operator whose key is at path, and says what came of
// it.
func approveProposal(cmd *cobra.Command, operator *login.Operator, p login.Proposal, path string) error {
	key, err := operatorKey(path)
	if err != nil {
		return withHint(err, "'milagro login operator' makes a key")
	}
	defer clear(key)
	done, err := operator.Approve(cmd.Context(), key, p)
	if err != nil {
		return err
	}
	return show(cmd, loginApproveResult(done))
}

// proposed says that an act waits for operators; with a key file it is approved at
// once, as the first.
func proposed(cmd *cobra.Command, operator *login.Operator, p login.Proposal, path string) error {
	if path != "" {
		return approveProposal(cmd, operator, p, path)
	}
	return show(cmd, loginApproveResult{Proposal: p})
}

// addProposerKey gives a command for a critical act the flag of its operator.
func addProposerKey(cmd *cobra.Command) *string {
	return cmd.Flags().String("key", "", "your operator's key file, where two operators decide: approves at once")
}

type loginApproveResult login.Approved

// Text says what was done, or who is still missing.
func (r loginApproveResult) Text(w io.Writer) {
	switch {
	case r.Invitation != nil:
		fmt.Fprintln(w, r.Invitation.Link)
	case r.Unlocked != nil:
		unlockResult{Name: r.Proposal.Act.Unlock.Name, Unlocked: r.Unlocked.Devices, Exhausted: r.Unlocked.Exhausted}.Text(w)
	case r.Applications != nil:
		a := r.Proposal.Act.Client
		clientAdded{Issuer: r.Applications.Issuer, Client: a.Client, Public: a.Public, Redirects: a.Redirects, PostLogouts: a.PostLogouts}.Text(w)
	default:
		describeProposal(w, r.Proposal)
		fmt.Fprintf(w, "nothing is done yet; next, another operator: milagro login approve %s --key FILE\n", r.Proposal.ID)
	}
}

// describeProposal shows everything that an approval signs.
func describeProposal(w io.Writer, p login.Proposal) {
	fmt.Fprintf(w, "proposal %s, until %s\n", p.ID, p.Expires.UTC().Format(time.RFC3339))
	switch a := p.Act; {
	case a.Invite != nil:
		fmt.Fprintf(w, "  invite %s, with a link that is good until %s\n", a.Invite.Name, a.Invite.Expires.UTC().Format(time.RFC3339))
	case a.Unlock != nil && a.Unlock.Device != nil:
		fmt.Fprintf(w, "  unlock %s, the device %s\n", a.Unlock.Name, a.Unlock.Device)
	case a.Unlock != nil:
		fmt.Fprintf(w, "  unlock %s, every device\n", a.Unlock.Name)
	case a.Client != nil:
		fmt.Fprintf(w, "  add the application %s\n  redirect %s\n", a.Client.Client, strings.Join(a.Client.Redirects, "\n  redirect "))
		for _, url := range a.Client.PostLogouts {
			fmt.Fprintf(w, "  after logout %s\n", url)
		}
		if a.Client.SecretHash != nil {
			fmt.Fprintf(w, "  SHA-256 of its secret %s\n", a.Client.SecretHash)
		} else {
			fmt.Fprintln(w, "  no secret: a public client")
		}
	}
	by := "nobody"
	if len(p.Approved) > 0 {
		by = strings.Join(p.Approved, ", ")
	}
	fmt.Fprintf(w, "  %d of %d operators have approved: %s\n", len(p.Approved), p.Needed, by)
}
