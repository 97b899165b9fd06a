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

func denyCommand() *cobra.Command {
	return addWallet(group("deny", "refuse names and devices at once",
		`Keep the wallet's deny list: peers that no program on this wallet directory talks
to any more. An entry takes effect within a second, also on open connections and in
programs that run already; it asks no authority and tells nobody. To end a device for
the whole domain its authorities revoke it: 'milagro dta revoke'.`,
		"  milagro deny add spiffe://example.org/web --reason 'stolen laptop'\n  milagro deny list",
		denyAddCommand(), denyRemoveCommand(), denyListCommand()))
}

// denial is an entry for programs.
type denial struct {
	Name   string    `json:"name,omitempty"`
	Device string    `json:"device,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Time   time.Time `json:"time,omitzero"`
}

func describeDenial(d wallet.Denial) denial {
	shown := denial{Name: d.Name.String(), Reason: d.Reason, Time: d.Time}
	if d.Device != (identity.DeviceHash{}) {
		shown.Device = d.Device.String()
	}
	return shown
}

// whom says in words whom an entry is about.
func (d denial) whom() string {
	switch {
	case d.Device == "":
		return d.Name
	case d.Name == "":
		return "device " + d.Device
	}
	return d.Name + " on device " + d.Device
}

type denyResult struct {
	denial
	Denied bool `json:"denied"`
}

// Text says what holds now.
func (r denyResult) Text(w io.Writer) {
	if r.Denied {
		fmt.Fprintf(w, "%s is denied\n", r.whom())
		return
	}
	fmt.Fprintf(w, "%s is off the deny list\n", r.whom())
}

// denialOf returns the entry that arguments and flag name.
func denialOf(cmd *cobra.Command, args []string, device string) (d wallet.Denial, err error) {
	if len(args) == 0 && device == "" {
		return d, usagef(cmd, "%s: whom? NAME or --device is missing", cmd.CommandPath())
	}
	if len(args) > 0 {
		if d.Name, err = identity.ParseName(args[0]); err != nil {
			return d, err
		}
	}
	if device != "" {
		if d.Device, err = identity.ParseDeviceHash(device); err != nil {
			return d, usagef(cmd, "--device: %w", err)
		}
		if d.Device == (identity.DeviceHash{}) {
			return d, usagef(cmd, "--device: no device has this hash")
		}
	}
	return d, nil
}

func denyAddCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "add [NAME]", Short: "deny a name, a device, or a device under a name", Args: atMost("NAME"),
		Example: "  milagro deny add spiffe://example.org/web\n  milagro deny add --device 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		Long: `Deny a name with all its devices; a device under all its names; or, given both, the
device under that name alone. Denied again, an entry gets the new reason.`,
	})
	device := cmd.Flags().String("device", "", "this device, as 'milagro show' and 'milagro dta list' show it")
	reason := cmd.Flags().String("reason", "", "why, for people who read the list (at most 256 bytes)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := denialOf(cmd, args, *device)
		if err != nil {
			return err
		}
		d.Reason = *reason
		w, err := openWallet(cmd)
		if err != nil {
			return err
		}
		if err := w.Deny(cmd.Context(), d); err != nil {
			return fmt.Errorf("deny: %w", err)
		}
		return show(cmd, denyResult{describeDenial(d), true})
	}
	return cmd
}

func denyRemoveCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "remove [NAME]", Short: "take an entry off the deny list", Args: atMost("NAME"),
		Example: "  milagro deny remove spiffe://example.org/web",
		Long: `Take an entry off the deny list: that with exactly this name and this device. What
authorities have revoked stays revoked.`,
	})
	device := cmd.Flags().String("device", "", "the entry's device")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := denialOf(cmd, args, *device)
		if err != nil {
			return err
		}
		w, err := openWallet(cmd)
		if err != nil {
			return err
		}
		err = w.Allow(cmd.Context(), d)
		if errors.Is(err, wallet.ErrNotDenied) {
			return withHint(fmt.Errorf("%s: %w", describeDenial(d).whom(), err), "see 'milagro deny list': an entry goes by its name and its device together")
		}
		if err != nil {
			return fmt.Errorf("deny: %w", err)
		}
		return show(cmd, denyResult{describeDenial(d), false})
	}
	return cmd
}

type denyListResult struct {
	Entries []denial `json:"entries"`
}

func denyListCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "list", Short: "show the deny list", Args: exactly(),
		Example: "  milagro deny list --json",
		Long:    "Show whom this wallet denies, since when, and why.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWallet(cmd)
			if err != nil {
				return err
			}
			all, err := w.Denied()
			if err != nil {
				return err
			}
			r := denyListResult{Entries: []denial{}}
			for _, d := range all {
				r.Entries = append(r.Entries, describeDenial(d))
			}
			return show(cmd, r)
		},
	})
}

// Text prints a line for each entry.
func (r denyListResult) Text(w io.Writer) {
	if len(r.Entries) == 0 {
		fmt.Fprintln(w, "nobody is denied")
		return
	}
	rows := [][]string{{"NAME", "DEVICE", "SINCE", "REASON"}}
	for _, d := range r.Entries {
		name, device := d.Name, d.Device
		if name == "" {
			name = "any"
		}
		if device == "" {
			device = "any"
		}
		rows = append(rows, []string{name, device, d.Time.Format(time.RFC3339), fmt.Sprintf("%q", d.Reason)})
	}
	table(w, rows...)
}
