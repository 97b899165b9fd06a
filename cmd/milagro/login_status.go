package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"milagro.dev/internal/login"
)

type loginStatusResult login.Status

func loginStatusCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "status", Short: "say how the login server is", Args: exactly(),
		Example: "  milagro login status --dir ./login",
		Long: `Say whether the login server lets people log in and, if not, what is missing; which
domain it goes by; how many devices are registered and locked; who decides critical
acts; and which notices and mails are still to be delivered.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			operator, err := loginOperator(cmd)
			if err != nil {
				return err
			}
			status, err := operator.Status(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd, loginStatusResult(status))
		},
	})
}

// Text begins with whether the server is ready.
func (r loginStatusResult) Text(w io.Writer) {
	if r.Ready {
		fmt.Fprintln(w, "ready")
	} else {
		fmt.Fprintf(w, "not ready: %s\n", r.Why)
	}
	fmt.Fprintf(w, "service %s (%s)\n", r.Service, r.Origin)
	if r.Domain != "" {
		fmt.Fprintf(w, "domain %s, revision %d, %v\n", r.Domain, r.Revision, r.Fingerprint)
	}
	fmt.Fprintf(w, "%d devices, %d of them locked; %d logins under way\n", r.Devices, r.Locked, r.Sessions)
	if len(r.Operators) == 0 {
		fmt.Fprintln(w, "critical acts: whoever is at this socket decides")
	} else {
		names := make([]string, len(r.Operators))
		for i, o := range r.Operators {
			names[i] = o.Name
		}
		fmt.Fprintf(w, "critical acts: two of %s decide; %d wait\n", strings.Join(names, ", "), r.Proposals)
	}
	fmt.Fprintf(w, "to be delivered: %d notices, %d mails\n", r.Notices, r.Mails)
}
