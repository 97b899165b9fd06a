package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/wallet"
)

type domainStatusResult struct {
	Domain      string            `json:"domain"`
	Fingerprint string            `json:"fingerprint"`
	Threshold   int               `json:"threshold"`
	Up          int               `json:"up"`
	Fresh       bool              `json:"fresh"`
	Authorities []authorityStatus `json:"authorities"`
	// Revoked devices are those that so many authorities name as are needed.
	Revoked []revokedDevice `json:"revoked"`
	Needed  int             `json:"needed"`
}

type revokedDevice struct {
	Name   identity.Name `json:"name"`
	Device string        `json:"device"`
}

type authorityStatus struct {
	Index    uint32 `json:"index"`
	Name     string `json:"name"`
	URL      string `json:"url"`
	Up       bool   `json:"up"`
	Revision uint64 `json:"revision,omitempty"`
	StampDay uint32 `json:"stamp_day,omitempty"`
	Error    string `json:"error,omitempty"`
	// Lists is how many devices its list of revocations names, Age how old that is in
	// seconds; both are null without a list.
	Lists *int   `json:"lists"`
	Age   *int64 `json:"list_age"`
}

func domainStatusCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "status [DOMAIN]", Short: "ask every authority of a domain what it serves", Args: atMost("DOMAIN"),
		Example: "  milagro domain status example.org",
		Long: `Ask every authority of a pinned domain for its document. The exit status is 0 if
enough of them are up to issue a key, and show a fresh document. Their lists of revoked
devices are fetched too: programs on this wallet go by them within a second.`,
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
			lists := r.addRevocations(w, w.RefreshRevocations(cmd.Context(), ref))
			return errors.Join(show(cmd, r), lists, r.verdict())
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

// addRevocations adds what the wallet has heard of revoked devices; refused is why
// it did not take some lists. An authority that is down is named already.
func (r *domainStatusResult) addRevocations(w *wallet.Wallet, refused error) error {
	held, err := w.Revocations(r.Domain)
	if err != nil {
		return err
	}
	r.Needed, r.Revoked = held.Needed, []revokedDevice{}
	for _, d := range held.Revoked {
		r.Revoked = append(r.Revoked, revokedDevice{Name: d.Name, Device: d.Device.String()})
	}
	for i, l := range held.Lists {
		if age := int64(l.Age.Seconds()); l.Sequence > 0 && i < len(r.Authorities) {
			r.Authorities[i].Lists, r.Authorities[i].Age = &l.Entries, &age
		}
	}
	if errors.Is(refused, wallet.ErrSequence) || errors.Is(refused, dta.ErrRevocations) {
		return refused
	}
	return nil
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

// listText says how many devices an authority's list names, and how old it is.
func (a authorityStatus) listText() string {
	if a.Lists == nil {
		return "-"
	}
	return fmt.Sprintf("%d, %d s ago", *a.Lists, *a.Age)
}

// Text prints a line for each authority.
func (r domainStatusResult) Text(w io.Writer) {
	fmt.Fprintf(w, "domain %s %s\n%d of %d authorities are up, %d make a key\n", r.Domain, r.Fingerprint, r.Up, len(r.Authorities), r.Threshold)
	rows := [][]string{{"AUTHORITY", "NAME", "URL", "STATE", "REVISION", "STAMP", "REVOKED"}}
	for _, a := range r.Authorities {
		state, revision := "up", strconv.FormatUint(a.Revision, 10)
		if !a.Up {
			state, revision = "down", "-"
		}
		rows = append(rows, []string{strconv.Itoa(int(a.Index)), a.Name, a.URL, state, revision, stampText(a.StampDay), a.listText()})
	}
	table(w, rows...)
	for _, d := range r.Revoked {
		fmt.Fprintf(w, "revoked by %d or more: %s, device %s\n", r.Needed, d.Name, d.Device)
	}
	for _, a := range r.Authorities {
		if a.Error != "" {
			fmt.Fprintf(w, "authority %d (%s): %s\n", a.Index, a.Name, a.Error)
		}
	}
}
