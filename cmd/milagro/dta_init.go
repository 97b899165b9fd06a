package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"milagro.dev/internal/authority"
)

type initResult struct {
	Dir     string `json:"dir"`
	Name    string `json:"name"`
	URL     string `json:"url"`
	KeyFile string `json:"key_file,omitempty"` // that was made
}

func dtaInitCommand() *cobra.Command {
	var s seal
	cmd := addJSON(&cobra.Command{
		Use: "init", Short: "make the keys and the card of a new authority", Args: exactly(),
		Example: "  milagro dta init --dir ./alpha --name \"Alpha Ltd\" --url https://dta.alpha.example --passphrase-file /run/secrets/alpha",
		Long: `Make an authority's keys and its signed public card in a new directory. Keys are
sealed by a passphrase or by a key file; without either a key file is made in the
directory, from where you should move it. Nothing that exists is overwritten.`,
	})
	s.addFlags(cmd)
	name := cmd.Flags().String("name", "", "who runs this authority, for people (required)")
	url := cmd.Flags().String("url", "", "where applicants and other authorities reach it (required)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *name == "" || *url == "" {
			return usagef(cmd, "%s: --name and --url are required", cmd.CommandPath())
		}
		dir, err := dtaDir(cmd)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		protector, made, err := s.create(dir)
		if err != nil {
			return err
		}
		card, err := authority.Init(cmd.Context(), dir, protector, *name, *url)
		if err != nil {
			return err
		}
		return show(cmd, initResult{Dir: dir, Name: card.Name, URL: card.URL, KeyFile: made})
	}
	return cmd
}

// Text says what was made and what comes next.
func (r initResult) Text(w io.Writer) {
	fmt.Fprintf(w, "made authority %q (%s) in %s\n", r.Name, r.URL, r.Dir)
	if r.KeyFile != "" {
		fmt.Fprintf(w, "made %s, which unseals its keys: keep a copy in a safe, and the file away from backups of the directory\n", r.KeyFile)
	}
	fmt.Fprintf(w, "next: send 'milagro dta card --dir %s' to whoever plans the ceremony\n", quote(r.Dir))
}
