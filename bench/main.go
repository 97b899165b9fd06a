// Command bench measures Milagro side by side with what it is compared to:
// each row is a ratio of two operations that were run in turn, in one process,
// on one machine, so that the ratio holds where absolute times do not.
//
//	go run ./bench          a table
//	go run ./bench -json    an array of rows
//	go run ./bench -run IBS rows whose name matches
//
// bench/README.md has the table of a named machine and explains the rows.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"text/tabwriter"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
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
	rows := []row{}
	for _, s := range subjects {
		if !match.MatchString(s.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench:", s.name)
		r, err := s.measure()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, r)
	}
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	return table(out, rows)
}

func table(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "name\tns/op\tagainst\tns/op\tratio\t")
	for _, r := range rows {
		against, ns, ratio := "–", "–", "–"
		if r.Against != nil {
			against, ns, ratio = *r.Against, fmt.Sprintf("%.0f", *r.AgainstNS), fmt.Sprintf("%.2f", *r.Ratio)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%s\t%s\t\n", r.Name, r.NS, against, ns, ratio)
	}
	return w.Flush()
}
