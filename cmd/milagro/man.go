package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man [COMMAND…]", Short: "print the manual page of a command", Args: cobra.ArbitraryArgs,
		Example: "  milagro man dta serve | man -l -",
		Long:    "Print the manual page of a command, or of milagro itself, in the format of man(7).",
		RunE: func(cmd *cobra.Command, args []string) error {
			page, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef(cmd, "no command %q", strings.Join(args, " "))
			}
			writeMan(cmd.OutOrStdout(), page)
			return nil
		},
	}
}

func writeMan(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, ".TH %q 1\n.SH NAME\n%s \\- %s\n", strings.ToUpper(strings.ReplaceAll(cmd.CommandPath(), " ", "-")),
		roff(cmd.CommandPath()), roff(cmd.Short))
	fmt.Fprintf(w, ".SH SYNOPSIS\n%s\n.SH DESCRIPTION\n%s\n", roff(cmd.UseLine()), roff(cmd.Long))
	if subs := cmd.Commands(); len(subs) > 0 {
		fmt.Fprintln(w, ".SH COMMANDS")
		for _, sub := range subs {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(w, ".TP\n%s\n%s\n", roff(sub.CommandPath()), roff(sub.Short))
			}
		}
	}
	fmt.Fprintln(w, ".SH OPTIONS")
	list := func(f *pflag.Flag) { fmt.Fprintf(w, ".TP\n\\-\\-%s\n%s\n", roff(f.Name), roff(f.Usage)) }
	cmd.LocalFlags().VisitAll(list)
	cmd.InheritedFlags().VisitAll(list)
	fmt.Fprintf(w, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
}

// roff escapes text for troff: backslashes, hyphens, and lines that would be
// requests.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
