package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/login"
)

// explain says what runs where and what to try.
func (d *dev) explain() {
	rows := [][]string{{"WHAT", "WHERE", "KEEPS ITS STATE IN"}}
	for i, m := range d.town.members {
		rows = append(rows, []string{fmt.Sprintf("authority %d", i+1), m.url(), m.dir})
	}
	rows = append(rows,
		[]string{d.town.name("api").String(), "https://" + d.state.API + "/ (identity TLS)", d.walletDir("api")},
		[]string{d.town.name("web").String(), "https://" + d.state.Web + "/ (identity TLS)", d.walletDir("web")},
		[]string{"its last call to api", "http://" + d.state.Page + "/", "-"},
		[]string{"login server", d.login.origin, d.login.dir},
		[]string{d.town.name(townService).String(), "https://" + d.state.Channel + " (identity TLS)", login.WalletDir(d.login.dir)},
		[]string{"application", d.applicationURL(), "-"},
		[]string{"mails", d.mailsURL(), "-"},
		[]string{"mail server", "smtp://" + d.state.SMTP, "-"})
	fmt.Fprintf(d.out, "trust domain %s, %d of %d authorities make a key\n%v\n\n", devDomain, d.state.Threshold, len(d.town.members), d.town.fingerprint())
	table(d.out, rows...)
	d.explainSignIn()
	fmt.Fprintf(d.out, "\ntry:\n")
	for _, command := range d.commands() {
		fmt.Fprintf(d.out, "  %s\n", command)
	}
	fmt.Fprintln(d.out)
}

// explainSignIn says where to sign in, a line for each thing, its name first. Programs
// read these lines.
func (d *dev) explainSignIn() {
	person := d.town.person("you")
	fmt.Fprintf(d.out, "\nsign in with a browser as %v:\n", person)
	rows := [][]string{{"  application", d.applicationURL()}, {"  mails", d.mailsURL()}, {"  issuer", d.login.origin},
		{"  client ID", devClient}, {"  secret", d.secretFile()}}
	if d.invitation != "" {
		rows = slices.Insert(rows, 0, []string{"  invitation", d.invitation})
	}
	table(d.out, rows...)
	switch {
	case d.invitation == "":
		fmt.Fprintf(d.out, "The invitation is used up; 'milagro login invite' below makes another, for another browser.\n")
	default:
		fmt.Fprintf(d.out, "Open the invitation, once, in the browser that is to be yours; then the application.\n")
	}
	if d.code == authority.NoCode {
		fmt.Fprintf(d.out, "All authorities take this login server's word (flag %s): who breaks it enrols as anybody. Try --mailed-codes.\n", devFlag)
	}
}

// commands returns commands that work when pasted into a shell; that to register asks
// for a PIN and works once, like its codes.
func (d *dev) commands() []string {
	self, err := os.Executable()
	if err != nil {
		self = "milagro"
	}
	you, person := d.town.name("you").String(), d.town.person("you").String()
	lines := [][]string{
		{"domain", "status", devDomain, "--dir", d.walletDir("you")},
		{"curl", "--as", you, "--to", d.town.name("api").String(), "https://" + d.state.API + "/", "--dir", d.walletDir("you")},
		{"renew", you, "--dir", d.walletDir("you")},
		{"dta", "register", d.town.name("laptop").String(), "--purpose", string(identity.Channel), "--dir", d.town.members[0].dir},
		{"ceremony", "verify", d.domainFile(), "--fingerprint", d.town.fingerprint().String()},
		{"mpin", "register", person, "--codes", d.personFile(), "--dir", d.walletDir("you")},
		{"mpin", "login", person, "--dir", d.walletDir("you")},
		{"mpin", "whoami", "--dir", d.walletDir("you")},
		{"login", "list", "--dir", d.login.dir},
		{"login", "invite", person, "--dir", d.login.dir},
	}
	var commands []string
	for _, words := range lines {
		text := quote(self)
		for _, word := range words {
			text += " " + quote(word)
		}
		commands = append(commands, strings.TrimSpace(text))
	}
	return commands
}
