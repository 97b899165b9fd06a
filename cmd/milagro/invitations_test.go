package main

import (
	"path/filepath"
	"testing"
)

// TestInvitationsPage holds the settings of doc/invitations.md against the program,
// and its command lines.
func TestInvitationsPage(t *testing.T) {
	page := readPage(t, "../../doc/invitations.md")
	files := blocks(page, "toml")
	if len(files) != 2 {
		t.Fatalf("%d files", len(files))
	}
	dir := t.TempDir()
	authority, server := filepath.Join(dir, "dta.toml"), filepath.Join(dir, "login.toml")
	writeFile(t, authority, files[0])
	writeFile(t, server, files[1])
	settings, err := loadServeSettings(dtaServeCommand(), authority)
	if err != nil {
		t.Fatal(err)
	}
	if roots := settings.registrations(); len(roots) != 1 || roots[0].Code != "mail" || settings.Email.config().Host != "mail.alpha.example" {
		t.Errorf("%+v", settings)
	}
	of, err := loadLoginSettings(loginServeCommand(), server)
	if err != nil {
		t.Fatal(err)
	}
	if len(of.Proxies) != 1 || len(of.Enrol.ByMail) != 1 || of.Mail.Host != "mail.example.org" {
		t.Errorf("%+v", of)
	}
	for _, name := range []string{"invite", "invitations", "withdraw"} {
		if cmd, _, err := loginCommand().Find([]string{name}); err != nil || cmd.Name() != name {
			t.Errorf("login %s: %v", name, err)
		}
	}
}
