package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// demoLimit bounds the whole tour.
const demoLimit = 3 * time.Minute

type demoResult struct {
	OK    bool       `json:"ok"`
	Steps []demoStep `json:"steps"`
}

type demoStep struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Ms     int64  `json:"ms"`
	Detail string `json:"detail"`
}

func demoCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "demo", Short: "a tour in a minute, which fails if anything does not hold", Args: exactly(),
		Example: "  milagro demo\n  milagro demo --json",
		Long: `Make two trust domains on this machine, one whose three authorities are all needed
and one where any two of three do, and show what they are good for: services that
talk, a wrong name refused, a person who logs in with a PIN and what a thief of the
device gets, a lying authority named, authorities that are down, epochs that pass
under traffic, a device revoked. The exit status is 0 only if every step held.`,
	})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := os.MkdirTemp("", "milagro-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		ctx, cancel := context.WithTimeout(cmd.Context(), demoLimit)
		defer cancel()
		d := &demo{dir: dir}
		r := d.tour(ctx, demoLine(cmd))
		if err := errors.Join(show(cmd, r), d.stop()); err != nil {
			return err
		}
		return r.verdict()
	}
	cmd.AddCommand(demoLiarCommand())
	return cmd
}

// demoLine returns who is told of each step as it ends: nobody, with --json.
func demoLine(cmd *cobra.Command) func(demoStep) {
	if asJSON, err := cmd.Flags().GetBool("json"); err != nil || asJSON {
		return func(demoStep) {}
	}
	return func(s demoStep) { s.print(cmd.OutOrStdout()) }
}

func (s demoStep) print(w io.Writer) {
	mark := "ok  "
	if !s.OK {
		mark = "FAIL"
	}
	fmt.Fprintf(w, "%s %-34s %6.1f s  %s\n", mark, s.Name, float64(s.Ms)/1000, s.Detail)
}

// Text prints the last line: the steps were printed as they ended.
func (r demoResult) Text(w io.Writer) {
	var total int64
	held := 0
	for _, s := range r.Steps {
		total += s.Ms
		if s.OK {
			held++
		}
	}
	fmt.Fprintf(w, "%d of %d steps held, in %.1f s\n", held, len(r.Steps), float64(total)/1000)
}

func (r demoResult) verdict() error {
	for _, s := range r.Steps {
		if !s.OK {
			return fmt.Errorf("demo: %s: %s", s.Name, s.Detail)
		}
	}
	return nil
}

// tour runs the steps in order. After one that fails the others are not tried:
// each stands on those before it.
func (d *demo) tour(ctx context.Context, tell func(demoStep)) demoResult {
	steps := []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"ceremony", d.ceremony},
		{"enrol-service", d.enrolService},
		{"channel", d.channel},
		{"channel-wrong-name-refused", d.wrongName},
		{"mpin-ceremony", d.mpinCeremony},
		{"enrol-person", d.enrolPerson},
		{"login", d.personLogin},
		{"login-wrong-pin-refused", d.wrongPIN},
		{"login-lockout", d.lockout},
		{"permit-renewed-without-pin", d.permitRenewed},
		{"stolen-device-without-pin-refused", d.stolenDevice},
		{"pin-changed", d.pinChanged},
		{"lying-authority-named", d.lyingAuthority},
		{"authority-down", d.authorityDown},
		{"epochs", d.epochs},
		{"revoked", d.revoked},
	}
	r := demoResult{OK: true}
	for _, step := range steps {
		s := demoStep{Name: step.name, Detail: "not tried"}
		if r.OK {
			began := time.Now()
			detail, err := step.run(ctx)
			s.OK, s.Detail, s.Ms = err == nil, detail, time.Since(began).Milliseconds()
			if err != nil {
				s.Detail = err.Error()
			}
		}
		r.OK = r.OK && s.OK
		tell(s)
		r.Steps = append(r.Steps, s)
	}
	return r
}

// stop ends every process of the demo.
func (d *demo) stop() error {
	var errs []error
	for _, c := range d.services {
		errs = append(errs, c.stop())
	}
	errs = append(errs, d.login.stop())
	http.DefaultClient.CloseIdleConnections()
	for _, t := range []*town{d.three, d.two} {
		if t != nil {
			errs = append(errs, t.stop())
		}
	}
	return errors.Join(errs...)
}

func (d *demo) path(parts ...string) string {
	return filepath.Join(append([]string{d.dir}, parts...)...)
}
