package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"milagro.dev/identity"
	"milagro.dev/wallet"
)

type showResult struct {
	Names []shownName `json:"names"`
}

type shownName struct {
	Name     identity.Name      `json:"name"`
	Domain   identity.DomainID  `json:"domain"`
	Device   string             `json:"device"`
	Purposes []identity.Purpose `json:"purposes"`
	Keys     []shownKey         `json:"keys"`
}

type shownKey struct {
	Purpose identity.Purpose `json:"purpose"`
	From    time.Time        `json:"from"`
	Until   time.Time        `json:"until"`
	Path    string           `json:"path"`
	Error   string           `json:"error,omitempty"`
}

func showCommand() *cobra.Command {
	return addWallet(addJSON(&cobra.Command{
		Use: "show [NAME]", Short: "show the names and keys in the wallet", Args: atMost("NAME"),
		Example: "  milagro show\n  milagro show spiffe://example.org/web --json",
		Long: `Show the names that the wallet has enrolled, or one of them, with their keys. Every
key is verified against its pinned domain; the keys themselves are not shown.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := openWallet(cmd)
			if err != nil {
				return err
			}
			names, unread := w.Names()
			if len(args) > 0 {
				name, err := identity.ParseName(args[0])
				if err != nil {
					return err
				}
				names, unread = []identity.Name{name}, nil
			}
			var r showResult
			errs := []error{unread}
			for _, name := range names {
				e, err := w.Show(name)
				errs = append(errs, enrolFirst(err))
				if err == nil {
					shown, bad := describeEnrolment(e)
					r.Names, errs = append(r.Names, shown), append(errs, bad)
				}
			}
			return errors.Join(append([]error{show(cmd, r)}, errs...)...)
		},
	}))
}

// describeEnrolment returns what is shown of e, and what is wrong with its keys.
func describeEnrolment(e *wallet.Enrolment) (shownName, error) {
	n := shownName{Name: e.Name, Domain: e.Domain, Device: e.Device.String(), Purposes: e.Purposes}
	var bad []error
	for _, k := range e.Keys {
		s := shownKey{Purpose: k.Purpose, Path: k.Path, From: time.Unix(int64(k.Epoch.Start), 0).UTC(), Until: time.Unix(int64(k.Epoch.End()), 0).UTC()}
		if k.Err != nil {
			s.Error = k.Err.Error()
			bad = append(bad, k.Err)
		}
		n.Keys = append(n.Keys, s)
	}
	return n, errors.Join(bad...)
}

// Text prints each name with its keys.
func (r showResult) Text(w io.Writer) {
	if len(r.Names) == 0 {
		fmt.Fprintln(w, "no name is enrolled")
	}
	for _, n := range r.Names {
		fmt.Fprintf(w, "%v in domain %v\n  device %s\n", n.Name, n.Domain, n.Device)
		for _, k := range n.Keys {
			state := "good"
			if k.Error != "" {
				state = k.Error
			}
			fmt.Fprintf(w, "  %s key %s to %s: %s\n", k.Purpose, k.From.Format(time.RFC3339), k.Until.Format(time.RFC3339), state)
		}
	}
}
