package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"milagro.dev/internal/custody"
	"milagro.dev/internal/login"
	"milagro.dev/internal/oidc"
)

func loginClientCommand() *cobra.Command {
	return group("client", "say which applications sign people in",
		`Applications sign people in at a login server by OpenID Connect, when its settings say
openid = "on". An application that is added here may do so from that moment on; those
in the settings are listed here and removed there (doc/openid.md).`,
		"  milagro login client add wiki --redirect https://wiki.example.org/callback --secret-file ./wiki.secret --dir ./login",
		loginClientAddCommand(), loginClientListCommand(), loginClientRemoveCommand())
}

// clientAdded is what an application is told, to be pasted into its settings.
type clientAdded struct {
	Issuer      string   `json:"issuer"`
	Client      string   `json:"client_id"`
	SecretFile  string   `json:"secret_file,omitempty"`
	Made        bool     `json:"secret_made,omitempty"`
	Public      bool     `json:"public,omitempty"`
	Redirects   []string `json:"redirects"`
	PostLogouts []string `json:"post_logouts,omitempty"`
}

func loginClientAddCommand() *cobra.Command {
	cmd := addJSON(&cobra.Command{
		Use: "add NAME", Short: "let an application sign people in", Args: exactly("NAME"),
		Example: "  milagro login client add wiki --redirect https://wiki.example.org/callback --secret-file ./wiki.secret --dir ./login\n  milagro login client add notes --redirect http://127.0.0.1:7777/callback --public --dir ./login",
		Long: `Let an application sign people in and print the settings to paste into it. NAME is its
client ID. --redirect is the URL to which people return, compared byte for byte. The
secret is read from --secret-file; a file that does not exist is made with a new secret,
for its owner alone. An application that cannot keep a secret, such as one on people's own
machines, is --public: PKCE protects it. Where two operators decide, it is proposed.`,
	})
	key := addProposerKey(cmd)
	flags := cmd.Flags()
	a := login.Application{}
	flags.StringArrayVar(&a.Redirects, "redirect", nil, "URL to which people return (required; may be repeated)")
	flags.StringArrayVar(&a.PostLogouts, "post-logout", nil, "URL to which people return who have signed out (may be repeated)")
	flags.BoolVar(&a.Public, "public", false, "the application has no secret")
	file := flags.String("secret-file", "", "file with the application's secret; made if it does not exist")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.Client = args[0]
		if len(a.Redirects) == 0 || a.Public == (*file != "") {
			return usagef(cmd, "%s: --redirect is required, and one of --secret-file and --public", cmd.CommandPath())
		}
		if err := (oidc.Client{ID: a.Client, Redirects: a.Redirects, PostLogouts: a.PostLogouts}).Check(); err != nil {
			return err
		}
		operator, err := loginOperator(cmd)
		if err != nil {
			return err
		}
		made := false
		if !a.Public {
			if a.SecretHash, made, err = clientSecret(*file); err != nil {
				return err
			}
		}
		added, err := operator.AddClient(cmd.Context(), a)
		if err != nil {
			return err
		}
		if added.Proposal != nil {
			if made {
				note(cmd, "made %s: a new secret", *file)
			}
			return proposed(cmd, operator, *added.Proposal, *key)
		}
		return show(cmd, clientAdded{Issuer: added.Issuer, Client: a.Client, SecretFile: *file, Made: made, Public: a.Public, Redirects: a.Redirects, PostLogouts: a.PostLogouts})
	}
	return cmd
}

// clientSecret returns the hash of the secret in a file, which it makes if it is not
// there.
func clientSecret(path string) (hash *login.HexHash, made bool, err error) {
	text, err := custody.ReadSecretFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		made, text = true, []byte(oidc.NewSecret()+"\n")
		err = custody.WriteSecretFile(path, text)
	}
	if err != nil {
		return nil, false, err
	}
	secret, err := oidc.HashSecret(string(bytes.TrimRight(text, "\r\n")))
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	return (*login.HexHash)(secret), made, nil
}

// Text prints the settings.
func (r clientAdded) Text(w io.Writer) {
	if r.Made {
		fmt.Fprintf(w, "made %s: a new secret\n", r.SecretFile)
	}
	fmt.Fprintf(w, "%s may sign people in. Its settings:\n\n", r.Client)
	rows := [][]string{{"  issuer", r.Issuer}, {"  metadata", r.Issuer + oidc.Discovery}, {"  client ID", r.Client}}
	switch {
	case r.Public:
		rows = append(rows, []string{"  client secret", "none: a public client"})
	case r.SecretFile != "":
		rows = append(rows, []string{"  client secret", "the line in " + r.SecretFile})
	default:
		rows = append(rows, []string{"  client secret", "the line in the file that was given when it was proposed"})
	}
	rows = append(rows, []string{"  redirect", strings.Join(r.Redirects, " ")})
	if len(r.PostLogouts) > 0 {
		rows = append(rows, []string{"  after logout", strings.Join(r.PostLogouts, " ")})
	}
	table(w, append(rows, []string{"  flow", "authorization code with PKCE S256"}, []string{"  signature", "ES256"}, []string{"  scopes", "openid profile email offline_access"})...)
}

type clientList login.Applications

func loginClientListCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "list", Short: "list the applications that sign people in", Args: exactly(),
		Example: "  milagro login client list --dir ./login",
		Long:    "List the applications that sign people in, those of the settings too.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			operator, err := loginOperator(cmd)
			if err != nil {
				return err
			}
			all, err := operator.Clients(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd, clientList(all))
		},
	})
}

// Text prints a table of applications.
func (r clientList) Text(w io.Writer) {
	fmt.Fprintf(w, "issuer %s\n", r.Issuer)
	if len(r.Applications) == 0 {
		fmt.Fprintln(w, "no application signs people in")
		return
	}
	rows := [][]string{{"CLIENT", "KIND", "REDIRECT"}}
	for _, a := range r.Applications {
		kind := "secret"
		if a.Public {
			kind = "public"
		}
		rows = append(rows, []string{a.Client, kind, strings.Join(a.Redirects, " ")})
	}
	table(w, rows...)
}

type clientRemoved struct {
	Client string `json:"client"`
}

func loginClientRemoveCommand() *cobra.Command {
	return addJSON(&cobra.Command{
		Use: "remove NAME", Short: "end an application's sign-ins", Args: exactly("NAME"),
		Example: "  milagro login client remove wiki --dir ./login",
		Long:    "End an application's sign-ins, with every token that it has, from this moment on.",
		RunE: func(cmd *cobra.Command, args []string) error {
			operator, err := loginOperator(cmd)
			if err != nil {
				return err
			}
			if err := operator.RemoveClient(cmd.Context(), args[0]); err != nil {
				return err
			}
			return show(cmd, clientRemoved{args[0]})
		},
	})
}

// Text says what was ended.
func (r clientRemoved) Text(w io.Writer) { fmt.Fprintf(w, "%s signs nobody in any more\n", r.Client) }
