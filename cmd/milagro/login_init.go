package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"milagro.dev/identity"
	"milagro.dev/internal/login"
	"milagro.dev/wallet"
)

type loginInitResult struct {
	Dir     string `json:"dir"`
	Service string `json:"service"`
	Origin  string `json:"origin"`
	KeyFile string `json:"key_file,omitempty"` // that was made
}

func loginInitCommand() *cobra.Command {
	var s seal
	cmd := addJSON(&cobra.Command{
		Use: "init", Short: "make the keys and the card of a new login server", Args: exactly(),
		Example: "  milagro login init --dir ./login --service login --origin https://login.example.org --authority https://dta.alpha.example --fingerprint milagro1…",
		Long: `Make a login server's keys and its signed public card in a new directory, and pin the
domain that it belongs to. Keys are sealed by a passphrase or by a key file; without
either a key file is made in the directory, from where you should move it. --origin is
the URL, without a path, where people's devices reach it: it is in what they sign, and
changing it takes a new service. Nothing that exists is overwritten.`,
	})
	s.addFlags(cmd)
	flags := cmd.Flags()
	c := login.InitConfig{}
	flags.StringVar(&c.Service, "service", "", "name of the service, such as login (required)")
	flags.StringVar(&c.Origin, "origin", "", "where it is reached, such as https://login.example.org (required)")
	flags.StringVar(&c.Database, "database", "", "PostgreSQL database that several servers share, postgres://… (default a file in the directory)")
	authority := flags.String("authority", "", "URL of one of the domain's authorities (required)")
	fingerprint := flags.String("fingerprint", "", "the domain's fingerprint, milagro1… (required)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if c.Service == "" || c.Origin == "" || *authority == "" {
			return usagef(cmd, "%s: --service, --origin and --authority are required", cmd.CommandPath())
		}
		if err := errors.Join(identity.CheckService(c.Service), identity.CheckOrigin(c.Origin)); err != nil {
			return err
		}
		id, err := parseFingerprint(cmd, *fingerprint)
		if err != nil {
			return err
		}
		if c.Dir, err = loginDir(cmd); err != nil {
			return err
		}
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return err
		}
		w, err := wallet.Open(wallet.Config{Dir: login.WalletDir(c.Dir)})
		if err != nil {
			return err
		}
		if _, err := w.Pin(cmd.Context(), *authority, id); err != nil {
			return err
		}
		protector, made, err := s.create(c.Dir)
		if err != nil {
			return err
		}
		c.Protector = protector
		card, err := login.Init(cmd.Context(), c)
		if err != nil {
			return err
		}
		return show(cmd, loginInitResult{Dir: c.Dir, Service: card.Service, Origin: card.Origin, KeyFile: made})
	}
	return cmd
}

// Text says what was made and what comes next.
func (r loginInitResult) Text(w io.Writer) {
	fmt.Fprintf(w, "made the login server of service %s (%s) in %s\n", r.Service, r.Origin, r.Dir)
	if r.KeyFile != "" {
		fmt.Fprintf(w, "made %s, which unseals its keys: keep a copy in a safe, and the file away from backups of the directory\n", r.KeyFile)
	}
	fmt.Fprintf(w, "next: 'milagro login card --dir %s > login.card', and 'milagro ceremony plan --login login.card' by whoever plans its ceremony\n", quote(r.Dir))
}
