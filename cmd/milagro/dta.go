package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

const dtaDirVariable = "MILAGRO_DTA_DIR"

func dtaCommand() *cobra.Command {
	g := group("dta", "be an authority",
		`Run one Distributed Trust Authority: make its keys, serve, and decide which
names may have its share of a key. All but init and card speak to the running
'dta serve' through a socket in its directory, which only its owner can open.`,
		"  milagro dta init --dir ./alpha --name \"Alpha Ltd\" --url https://dta.alpha.example\n  milagro dta serve --dir ./alpha --listen 127.0.0.1:7001",
		dtaInitCommand(), dtaCardCommand(), dtaServeCommand(), dtaRegisterCommand(), dtaRevokeCommand(),
		dtaListCommand(), dtaOperatorCommand(), dtaApproveCommand(), dtaStatusCommand())
	g.PersistentFlags().String("dir", "", "the authority's directory (or "+dtaDirVariable+")")
	return g
}

// dtaDir returns the authority's directory, as an absolute path.
func dtaDir(cmd *cobra.Command) (string, error) {
	dir, err := cmd.Flags().GetString("dir")
	if err != nil {
		return "", err
	}
	if dir == "" {
		dir = os.Getenv(dtaDirVariable)
	}
	if dir == "" {
		return "", usagef(cmd, "%s: which authority? --dir is missing, and %s is not set", cmd.CommandPath(), dtaDirVariable)
	}
	return filepath.Abs(dir)
}
