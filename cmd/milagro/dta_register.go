package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
)

// codesHeader is the first line of a file of one-time codes.
const codesHeader = "name,purpose,code,expires"

type registerResult struct {
	Purpose identity.Purpose         `json:"purpose"`
	Service string                   `json:"service,omitempty"`
	Expires time.Time                `json:"expires"`
	Codes   []authority.Registration `json:"codes"`
	Out     string                   `json:"out,omitempty"`
}

func dtaRegisterCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "register [NAME]", Short: "make one-time codes for names", Args: atMost("NAME"),
		Example: "  milagro dta register spiffe://example.org/web --purpose channel --dir ./alpha\n  milagro dta register --from names.txt --expires 24h --out codes.csv --dir ./alpha\n  milagro dta register acct:alice@example.org --purpose mpin --service login --dir ./alpha",
		Long: `Make a one-time code at this authority for a name, or for each name in a file,
one a line. Whoever shows the code, and shows those of the other authorities to
them, gets the key of that name: hand it over by a way that you trust.

With --out the codes go to a new file that only you can read, else to stdout.`,
	})
	purpose := cmd.Flags().String("purpose", string(identity.Channel), "channel, decrypt, or mpin for a login")
	service := cmd.Flags().String("service", "", "the login service that codes of purpose mpin are for")
	from := cmd.Flags().String("from", "", "file with names, one a line ('-' for stdin)")
	expires := cmd.Flags().Duration("expires", 24*time.Hour, "how long the codes are good for")
	out := cmd.Flags().String("out", "", "new file for the codes, CSV")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names, err := namesToRegister(cmd, args, *from)
		if err != nil {
			return err
		}
		p, err := identity.ParsePurpose(*purpose)
		if err != nil {
			return usagef(cmd, "--purpose: %w", err)
		}
		if (p == identity.MPin) != (*service != "") {
			return usagef(cmd, "%s: --service goes with --purpose mpin, and with no other", cmd.CommandPath())
		}
		if err := mustBeNew(*out); err != nil {
			return err
		}
		operator, err := operatorOf(cmd)
		if err != nil {
			return err
		}
		r := registerResult{Purpose: p, Service: *service, Expires: time.Now().Add(*expires).UTC().Truncate(time.Second), Out: *out}
		r.Codes, err = r.register(cmd.Context(), operator, names)
		if len(r.Codes) == 0 {
			return err
		}
		return errors.Join(r.deliver(cmd), err)
	}
	return cmd
}

func (r registerResult) register(ctx context.Context, operator *authority.Operator, names []identity.Name) ([]authority.Registration, error) {
	if r.Purpose == identity.MPin {
		return operator.RegisterLogin(ctx, names, r.Service, r.Expires)
	}
	return operator.Register(ctx, names, r.Purpose, r.Expires)
}

func namesToRegister(cmd *cobra.Command, args []string, from string) ([]identity.Name, error) {
	if (len(args) == 0) == (from == "") {
		return nil, usagef(cmd, "%s: give a NAME, or a file of names with --from", cmd.CommandPath())
	}
	lines := args
	if from != "" {
		b, err := readInput(from, cmd.InOrStdin())
		if err != nil {
			return nil, err
		}
		lines = strings.Split(string(b), "\n")
	}
	var names []identity.Name
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, err := identity.ParseName(line)
		if err != nil && from != "" {
			return nil, fmt.Errorf("%s line %d: %w", from, i+1, err)
		}
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no names in it", from)
	}
	return names, nil
}

// deliver puts the codes where they were asked for: they are not shown again.
func (r registerResult) deliver(cmd *cobra.Command) error {
	if r.Out == "" {
		return show(cmd, r)
	}
	if err := writeNew(r.Out, 0o600, r.csv()); err != nil {
		return err
	}
	note(cmd, "wrote %d codes to %s", len(r.Codes), r.Out)
	return nil
}

func (r registerResult) csv() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, codesHeader)
	w := csv.NewWriter(&b)
	for _, c := range r.Codes {
		w.Write([]string{c.Name.String(), string(r.Purpose), c.Code, r.Expires.Format(time.RFC3339)}) // to memory
	}
	w.Flush()
	return b.Bytes()
}

// Text prints the codes as the file that 'milagro enrol --codes' reads.
func (r registerResult) Text(w io.Writer) { w.Write(r.csv()) }
