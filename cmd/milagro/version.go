package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"milagro.dev/internal/pairing"
)

type versionResult struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Backend  string `json:"backend"`
}

func versionCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "version", Short: "print the version of this program", Example: "  milagro version --json", Args: exactly(),
		Long: "Print the program's version, the revision of its source, and the curve library inside.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(cmd, buildVersion())
		},
	})
}

func buildVersion() versionResult {
	v := versionResult{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Backend: pairing.Backend}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}

// Text prints one line.
func (v versionResult) Text(w io.Writer) {
	fmt.Fprintf(w, "milagro %s %s %s %s %s\n", v.Version, v.Revision, v.Go, v.Platform, v.Backend)
}
