package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
	"milagro.dev/dta"
	"milagro.dev/wallet"
)

type domainStatusResult struct {
	Domain      string            `json:"domain"`
	Fingerprint string            `json:"fingerprint"`
	Threshold   int               `json:"threshold"`
	Up          int               `json:"up"`
	Fresh       bool              `json:"fresh"`
	Authorities []authorityStatus `json:"authorities"`
}

type authorityStatus struct {
	Index    uint32 `json:"index"`
	Name     string `json:"name"`
	URL      string `json:"url"`
	Up       bool   `json:"up"`
	Revision uint64 `json:"revision,omitempty"`
	StampDay uint32 `json:"stamp_day,omitempty"`
	Error    string `json:"error,omitempty"`
}

func domainStatusCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "status [DOMAIN]", Short: "ask every authority of a domain what it serves", Args: atMost("DOMAIN"),
		Example: "  milagro domain status example.org",
		Long: `Ask every authority of a pinned domain for its document. The exit status is 0 if
enough of them are up to issue a key, and show a fresh document.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := openWallet(cmd)
			if err != nil {
				return err
			}
			ref, err := onlyDomain(w, args)
			if err != nil {
				return err
			}
			pinned, err := w.Domain(ref)
			if err != nil {
				return pinFirst(err)
			}
			statuses, err := w.Status(cmd.Context(), ref)
			if err != nil {
				return err
			}
			r := describeStatus(pinned, statuses)
			return errors.Join(show(cmd, r), r.verdict())
		},
	})
}

func describeStatus(pinned *wallet.Pinned, statuses []wallet.AuthorityStatus) domainStatusResult {
	d := pinned.Published.Document
	r := domainStatusResult{Domain: d.Domain(), Fingerprint: d.ID().String(), Threshold: d.Threshold()}
	for _, s := range statuses {
		a := authorityStatus{Index: s.Index, Name: s.Name, URL: s.URL, Up: s.Up, Revision: s.Revision, StampDay: s.StampDay}
		if s.Err != nil {
			a.Error = s.Err.Error()
		}
		if s.Up {
			r.Up++
			r.Fresh = r.Fresh || !errors.Is(s.Err, dta.ErrStale)
		}
		r.Authorities = append(r.Authorities, a)
	}
	return r
}

func (r domainStatusResult) verdict() error {
	if r.Up < r.Threshold {
		return fmt.Errorf("%s: %d authorities are up, %d are needed for a key", r.Domain, r.Up, r.Threshold)
	}
	if !r.Fresh {
		return fmt.Errorf("%s: %w: nobody new can enrol", r.Domain, dta.ErrStale)
	}
	return nil
}

// Text prints a line for each authority.
func (r domainStatusResult) Text(w io.Writer) {
	fmt.Fprintf(w, "domain %s %s\n%d of %d authorities are up, %d make a key\n", r.Domain, r.Fingerprint, r.Up, len(r.Authorities), r.Threshold)
	rows := [][]string{{"AUTHORITY", "NAME", "URL", "STATE", "REVISION", "STAMP"}}
	for _, a := range r.Authorities {
		state, revision := "up", strconv.FormatUint(a.Revision, 10)
		if !a.Up {
			state, revision = "down", "-"
		}
		rows = append(rows, []string{strconv.Itoa(int(a.Index)), a.Name, a.URL, state, revision, stampText(a.StampDay)})
	}
	table(w, rows...)
	for _, a := range r.Authorities {
		if a.Error != "" {
			fmt.Fprintf(w, "authority %d (%s): %s\n", a.Index, a.Name, a.Error)
		}
	}
}
