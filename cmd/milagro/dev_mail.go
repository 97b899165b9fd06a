package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"milagro.dev/internal/mail/mailcatch"
	"milagro.dev/internal/telemetry"
	"milagro.dev/internal/webserver"
)

// mailsShown is how many mails the page shows, the newest; the JSON has all that are
// kept.
const mailsShown = 100

// devMailCommand is a role of 'milagro dev' in a process of its own.
func devMailCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "mail", Hidden: true, Short: "be the mail server of 'milagro dev'", Args: exactly(),
		Long: "Take every mail over SMTP, deliver none, and show them on a page.", Example: "  (started by 'milagro dev')",
	}
	listen := cmd.Flags().String("listen", "", "address of the page")
	smtp := cmd.Flags().String("smtp", "", "address to take mails at")
	supervised := addSupervised(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := mailcatch.Listen(*smtp)
		if err != nil {
			return err
		}
		defer server.Close() // it has kept nothing that lasts
		return serveMails(supervised(cmd), *listen, server, telemetry.NewLogger(cmd.ErrOrStderr(), slog.LevelInfo))
	}
	return cmd
}

func serveMails(ctx context.Context, address string, server *mailcatch.Server, log *slog.Logger) error {
	site, err := newMails(address, server, log)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Info("serving", "address", address)
	return webserver.Run(ctx, listener, webserver.Config{Handler: site, Logger: log})
}

// mails shows what a mail server has taken.
type mails struct {
	site   *devSite
	server *mailcatch.Server
}

// mailsView is what the page shows, and the JSON.
type mailsView struct {
	Taken int         `json:"taken"` // since the start, kept or not
	Mails []mailShown `json:"mails"` // the newest first
	Watch bool        `json:"-"`
}

func (mailsView) page() string { return "mails" }

type mailShown struct{ mailcatch.Letter }

// mailPart is text, or a link.
type mailPart struct {
	Text string
	Link bool
}

func newMails(host string, server *mailcatch.Server, log *slog.Logger) (*devSite, error) {
	site, err := newDevSite(host, "", log)
	if err != nil {
		return nil, err
	}
	m := &mails{site, server}
	site.routes.HandleFunc("GET /{$}", m.page)
	site.routes.HandleFunc("GET /mails.json", m.json)
	return site, nil
}

func (m *mails) view() mailsView {
	v := mailsView{Taken: m.server.Taken(), Mails: []mailShown{}}
	for _, l := range slices.Backward(m.server.Letters()) {
		v.Mails = append(v.Mails, mailShown{l})
	}
	return v
}

func (m *mails) page(w http.ResponseWriter, r *http.Request) {
	v := m.view()
	v.Watch = r.URL.Query().Get("watch") == "on"
	v.Mails = v.Mails[:min(len(v.Mails), mailsShown)]
	m.site.show(w, http.StatusOK, v)
}

func (m *mails) json(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(m.view()) // a peer that is gone asks again
}

var mailLink = regexp.MustCompile(`https?://[^\s<>"'\x60]+`)

// Parts returns the text with what is a link in it: of the web alone, without the
// point that ends a sentence.
func (m mailShown) Parts() (parts []mailPart) {
	rest := m.Text
	for {
		at := mailLink.FindStringIndex(rest)
		if at == nil {
			return append(parts, mailPart{Text: rest})
		}
		link := strings.TrimRight(rest[at[0]:at[1]], ".,;:!?)]}")
		parts = append(parts, mailPart{Text: rest[:at[0]]}, mailPart{Text: link, Link: true})
		rest = rest[at[0]+len(link):]
	}
}
