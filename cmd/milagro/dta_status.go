package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"milagro.dev/internal/authority"
)

type statusResult authority.Status

func dtaStatusCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "status", Short: "say how the authority is", Args: exactly(),
		Example: "  milagro dta status --dir ./alpha",
		Long:    "Say whether the running authority is ready, which plans its operator signed, which domain it serves, and who approves what.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			operator, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			status, err := operator.Status(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd, statusResult(status))
		},
	})
}

// operatorOf speaks to the authority that cmd names.
func operatorOf(cmd *cobra.Command) (*authority.Operator, error) {
	dir, err := dtaDir(cmd)
	if err != nil {
		return nil, err
	}
	return authority.NewOperator(authority.SocketPath(dir)), nil
}

// Text prints what an operator looks at first.
func (s statusResult) Text(w io.Writer) {
	ready := "ready"
	if !s.Ready {
		ready = "not ready: " + s.Why
	}
	fmt.Fprintf(w, "%s (%s)\n%s\n%d shares issued\n", s.Name, s.URL, ready, s.Issued)
	for _, p := range s.Plans {
		fmt.Fprintf(w, "plan %v for %s: %s, this is authority %d\n", p.Plan, p.Domain, p.State, p.Index)
	}
	if d := s.Domain; d != nil {
		fmt.Fprintf(w, "serves %s %v\n  revision %d, %d of %d authorities make a key, %s\n",
			d.Domain, d.Fingerprint, d.Revision, d.Threshold, d.Authorities, stampText(d.StampDay))
	}
	for _, service := range s.Services {
		fmt.Fprintf(w, "login service %s at %s: %s\n", service.Name, service.Origin, serviceText(service))
	}
	for _, o := range s.Operators {
		fmt.Fprintf(w, "operator %s\n", o.Name)
	}
	for _, a := range s.Approvals {
		fmt.Fprintf(w, "%s has approved %s %s, until %s\n", a.Operator, a.Act, a.Subject, a.Expires.UTC().Format(time.RFC3339))
	}
}

// serviceText says whether keys are issued for a service, and how far the delivery
// of its server key is.
func serviceText(s authority.ServiceState) string {
	state := "issues keys"
	if s.Why != "" {
		state = "issues none, " + s.Why
	}
	if s.Approved > 0 {
		state += "; server key: " + approvalText(s.Approved, s.Needed)
	}
	return fmt.Sprintf("%s; server key fetched %d times", state, s.Delivered)
}

// stampText says for which day a document is stamped; 0 is none.
func stampText(day uint32) string {
	if day == 0 {
		return "no stamp"
	}
	return "stamped for " + time.Unix(int64(day)*86_400, 0).UTC().Format(time.DateOnly)
}
