package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

// run executes the command line args, those after the program's name.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

func newRoot() *cobra.Command {
	root := group("milagro", "identities from several authorities, of which none can mint one alone",
		`Milagro gives names (spiffe://example.org/web) keys that no single party can
make: several authorities each issue a share, and only the applicant holds the
whole. Two names with such keys open a mutually authenticated TLS channel.

Begin with 'milagro dev', a whole trust domain on this machine.`,
		"  milagro dev\n  milagro demo",
		dtaCommand(), ceremonyCommand(), domainCommand(), enrolCommand(), renewCommand(), agentCommand(), showCommand(), denyCommand(),
		curlCommand(), exportCommand(), proxyCommand(), mpinCommand(), loginCommand(), devCommand(), demoCommand(), versionCommand(), manCommand())
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%w", err) })
	return root
}

// group returns a command that only holds others.
func group(name, short, long, example string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: name, Short: short, Long: long, Example: example}
	g.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "%s needs a command", cmd.CommandPath())
		}
		err := usagef(cmd, "%s has no command %q", cmd.CommandPath(), args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return withHint(err, "did you mean %q?", cmd.CommandPath()+" "+near[0])
		}
		return err
	}
	g.Args = cobra.ArbitraryArgs
	g.AddCommand(commands...)
	return g
}

// exactly requires as many arguments as there are names; each is named when it
// is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usagef(cmd, "%s: %s is missing", cmd.CommandPath(), names[len(args)])
		}
		return atMost(names...)(cmd, args)
	}
}

// atMost allows no more arguments than there are names.
func atMost(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return usagef(cmd, "%s: %q is one argument too many", cmd.CommandPath(), args[len(names)])
		}
		return nil
	}
}

// atLeastOne requires an argument of this name.
func atLeastOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "%s: %s is missing", cmd.CommandPath(), name)
		}
		return nil
	}
}
