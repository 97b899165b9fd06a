package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/ceremony"
)

type domainResult struct {
	Domain      string            `json:"domain"`
	Fingerprint identity.DomainID `json:"fingerprint"`
	Revision    uint64            `json:"revision"`
	Threshold   int               `json:"threshold"`
	StampDay    uint32            `json:"stamp_day,omitempty"`
	Authorities []domainMember    `json:"authorities"`
	Services    []domainService   `json:"services,omitempty"`
}

// domainService is a login service of a domain.
type domainService struct {
	Name        string `json:"name"`
	Origin      string `json:"origin"`
	Fingerprint string `json:"fingerprint"` // of its login server's card
}

type domainMember struct {
	Index uint32 `json:"index"`
	Name  string `json:"name"`
	URL   string `json:"url"`
}

func ceremonyRunCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "run PLAN", Short: "carry a signed plan out", Args: exactly("PLAN"),
		Example: "  milagro ceremony run plan.txt --out domain.json",
		Long: `Carry the messages of a ceremony between the authorities of a plan that all have
signed, until they serve the domain or its new login service, and write the document.
Nothing is trusted to this command: run it anywhere, and again after a crash of
anybody. When an authority cheats, it names it, writes a file that convicts it, and fails.`,
	})
	out := cmd.Flags().String("out", "", "new file for the domain document (required)")
	blame := cmd.Flags().String("blame", "blame.txt", "new file for the proof, when an authority cheats")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *out == "" {
			return usagef(cmd, "%s: --out is required", cmd.CommandPath())
		}
		if err := mustBeNew(*out); err != nil {
			return err
		}
		plan, err := readPlan(cmd, args[0])
		if err != nil {
			return err
		}
		c := ceremony.Coordinator{Client: new(dta.Client), Plan: plan, Progress: progress(cmd), Now: unixNow}
		published, err := c.Run(cmd.Context())
		if err != nil {
			return errors.Join(err, saveBlame(cmd, *blame, err))
		}
		b, err := published.MarshalJSON()
		if err != nil {
			return err
		}
		if err := writeNew(*out, 0o644, append(b, '\n')); err != nil {
			return err
		}
		note(cmd, "wrote %s", *out)
		return show(cmd, describeDomain(published))
	}
	return cmd
}

// saveBlame keeps the file that convicts, if err has one.
func saveBlame(cmd *cobra.Command, path string, err error) error {
	var proved *ceremony.Conviction
	if !errors.As(err, &proved) {
		return nil
	}
	if err := writeNew(path, 0o644, proved.File); err != nil {
		return err
	}
	note(cmd, "wrote %s, which convicts authority %d (%s): 'milagro ceremony blame %s'", path, proved.Verdict.Index, proved.Verdict.Name, quote(path))
	return nil
}

func unixNow() uint64 { return uint64(max(0, time.Now().Unix())) }

func describeDomain(p *dta.Published) domainResult {
	d := p.Document
	r := domainResult{Domain: d.Domain(), Fingerprint: d.ID(), Revision: d.Revision(), Threshold: d.Threshold()}
	if p.Stamp != nil {
		r.StampDay = p.Stamp.Day
	}
	for _, a := range d.Authorities() {
		r.Authorities = append(r.Authorities, domainMember{Index: a.Index, Name: a.Name, URL: a.URL})
	}
	for _, s := range d.Services() {
		r.Services = append(r.Services, domainService{Name: s.Name, Origin: s.Origin, Fingerprint: fmt.Sprintf("%x", s.CardFingerprint())})
	}
	return r
}

// Text prints the domain with the fingerprint that clients pin.
func (r domainResult) Text(w io.Writer) {
	fmt.Fprintf(w, "domain %s, revision %d, %s\n", r.Domain, r.Revision, stampText(r.StampDay))
	fmt.Fprintf(w, "fingerprint %v\n", r.Fingerprint)
	for _, a := range r.Authorities {
		fmt.Fprintf(w, "authority %d: %s (%s)\n", a.Index, a.Name, a.URL)
	}
	fmt.Fprintf(w, "any %d of them make a key\n", r.Threshold)
	for _, s := range r.Services {
		fmt.Fprintf(w, "login service %s at %s\n", s.Name, s.Origin)
	}
}
