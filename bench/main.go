// Command bench measures Milagro side by side with what it is compared to:
// each row is a ratio of two operations that were run in turn, in one process,
// on one machine, so that the ratio holds where absolute times do not.
//
//	go run ./bench          a table
//	go run ./bench -json    an array of rows
//	go run ./bench -run IBS rows whose name matches
//
// A row whose reference is a program that is not installed is left out, and said so.
//
// bench/README.md has the table of a named machine and explains the rows.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"text/tabwriter"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// start is run, or the process that a row has asked for.
func start(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case loginServe:
			return serveLogin(args[1:], os.Stdin, os.Stdout)
		case forward:
			return serveForward(args[1:])
		}
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // where zitadel/oidc logs
	return run(args, os.Stdout)
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print a JSON array of rows")
	pattern := flags.String("run", "", "only rows whose name matches")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	rows, err := measureAll(slices.DeleteFunc(slices.Clone(subjects), func(s subject) bool { return !match.MatchString(s.name) }))
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	return table(out, rows)
}

// measureAll makes the rows of subjects but those whose reference is not installed.
func measureAll(all []subject) ([]row, error) {
	rows := []row{}
	for _, s := range all {
		fmt.Fprintln(os.Stderr, "bench:", s.name)
		r, err := s.measure()
		if absent, ok := errors.AsType[*absentError](err); ok {
			fmt.Fprintf(os.Stderr, "bench: no row %s: %v\n", s.name, absent)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func table(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "name\tns/op\tagainst\tns/op\tratio\t")
	for _, r := range rows {
		own, unit, against, reference, ratio := r.NS, "", "–", "–", "–"
		other := r.AgainstNS
		if r.Bytes != nil {
			own, other, unit = r.Bytes, r.AgainstBytes, " bytes"
		}
		if r.Against != nil {
			against, reference, ratio = *r.Against, fmt.Sprintf("%.0f%s", *other, unit), fmt.Sprintf("%.*f", digits(*r.Ratio), *r.Ratio)
		}
		fmt.Fprintf(w, "%s\t%.0f%s\t%s\t%s\t%s\t\n", r.Name, *own, unit, against, reference, ratio)
	}
	return w.Flush()
}

// digits are how many of a ratio are told: small ones need more.
func digits(ratio float64) int {
	if ratio < 0.1 {
		return 3
	}
	return 2
}
