package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"milagro.dev/dta"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/login"
	"milagro.dev/internal/oidc"
	"milagro.dev/internal/problem"
)

// devClient is the client ID of the application of 'milagro dev'.
const devClient = "dev-app"

// devFlag is what the domain states of itself: all its authorities take the word of
// one login server.
const devFlag = "shared-root"

// port returns that of an address that dev chose.
func port(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err) // an address of ours
	}
	return port
}

// quoteTOML returns text as a string of TOML: JSON's are.
func quoteTOML(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return string(b)
}

// settings of an authority of dev: it takes the word of dev's login server.
const devAuthoritySettings = `# Made anew by each 'milagro dev'.
[[registration]]
name = "dev"
key = "%x"
allow = ["acct:*@%s"]
code = %s # "mail" in production: doc/invitations.md

[email]
host = "127.0.0.1"
port = %s
from = "%s <codes@%[2]s>"
tls = "none"
`

// settings of the login server of dev.
const devLoginSettings = `# Made anew by each 'milagro dev'.
openid = "on"
errors = "developers"

[mail]
host = "127.0.0.1"
port = %s
from = "Milagro dev <login@%s>"
tls = "none"

[enrol]
by_mail = ["acct:*@%[2]s"]

[[client]]
name = %s
redirect = [%s]
post_logout = [%s]
secret_file = %s
`

// openMail starts the mail catcher; it is there before who mails.
func (d *dev) openMail(ctx context.Context) error {
	process, err := startServer("mail catcher", d.logFile("mail"), "dev", "mail", "--listen", d.state.Mails, "--smtp", d.state.SMTP)
	if err != nil {
		return err
	}
	d.services = append(d.services, process)
	return await(ctx, process, func(ctx context.Context) error { return answers(ctx, d.mailsURL()+"mails.json") })
}

// settle has the authorities take the login server's word, once it has a card: those
// that did not begin with it are started again.
func (d *dev) settle(ctx context.Context) error {
	card, err := login.ReadCard(d.login.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var restarting errgroup.Group
	for i, m := range d.town.members {
		if m.config != "" {
			continue
		}
		path := m.dir + ".toml"
		if err := writeOver(path, d.authoritySettings(i+1, card.Ed25519)); err != nil {
			return err
		}
		m.config = path
		if m.process == nil {
			continue
		}
		restarting.Go(func() error { return errors.Join(m.stop(), m.start(ctx)) })
	}
	if err := restarting.Wait(); err != nil || d.town.published == nil {
		return err
	}
	return d.town.ready(ctx)
}

func (d *dev) authoritySettings(index int, key ed25519.PublicKey) []byte {
	return fmt.Appendf(nil, devAuthoritySettings, []byte(key), devDomain, quoteTOML(string(d.code)), port(d.state.SMTP), fmt.Sprintf("Authority %d", index))
}

// openLogin starts the login server, in plain HTTP and over identity TLS.
func (d *dev) openLogin(ctx context.Context) (err error) {
	g := d.login
	g.channel = d.state.Channel
	if g.codes, err = d.codes(ctx, townService, login.WalletDir(g.dir)); err != nil {
		return err
	}
	if err := g.prepare(ctx); err != nil {
		return err
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	if err := d.admitApplication(); err != nil {
		return err
	}
	if err := g.open(ctx); err != nil {
		return err
	}
	return errors.Join(d.invite(ctx), d.invitePage(ctx))
}

// admitApplication writes the settings of the login server; the application's secret
// is made once.
func (d *dev) admitApplication() error {
	err := custody.WriteSecretFile(d.secretFile(), []byte(oidc.NewSecret()+"\n"))
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	d.login.config = d.login.dir + ".toml"
	return writeOver(d.login.config, fmt.Appendf(nil, devLoginSettings, port(d.state.SMTP), devDomain, quoteTOML(devClient),
		quoteTOML(d.applicationURL()+"callback"), quoteTOML(d.applicationURL()), quoteTOML(d.secretFile())))
}

// openApplication starts the application to which people sign in.
func (d *dev) openApplication(ctx context.Context) error {
	process, err := startServer("application", d.logFile("app"), "dev", "app", "--listen", d.state.App, "--issuer", d.login.origin,
		"--client", devClient, "--secret-file", d.secretFile())
	if err != nil {
		return err
	}
	d.services = append(d.services, process)
	return await(ctx, process, func(ctx context.Context) error { return answers(ctx, d.applicationURL()) })
}

// invitePage makes the invitation with which you set up a browser, once: it is said
// again as long as it is good, and another one is made by who asks for it.
func (d *dev) invitePage(ctx context.Context) error {
	kept, err := os.ReadFile(d.invitationFile())
	if errors.Is(err, os.ErrNotExist) {
		return d.newInvitation(ctx)
	}
	if err != nil {
		return err
	}
	invitation, err := dta.ParseInvitation(string(kept))
	if err != nil {
		return fmt.Errorf("%s: %w", d.invitationFile(), err)
	}
	_, err = new(dta.Client).OpenInvitation(ctx, invitation)
	switch {
	case errors.Is(err, problem.InvitationRefused): // spent, or past
		return nil
	case err == nil:
		d.invitation = invitation.Link()
	}
	return err
}

func (d *dev) newInvitation(ctx context.Context) error {
	made, err := d.login.operator().Invite(ctx, d.town.person("you"), time.Now().Add(devInvitation))
	if err != nil {
		return err
	}
	d.invitation = made.Link
	return writeOver(d.invitationFile(), []byte(made.Link+"\n"))
}

// devInvitation is how long the invitation is good.
const devInvitation = 30 * 24 * time.Hour

// writeOver writes a file for its owner alone, in place of the one there. It is whole
// at any moment.
func writeOver(path string, b []byte) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := writeNew(fresh, 0o600, b); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

func (d *dev) applicationURL() string { return "http://" + d.state.App + "/" }
func (d *dev) mailsURL() string       { return "http://" + d.state.Mails + "/" }
func (d *dev) secretFile() string     { return filepath.Join(d.dir, devClient+".secret") }
func (d *dev) invitationFile() string { return filepath.Join(d.dir, "invitation.link") }
func (d *dev) logFile(name string) string {
	return filepath.Join(d.dir, "logs", name+".log")
}
