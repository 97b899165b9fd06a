package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
)

// subjectResult is what a login server's statement says.
type subjectResult struct {
	Name        identity.Name     `json:"name"`
	Domain      identity.DomainID `json:"domain"`
	Service     string            `json:"service"`
	Device      string            `json:"device"`
	ChannelKind uint8             `json:"channel_kind"`
	ID          string            `json:"id"`
	Issued      time.Time         `json:"issued"`
	Expires     time.Time         `json:"expires"`
	Statement   string            `json:"statement"`
}

func mpinWhoamiCommand() *cobra.Command {
	cmd := addWallet(addJSON(&cobra.Command{
		Use: "whoami [NAME]", Short: "verify and show the statement of the last login", Args: atMost("NAME"),
		Example: "  milagro mpin whoami\n  milagro mpin whoami acct:alice@example.org --json",
		Long: `Fetch the login server's public keys, verify the statement that the last login on
this device gave, as an application would, and show what it says. It fails when the
statement has ended.`,
	}))
	service := addService(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		w, err := openWallet(cmd)
		if err != nil {
			return err
		}
		login, err := loginOf(w, args, *service)
		if err != nil {
			return err
		}
		who, err := w.WhoAmI(cmd.Context(), login.Name, login.Service)
		if err != nil {
			return err
		}
		last, err := w.LastStatement(login.Name, login.Service)
		if err != nil {
			return err
		}
		return show(cmd, subjectResult{Name: who.Name, Domain: who.Domain, Service: who.Service, Device: who.Device.String(),
			ChannelKind: who.ChannelKind, ID: who.ID, Issued: unixTime(who.Issued), Expires: unixTime(who.Expires), Statement: last.JWT})
	}
	return cmd
}

// Text prints what an application learns.
func (r subjectResult) Text(w io.Writer) {
	bound := "to no connection (behind HTTPS)"
	if r.ChannelKind == 1 {
		bound = "to its connection over identity TLS"
	}
	fmt.Fprintf(w, "%v\n", r.Name)
	table(w, []string{"service", r.Service}, []string{"domain", r.Domain.String()}, []string{"device", r.Device},
		[]string{"bound", bound}, []string{"issued", r.Issued.Format(time.RFC3339)}, []string{"expires", r.Expires.Format(time.RFC3339)})
}
