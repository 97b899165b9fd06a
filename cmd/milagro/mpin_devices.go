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

type devicesResult struct {
	Logins []deviceResult `json:"logins"`
}

type deviceResult struct {
	Name    identity.Name     `json:"name"`
	Service string            `json:"service"`
	Device  string            `json:"device"`
	State   wallet.LoginState `json:"state"`
	Via     string            `json:"via,omitempty"` // address over identity TLS
	Permits []permitResult    `json:"permits"`
}

type permitResult struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func mpinDevicesCommand() *cobra.Command {
	return addWallet(addJSON(&cobra.Command{
		Use: "devices", Short: "list the logins of this device", Args: exactly(),
		Example: "  milagro mpin devices\n  milagro mpin devices --json",
		Long: `List who can log in from this wallet and where, under which device key (the operator
of the login server knows it by the same digits), and until when the permits hold:
they are renewed by the device key, without the PIN. Nobody is asked.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWallet(cmd)
			if err != nil {
				return err
			}
			all, unread := w.Logins()
			r := devicesResult{Logins: []deviceResult{}}
			for _, l := range all {
				r.Logins = append(r.Logins, describeLogin(l))
			}
			return errors.Join(show(cmd, r), unread)
		},
	}))
}

func describeLogin(l *wallet.Login) deviceResult {
	d := deviceResult{Name: l.Name, Service: l.Service, Device: l.Device.String(), State: l.State, Via: l.Via.Address, Permits: []permitResult{}}
	for _, e := range l.Permits {
		d.Permits = append(d.Permits, permitResult{unixTime(e.Start), unixTime(e.End())})
	}
	return d
}

// Text prints a table.
func (r devicesResult) Text(w io.Writer) {
	if len(r.Logins) == 0 {
		fmt.Fprintln(w, "nobody is registered on this device")
		return
	}
	rows := [][]string{{"NAME", "SERVICE", "STATE", "PERMIT UNTIL", "DEVICE"}}
	for _, l := range r.Logins {
		until := "-"
		if n := len(l.Permits); n > 0 {
			until = l.Permits[n-1].To.Format(time.RFC3339)
		}
		rows = append(rows, []string{l.Name.String(), l.Service, string(l.State), until, l.Device})
	}
	table(w, rows...)
}
