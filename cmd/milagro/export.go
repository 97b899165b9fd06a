package main

import "github.com/spf13/cobra"

func exportCommand() *cobra.Command {
	return group("export", "credentials for programs that do not speak identity TLS",
		`Give a program on this host what it understands. What is exported is trusted on
the hop between that program and its own sidecar only (doc/bridge.md).`,
		"  milagro export x509 --socket /run/milagro/workload.sock --out /run/web/tls --watch",
		exportX509Command())
}
