package main

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
	"milagro.dev/internal/login"
)

type (
	loginInviteResult      login.Invitation
	loginInvitationsResult login.Invitations
	loginWithdrawResult    struct {
		Name      identity.Name `json:"name"`
		Withdrawn int           `json:"withdrawn"`
	}
)

func loginInviteCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "invite NAME", Short: "make a link with which a person enrols a device", Args: exactly("NAME"),
		Example: "  milagro login invite acct:alice@example.org --dir ./login",
		Long: `Print a link with which a person enrols one device: in a browser, or with 'milagro mpin
register --invitation'. Whoever has it first enrols a device in that name, so give it
to nobody else; authorities that mail codes of their own want those besides. It is
shown once. A second device takes a second invitation. Where two operators decide, it
is proposed.`,
	})
	key := addProposerKey(cmd)
	life := cmd.Flags().Duration("life", 7*24*time.Hour, "how long it may wait for its use, 90 days at most")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := identity.ParseName(args[0])
		if err != nil {
			return err
		}
		operator, err := loginOperator(cmd)
		if err != nil {
			return err
		}
		made, err := operator.Invite(cmd.Context(), name, time.Now().Add(*life))
		if err != nil {
			return err
		}
		if made.Proposal != nil {
			return proposed(cmd, operator, *made.Proposal, *key)
		}
		if err := show(cmd, loginInviteResult(made)); err != nil {
			return err
		}
		note(cmd, "for one device of %v, until %s; authorities decide what it is worth: 'milagro login card --key' is for their [[registration]]",
			name, made.Expires.Format(time.RFC3339))
		return nil
	}
	return cmd
}

// Text prints the link alone.
func (r loginInviteResult) Text(w io.Writer) { fmt.Fprintln(w, r.Link) }

func loginInvitationsCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "invitations [NAME]", Short: "list invitations", Args: atMost("NAME"),
		Example: "  milagro login invitations --dir ./login",
		Long: `List the invitations of one person or of all, the newest first, and what became of
them: open, taken by a device that has not got its keys yet, spent, expired. The links
themselves are not kept.`,
		RunE: func(cmd *cobra.Command, args []string) error {
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
			list, err := operator.Invitations(cmd.Context(), name)
			if err != nil {
				return err
			}
			return show(cmd, loginInvitationsResult(list))
		},
	})
}

// Text prints a table.
func (r loginInvitationsResult) Text(w io.Writer) {
	if len(r.Invitations) == 0 {
		fmt.Fprintln(w, "nobody is invited")
		return
	}
	rows := [][]string{{"NAME", "STATE", "BY", "EXPIRES", "DEVICE"}}
	for _, i := range r.Invitations {
		device := ""
		if i.Device != nil {
			device = i.Device.String()
		}
		rows = append(rows, []string{i.Name, i.State, i.By, i.Expires.UTC().Format(time.RFC3339), device})
	}
	table(w, rows...)
	if r.More {
		fmt.Fprintln(w, "there are more: give a NAME")
	}
}

func loginWithdrawCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "withdraw NAME", Short: "end a person's unused invitations", Args: exactly("NAME"),
		Example: "  milagro login withdraw acct:alice@example.org --dir ./login",
		Long: `End the invitations of a person that have enrolled no device yet. What a device got on
one already is good for the rest of its hour: 'milagro login revoke' ends the device.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := identity.ParseName(args[0])
			if err != nil {
				return err
			}
			operator, err := loginOperator(cmd)
			if err != nil {
				return err
			}
			done, err := operator.Withdraw(cmd.Context(), name)
			if err != nil {
				return err
			}
			return show(cmd, loginWithdrawResult{name, done.Invitations})
		},
	})
}

// Text says how many were ended.
func (r loginWithdrawResult) Text(w io.Writer) {
	fmt.Fprintf(w, "withdrew %d invitations of %s\n", r.Withdrawn, r.Name)
}

// enrolment fills in who may ask for an invitation by mail, and the proxies.
func (s loginSettings) enrolment(c *login.Config) error {
	for _, text := range s.Enrol.ByMail {
		p, err := identity.ParsePattern(text)
		if err != nil {
			return fmt.Errorf("enrol.by_mail: %w", err)
		}
		c.ByMail = append(c.ByMail, p)
	}
	for _, text := range s.Proxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			address, addressErr := netip.ParseAddr(text)
			if addressErr != nil {
				return fmt.Errorf("proxies: %.64q is neither an address nor a network", text)
			}
			p = netip.PrefixFrom(address, address.BitLen())
		}
		c.Proxies = append(c.Proxies, p)
	}
	return nil
}
