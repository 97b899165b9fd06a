package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		eachCommand(sub, visit)
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	eachCommand(newRoot(), func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s: short %q, long %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Long, cmd.Example)
		}
		if cmd.Short != strings.TrimRight(cmd.Short, ".") {
			t.Errorf("%s: %q ends with a stop", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.Runnable() {
			t.Errorf("%s does nothing", cmd.CommandPath())
		}
	})
}

func TestEveryCommandHasAManualPage(t *testing.T) {
	eachCommand(newRoot(), func(cmd *cobra.Command) {
		path := strings.Fields(cmd.CommandPath())[1:]
		page, stderr, status := execute(t, append([]string{"man"}, path...)...)
		if status != exitOK || !strings.HasPrefix(page, ".TH ") || !strings.Contains(page, ".SH EXAMPLES") {
			t.Errorf("man %v: status %d, %s%s", path, status, page, stderr)
		}
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "'") {
				t.Errorf("man %v: %q is a request to troff", path, line)
			}
		}
	})
}

func TestRoffEscapesWhatTroffWouldTake(t *testing.T) {
	if got, want := roff(".a\n'b\n--c \\d"), "\\&.a\n\\&'b\n\\-\\-c \\ed"; got != want {
		t.Errorf("roff = %q, want %q", got, want)
	}
}

func TestVersionNamesTheCurveLibrary(t *testing.T) {
	stdout, _, status := execute(t, "version", "--json")
	var v versionResult
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || status != exitOK {
		t.Fatalf("status %d, %v", status, err)
	}
	if v.Backend != "blst" && v.Backend != "circl" {
		t.Errorf("backend %q", v.Backend)
	}
}
