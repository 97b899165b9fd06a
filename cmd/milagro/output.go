package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// result is what a command found out or did: JSON for programs by its fields,
// lines for people by Text.
type result interface {
	Text(w io.Writer)
}

// addJSON gives cmd the flag --json.
func addJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("json", false, "print one JSON object for programs")
	return cmd
}

// show prints r on stdout, as --json says.
func show(cmd *cobra.Command, r result) error {
	if asJSON, err := cmd.Flags().GetBool("json"); err != nil || !asJSON {
		r.Text(cmd.OutOrStdout())
		return err
	}
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// table writes rows in columns, the first row as it is the head.
func table(w io.Writer, rows ...[]string) {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	columns.Flush()
}

// note writes a line for people to stderr.
func note(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
}

// progress returns where a long command shows how far it is: stderr if that is
// a terminal, else nowhere.
func progress(cmd *cobra.Command) func(string) {
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return func(step string) { note(cmd, "%s", step) }
	}
	return func(string) {}
}

// confirm asks on the terminal and returns nil iff the answer is yes.
func confirm(cmd *cobra.Command, question string) error {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return withHint(errors.New("nobody to ask: stdin is not a terminal"), "read what is shown above, then give --yes")
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not done: the answer was not yes")
}
