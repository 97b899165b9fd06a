package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
)

type listResult authority.Listing

func dtaListCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "list [NAME]", Short: "list enrolments and unused codes", Args: atMost("NAME"),
		Example: "  milagro dta list --dir ./alpha\n  milagro dta list spiffe://example.org/web --dir ./alpha --json",
		Long:    "List who is enrolled at this authority and which one-time codes are not used yet, of one name or of all.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var name identity.Name
			if len(args) > 0 {
				var err error
				if name, err = identity.ParseName(args[0]); err != nil {
					return err
				}
			}
			operator, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			listing, err := operator.List(cmd.Context(), name)
			if err != nil {
				return err
			}
			return show(cmd, listResult(listing))
		},
	})
}

// Text prints a table of enrolments and one of codes.
func (r listResult) Text(w io.Writer) {
	if len(r.Enrolments) == 0 && len(r.Codes) == 0 {
		fmt.Fprintln(w, "nobody is enrolled, and no code is waiting")
		return
	}
	rows := [][]string{{"NAME", "PURPOSE", "STATE", "SINCE OR UNTIL", "DEVICE"}}
	for _, e := range r.Enrolments {
		state := "enrolled"
		if e.Revoked {
			state = "revoked"
		}
		rows = append(rows, []string{e.Name, purposeText(e.Purpose, e.Service), state, e.Enrolled.UTC().Format(time.RFC3339), e.Device.String()})
	}
	for _, c := range r.Codes {
		rows = append(rows, []string{c.Name, purposeText(c.Purpose, c.Service), "code waiting", c.Expires.UTC().Format(time.RFC3339), "-"})
	}
	table(w, rows...)
}

// purposeText returns a purpose with the login service, if it is one's.
func purposeText(purpose, service string) string {
	if service == "" {
		return purpose
	}
	return purpose + " " + service
}
