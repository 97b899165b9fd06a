package main

import (
	"bufio"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/words"
	"milagro.dev/wallet"
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

// TestMailedCodesAreTypedAsTheyAreRead: in groups or not, after the words that the
// mail must show.
func TestMailedCodesAreTypedAsTheyAreRead(t *testing.T) {
	device := identity.DeviceHash{0: 1, 5: 255}
	for typed, code := range map[string]string{"4821 7730\n": "48217730", "4821-7730\r\n": "48217730", "48217730": "48217730", "\n": ""} {
		cmd, said := loginCommand(), new(strings.Builder)
		cmd.SetErr(said)
		ask := mailCodes(cmd, &pins{lines: bufio.NewReader(strings.NewReader(typed)), prompts: said})
		got, err := ask(t.Context(), wallet.MailedCode{Authority: dta.Authority{Name: "Alpha"}, Device: device, Refused: problem.New(problem.EmailRefused, "")})
		if err != nil || got != code {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
		for _, text := range []string{"Alpha", words.OfDevice(device), "not the code"} {
			if !strings.Contains(said.String(), text) {
				t.Errorf("no %q in %q", text, said)
			}
		}
	}
	ask := mailCodes(loginCommand(), &pins{lines: bufio.NewReader(strings.NewReader("")), prompts: io.Discard})
	if _, err := ask(t.Context(), wallet.MailedCode{Authority: dta.Authority{Name: "Alpha"}}); err == nil {
		t.Error("a code that nobody typed is one")
	}
}
