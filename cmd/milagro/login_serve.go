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

	"milagro.dev/identity"
	"milagro.dev/internal/config"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/login"
	"milagro.dev/internal/mail"
	"milagro.dev/internal/telemetry"
	"milagro.dev/web"
)

// loginSettings are those of 'login serve': from a TOML file, then
// MILAGRO_LOGIN_…, then flags.
type loginSettings struct {
	Listen         string           `toml:"listen"`
	ChannelListen  string           `toml:"channel_listen"`
	Name           string           `toml:"name"`
	Database       string           `toml:"database"`
	PassphraseFile string           `toml:"passphrase_file"`
	KeyFile        string           `toml:"key_file"`
	LogLevel       slog.Level       `toml:"log_level"`
	Batch          string           `toml:"batch"`
	Mail           mailConfig       `toml:"mail"`
	Proxies        []string         `toml:"proxies"`
	Enrol          enrolConfig      `toml:"enrol"`
	OpenID         string           `toml:"openid"`
	Pages          string           `toml:"pages"` // as OpenID unless given
	Errors         string           `toml:"errors"`
	Clients        []clientConfig   `toml:"client"`
	Operators      []operatorConfig `toml:"operator"`
}

// enrolConfig says who may ask for an invitation by mail.
type enrolConfig struct {
	ByMail []string `toml:"by_mail"`
}

// mailConfig is mail.Config in a file.
type mailConfig struct {
	Host         string `toml:"host"`
	Port         int    `toml:"port"`
	From         string `toml:"from"`
	TLS          string `toml:"tls"`
	User         string `toml:"user"`
	PasswordFile string `toml:"password_file"`
}

func (c mailConfig) config() mail.Config {
	return mail.Config{Host: c.Host, Port: c.Port, From: c.From, TLS: mail.TLS(c.TLS), User: c.User, PasswordFile: c.PasswordFile}
}

func loginServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "run the login server", Args: exactly(),
		Example: "  milagro login serve --dir ./login --listen 127.0.0.1:7500\n  milagro login serve --dir ./login --config /etc/milagro/login.toml --check",
		Long: `Serve logins in plain HTTP on --listen, behind a proxy that ends TLS for the origin,
and with --channel-listen and --name also over identity TLS. Until the authorities'
operators have approved and the server key is here, it says so at /readyz.
Settings come from a TOML file (listen, channel_listen, name, database, passphrase_file,
key_file, log_level, batch = "on" or "off", [mail] host, port, from, tls = "starttls",
"implicit" or "none", user, password_file, [enrol] by_mail = patterns of names whose
owners may ask for an invitation by mail, proxies = addresses whose X-Forwarded-For is
believed besides this machine's, openid = "on" or "off", pages = "on" or "off" (default as
openid), errors = "people" or "developers": whom the pages' errors are for, [[client]] name, redirect, post_logout, secret_file, public, [[operator]] name, key:
those who decide critical acts, two together), from the environment (MILAGRO_LOGIN_LISTEN,
…), then from flags; the later wins. The database's password comes from PGPASSFILE.`,
	}
	flags := cmd.Flags()
	flags.String("listen", "", "address to serve plain HTTP on (default 127.0.0.1:7500)")
	flags.String("channel-listen", "", "address to serve identity TLS on, as --name")
	flags.String("name", "", "who the server is over identity TLS: a name enrolled in the wallet of its directory")
	flags.String("database", "", "PostgreSQL database that several servers share, postgres://… (default a file in the directory)")
	flags.String("passphrase-file", "", "file with the passphrase that unseals the server's secrets")
	flags.String("key-file", "", "key file that unseals the server's secrets (default DIR/"+unsealFile+")")
	flags.String("log-level", "", "debug, info, warn or error (default info)")
	flags.String("openid", "", "on or off: be an OpenID provider for applications (default off)")
	flags.String("pages", "", "on or off: serve the pages on which people sign in and enrol (default as --openid)")
	flags.String("batch", "", "on or off: verify logins that arrive together in batches (default on)")
	path := flags.String("config", "", "TOML file with settings")
	restored := flags.Bool("after-restore", false, "the database is from a backup: every device has one guess until its next good login")
	check := flags.Bool("check", false, "load settings and secrets, say whether they are good, and exit")
	supervised := addSupervised(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := loginDir(cmd)
		if err != nil {
			return err
		}
		settings, err := loadLoginSettings(cmd, *path)
		if err != nil {
			return err
		}
		c, err := settings.config(dir)
		if err != nil {
			return err
		}
		if *restored {
			c.Start = login.Restored
		}
		if *check {
			return checkLoginServe(cmd, dir, settings)
		}
		return serveLogin(supervised(cmd), c, settings, cmd.ErrOrStderr())
	}
	return cmd
}

