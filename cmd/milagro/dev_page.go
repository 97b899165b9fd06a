package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
)

var (
	//go:embed devpages/pages.html
	devPages string
	//go:embed devpages/style.css
	devStyle string
)

const devIcon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="none" stroke="#0f766e" stroke-width="2.5" d="M16 3 27 9.5v13L16 29 5 22.5v-13z"/><circle cx="16" cy="16" r="4.5" fill="#0f766e"/></svg>`

// devSite serves pages of 'milagro dev' at one address of loopback, without a script.
type devSite struct {
	host   string // HOST:PORT by which browsers know it
	posts  string // origin to which its forms may lead besides its own; empty for none
	pages  *template.Template
	routes *http.ServeMux
	log    *slog.Logger
}

func newDevSite(host, posts string, log *slog.Logger) (*devSite, error) {
	pages, err := template.New("pages").Parse(devPages)
	if err != nil {
		return nil, err
	}
	s := &devSite{host: host, posts: posts, pages: pages, routes: http.NewServeMux(), log: log}
	s.routes.Handle("GET /style.css", text("text/css; charset=utf-8", devStyle))
	s.routes.Handle("GET /icon.svg", text("image/svg+xml", devIcon))
	return s, nil
}

func text(media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Write([]byte(body)) // a peer that is gone asks again
	}
}

func (s *devSite) url() string { return "http://" + s.host + "/" }

// ServeHTTP answers who knows the site by its own name: a page elsewhere whose name was
// made to lead here reads nothing, and no other site's form does anything.
func (s *devSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "+
		strings.TrimSpace("'self' "+s.posts))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	switch {
	case r.Host == s.host:
		new(http.CrossOriginProtection).Handler(s.routes).ServeHTTP(w, r)
	case r.Host == "localhost:"+port(s.host) && r.Method == http.MethodGet:
		http.Redirect(w, r, s.url(), http.StatusTemporaryRedirect) // where its cookies are
	default:
		http.Error(w, "this is "+s.url(), http.StatusMisdirectedRequest)
	}
}

// devView is what a page shows.
type devView interface {
	page() string // name of its template
}

// show answers with a page. Its values are whatever somebody sent: the template
// escapes them.
func (s *devSite) show(w http.ResponseWriter, status int, view devView) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, view.page(), view); err != nil {
		s.log.Error("page not shown", "page", view.page(), "error", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes()) // a peer that is gone asks again
}
