package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"milagro.dev/internal/login"
)

type loginStatusResult login.Status

func loginStatusCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "status", Short: "say how the login server is", Args: exactly(),
		Example: "  milagro login status --dir ./login",
		Long: `Say whether the login server lets people log in and, if not, what is missing; which
domain it goes by; how many devices are registered and locked; and which notices and
mails are still to be delivered.`,
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
	fmt.Fprintf(w, "to be delivered: %d notices, %d mails\n", r.Notices, r.Mails)
}