func loadLoginSettings(cmd *cobra.Command, path string) (loginSettings, error) {
	s := loginSettings{Listen: "127.0.0.1:7500", Batch: "on", OpenID: "off", Errors: web.People.String()}
	if path != "" {
		if err := config.Load(path, &s); err != nil {
			return s, err
		}
	}
	if err := config.Env("MILAGRO_LOGIN_", os.Environ(), &s); err != nil {
		return s, err
	}
	keys := map[string]string{"listen": "listen", "channel-listen": "channel_listen", "name": "name", "database": "database",
		"passphrase-file": "passphrase_file", "key-file": "key_file", "log-level": "log_level", "batch": "batch", "openid": "openid", "pages": "pages"}
	for flag, key := range keys {
		if f := cmd.Flags().Lookup(flag); f.Changed {
			if err := config.Set(&s, key, f.Value.String()); err != nil {
				return s, usagef(cmd, "--%s: %w", flag, err)
			}
		}
	}
	switch {
	case s.PassphraseFile != "" && s.KeyFile != "":
		return s, usagef(cmd, "passphrase file and key file: one of them seals, not both")
	case (s.ChannelListen == "") != (s.Name == ""):
		return s, usagef(cmd, "--channel-listen and --name belong together")
	case s.OpenID != "on" && s.OpenID != "off":
		return s, usagef(cmd, "openid is on or off, not %q", s.OpenID)
	case s.Pages != "" && s.Pages != "on" && s.Pages != "off":
		return s, usagef(cmd, "pages is on or off, not %q", s.Pages)
	case s.Errors != web.People.String() && s.Errors != web.Developers.String():
		return s, usagef(cmd, "errors is people or developers, not %q", s.Errors)
	case s.OpenID == "off" && len(s.Clients) > 0:
		return s, usagef(cmd, "there are clients, and openid is off")
	case s.Batch != "on" && s.Batch != "off":
		return s, usagef(cmd, "batch is on or off, not %q", s.Batch)
	}
	return s, nil
}

// config returns the settings as the login server takes them.
func (s loginSettings) config(dir string) (c login.Config, err error) {
	c = login.Config{Dir: dir, Database: s.Database, Mail: s.Mail.config()}
	if s.Batch == "off" {
		c.Batching = login.Singly
	}
	if s.OpenID == "on" {
		c.OpenID = login.WithOpenID
	}
	if cmp.Or(s.Pages, s.OpenID) == "on" {
		pages := web.Config{}
		if s.Errors == web.Developers.String() {
			pages.Errors = web.Developers
		}
		if c.Pages, err = web.Handler(pages); err != nil {
			return c, err
		}
	}
	if c.Clients, err = openIDClients(s.Clients); err != nil {
		return c, err
	}
	if c.Operators, err = loginOperators(s.Operators); err != nil {
		return c, err
	}
	if s.Name != "" {
		if c.Name, err = identity.ParseName(s.Name); err != nil {
			return c, err
		}
	}
	if err := s.enrolment(&c); err != nil {
		return c, err
	}
	c.Protector, err = seal{PassphraseFile: s.PassphraseFile, KeyFile: s.KeyFile}.open(dir)
	return c, err
}

func checkLoginServe(cmd *cobra.Command, dir string, s loginSettings) error {
	card, err := login.ReadCard(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "good: service %s (%s) would serve on %s\n", card.Service, card.Origin, s.Listen)
	return nil
}

// serveLogin runs the login server until ctx ends.
func serveLogin(ctx context.Context, c login.Config, s loginSettings, stderr io.Writer) error {
	if err := custody.Harden(); err != nil {
		return err
	}
	login.RelaxGC()
	c.Logger = telemetry.NewLogger(stderr, s.LogLevel)
	slog.SetDefault(c.Logger) // where zitadel/oidc logs
	server, err := login.Open(ctx, c)
	if err != nil {
		return withHint(err, "'milagro login init' makes a login server's directory")
	}
	defer server.Close() // a killed one is as good
	listeners, err := listenLogin(server, s)
	if err != nil {
		return err
	}
	c.Logger.Info("serving", "address", listeners.Public.Addr().String(), "dir", c.Dir)
	return server.Run(ctx, listeners)
}

func listenLogin(server *login.Server, s loginSettings) (l login.Listeners, err error) {
	if l.Admin, err = server.ListenAdmin(); err != nil {
		return l, err
	}
	if l.Public, err = net.Listen("tcp", s.Listen); err != nil {
		return l, errors.Join(err, l.Admin.Close())
	}
	if s.ChannelListen != "" {
		if l.Channel, err = net.Listen("tcp", s.ChannelListen); err != nil {
			return l, errors.Join(err, l.Admin.Close(), l.Public.Close())
		}
	}
	return l, nil
}
