package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
	"milagro.dev/internal/login"
)

type (
	loginListResult  login.Listing
	loginAuditResult login.Audit
)

func loginListCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "list [NAME]", Short: "list devices, or what was decided about them", Args: atMost("NAME"),
		Example: "  milagro login list --dir ./login\n  milagro login list acct:alice@example.org --audit --dir ./login",
		Long: `List the devices that log in here, of one person or of all, with wrong PINs in a row
and since enrolment. With --audit list what was decided about a person instead, the
newest first: here, and only here, it says why a login was refused.`,
	})
	audit := cmd.Flags().Bool("audit", false, "list decisions instead of devices")
	limit := cmd.Flags().Int("limit", 100, "with --audit, at most so many decisions")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var name identity.Name
		if len(args) > 0 {
			var err error
			if name, err = identity.ParseName(args[0]); err != nil {
				return err
			}
		}
		operator, err := loginOperator(cmd)
		if err != nil {
			return err
		}
		if *audit {
			decisions, err := operator.Audit(cmd.Context(), name, *limit)
			if err != nil {
				return err
			}
			return show(cmd, loginAuditResult(decisions))
		}
		listing, err := operator.List(cmd.Context(), name)
		if err != nil {
			return err
		}
		return show(cmd, loginListResult(listing))
	}
	return cmd
}

// Text prints a table of devices.
func (r loginListResult) Text(w io.Writer) {
	if len(r.Devices) == 0 {
		fmt.Fprintln(w, "no device is registered")
		return
	}
	rows := [][]string{{"NAME", "STATE", "WRONG", "IN ALL", "LAST LOGIN", "DEVICE"}}
	for _, d := range r.Devices {
		last := "never"
		if !d.Accepted.IsZero() {
			last = d.Accepted.UTC().Format(time.RFC3339)
		}
		rows = append(rows, []string{d.Name, d.State, fmt.Sprint(d.Streak), fmt.Sprint(d.Total), last, d.Device.String()})
	}
	table(w, rows...)
	if r.More {
		fmt.Fprintln(w, "there are more: give a NAME")
	}
}

// Text prints a table of decisions.
func (r loginAuditResult) Text(w io.Writer) {
	if len(r.Decisions) == 0 {
		fmt.Fprintln(w, "nothing was decided")
		return
	}
	rows := [][]string{{"TIME", "NAME", "EVENT", "REASON", "DEVICE"}}
	for _, d := range r.Decisions {
		rows = append(rows, []string{d.Time.UTC().Format(time.RFC3339), d.Name, d.Event, d.Reason, d.Device.String()})
	}
	table(w, rows...)
}
