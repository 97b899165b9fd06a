package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/dkg"
)

func ceremonySignCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sign PLAN", Short: "agree to a plan at your authority", Args: exactly("PLAN"),
		Example: "  milagro ceremony sign plan.txt --dir ./alpha",
		Long: `Show who takes part in a plan, what it survives and what it resists, ask, and tell
your running authority to take part. You agree to these exact bytes, and to the
domain document that follows from them: the first, or for a login service the next.
Compare each authority's words, and a login server's, with its operator over the
telephone before you say yes.`,
	}
	cmd.Flags().String("dir", "", "your authority's directory (or "+dtaDirVariable+")")
	yes := cmd.Flags().Bool("yes", false, "do not ask: somebody has read the plan and compared the words")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		plan, err := readPlan(cmd, args[0])
		if err != nil {
			return err
		}
		dir, err := dtaDir(cmd)
		if err != nil {
			return err
		}
		r, err := describePlan(plan)
		if err != nil {
			return err
		}
		r.Text(cmd.OutOrStdout())
		if !*yes {
			if err := confirm(cmd, "Take part in this plan?"); err != nil {
				return err
			}
		}
		agreed, err := authority.NewOperator(authority.SocketPath(dir)).SignPlan(cmd.Context(), plan.Bytes())
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "signed as authority %d; when all have, anybody runs 'milagro ceremony run %s --out %s'\n",
			agreed.Index, quote(args[0]), documentFile(plan))
		return nil
	}
	return cmd
}

// documentFile returns a name for the document that follows from a plan.
func documentFile(p *dkg.Plan) string {
	if s := p.Service(); s != nil {
		return fmt.Sprintf("domain-%d.json", s.Revision+1)
	}
	return "domain.json"
}
