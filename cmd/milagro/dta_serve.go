package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/config"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/telemetry"
)

// serveSettings are those of 'dta serve': from a TOML file, then MILAGRO_DTA_…,
// then flags.
type serveSettings struct {
	Listen         string      `toml:"listen"`
	PassphraseFile string      `toml:"passphrase_file"`
	KeyFile        string      `toml:"key_file"`
	LogLevel       slog.Level  `toml:"log_level"`
	Limits         limitConfig `toml:"limits"`
	JWT            []jwtConfig `toml:"jwt"`

	Registration []registrationConfig `toml:"registration"`
	Email        mailConfig           `toml:"email"`
}

// limitConfig are the counts of authority.Limits; 0 keeps the default.
type limitConfig struct {
	StrangersPerMinute int `toml:"strangers_per_minute"`
	EnrolmentsPerDay   int `toml:"enrolments_per_day"`
	RenewalsPerMinute  int `toml:"renewals_per_minute"`
}

func dtaServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "run the authority", Args: exactly(),
		Example: "  milagro dta serve --dir ./alpha --listen 127.0.0.1:7001\n  milagro dta serve --dir ./alpha --config /etc/milagro/dta.toml --check",
		Long: `Serve applicants and the other authorities on --listen, and the operator on a
socket in the directory. It speaks plain HTTP, since everything secret in it is
sealed end to end: put it behind whatever terminates TLS for you.

Settings come from a TOML file (listen, passphrase_file, key_file, log_level,
[limits] strangers_per_minute, enrolments_per_day, renewals_per_minute), from the
environment (MILAGRO_DTA_LISTEN, …), then from flags; the later wins. Sections
[[jwt]] of the file name issuers whose tokens enrol services with no code typed by
anybody: name, issuer, jwks, binding, name_template, allow and more. Sections
[[registration]] name login servers whose invitations enrol people: name, key,
allow, services, code = "mail" or "none", root; [email] is the mail server for
codes: host, port, from, tls = "starttls", "implicit" or "none", user, password_file.`,
	}
	flags := cmd.Flags()
	flags.String("listen", "", "address to serve on (default 127.0.0.1:7400)")
	flags.String("passphrase-file", "", "file with the passphrase that unseals the authority's secrets")
	flags.String("key-file", "", "key file that unseals the authority's secrets (default DIR/"+unsealFile+")")
	flags.String("log-level", "", "debug, info, warn or error (default info)")
	path := flags.String("config", "", "TOML file with settings")
	check := flags.Bool("check", false, "load settings and secrets, say whether they are good, and exit")
	supervised := addSupervised(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := dtaDir(cmd)
		if err != nil {
			return err
		}
		settings, err := loadServeSettings(cmd, *path)
		if err != nil {
			return err
		}
		if *check {
			return checkServe(cmd, dir, settings)
		}
		return serve(supervised(cmd), dir, settings, cmd.ErrOrStderr())
	}
	return cmd
}

func loadServeSettings(cmd *cobra.Command, path string) (serveSettings, error) {
	s := serveSettings{Listen: "127.0.0.1:7400"}
	if path != "" {
		if err := config.Load(path, &s); err != nil {
			return s, err
		}
		if err := errors.Join(s.checkJWT(path), s.checkRegistration(path)); err != nil {
			return s, err
		}
	}
	if err := config.Env("MILAGRO_DTA_", os.Environ(), &s); err != nil {
		return s, err
	}
	keys := map[string]string{"listen": "listen", "passphrase-file": "passphrase_file", "key-file": "key_file", "log-level": "log_level"}
	for flag, key := range keys {
		if f := cmd.Flags().Lookup(flag); f.Changed {
			if err := config.Set(&s, key, f.Value.String()); err != nil {
				return s, usagef(cmd, "--%s: %w", flag, err)
			}
		}
	}
	if s.PassphraseFile != "" && s.KeyFile != "" {
		return s, usagef(cmd, "passphrase file and key file: one of them seals, not both")
	}
	return s, nil
}

func (s serveSettings) seal() seal { return seal{PassphraseFile: s.PassphraseFile, KeyFile: s.KeyFile} }

func (s serveSettings) limits() authority.Limits {
	limits := authority.DefaultLimits()
	limits.Strangers.Count = cmp.Or(s.Limits.StrangersPerMinute, limits.Strangers.Count)
	limits.Enrolments.Count = cmp.Or(s.Limits.EnrolmentsPerDay, limits.Enrolments.Count)
	limits.Renewals.Count = cmp.Or(s.Limits.RenewalsPerMinute, limits.Renewals.Count)
	return limits
}

func checkServe(cmd *cobra.Command, dir string, s serveSettings) error {
	if _, err := s.seal().open(dir); err != nil {
		return err
	}
	card, err := authority.ReadCard(dir)
	if err != nil {
		return err
	}
	for _, root := range s.tokenRoots() {
		if err := root.CheckKeys(); err != nil {
			return fmt.Errorf("keys of %s: %w", root.Name, err)
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "good: %s (%s) would serve on %s\n", card.Name, card.URL, s.Listen)
	return nil
}

// serve runs the authority in dir until ctx ends.
func serve(ctx context.Context, dir string, s serveSettings, stderr io.Writer) error {
	if err := custody.Harden(); err != nil {
		return err
	}
	protector, err := s.seal().open(dir)
	if err != nil {
		return err
	}
	log := telemetry.NewLogger(stderr, s.LogLevel)
	a, err := authority.Open(ctx, authority.Config{Dir: dir, Protector: protector, Logger: log, Limits: s.limits(),
		TokenRoots: s.tokenRoots(), Registrations: s.registrations(), Mail: s.Email.config()})
	if err != nil {
		return withHint(err, "'milagro dta init' makes an authority's directory")
	}
	defer a.Close() // a killed one is as good
	admin, err := a.ListenAdmin()
	if err != nil {
		return err
	}
	public, err := net.Listen("tcp", s.Listen)
	if err != nil {
		admin.Close()
		return err
	}
	log.Info("serving", "address", public.Addr().String(), "dir", dir)
	return a.Run(ctx, public, admin)
}
