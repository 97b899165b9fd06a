// Package web is the pages of a login server: sign in, set up a browser by an
// invitation, change the PIN, my devices (doc/pages.md). They are whole: markup,
// styles, scripts and texts are embedded, and a browser asks no other origin.
//
// The scripts are a bundle of sdk/js and src, committed under assets; `npm run
// bundle` in sdk/js makes the same bytes again. The server behind the pages is that
// of internal/login, at the same origin.
//
//	pages, err := web.Handler(web.Config{})
//	mux.Handle("/signin", pages)
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed page.html texts.json assets
var files embed.FS

// policy lets a page have its own scripts, styles and pictures, ask its own origin,
// and nothing else. WebAssembly is for Argon2id.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types milagro"

// Config says how the pages are served.
type Config struct {
	// Errors says whom errors are for; people.
	Errors Audience
}

// Audience is who reads the errors on a page.
type Audience uint8

const (
	// People are told what they can do.
	People Audience = iota
	// Developers are told besides what the server said.
	Developers
)

// String returns what the page's script reads.
func (a Audience) String() string {
	if a == Developers {
		return "developers"
	}
	return "people"
}

// Paths returns the patterns under which Handler is to be mounted.
func Paths() []string { return []string{"/signin", "/enrol", "/pin", "/devices", "/assets/"} }

// Handler returns the handler of all pages and of what they load. Errors are those
// of the embedded files.
func Handler(c Config) (http.Handler, error) {
	s, err := load(c)
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	mux := http.NewServeMux()
	for _, name := range []string{"signin", "enrol", "pin", "devices"} {
		page, err := s.render(name)
		if err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
		mux.Handle("GET /"+name, page)
	}
	for _, f := range s.assets {
		mux.Handle("GET "+f.path, f)
	}
	return mux, nil
}

// site is what the pages are made of.
type site struct {
	config Config
	texts  map[string]string
	assets map[string]*file
	page   *template.Template
}

func load(c Config) (*site, error) {
	s := &site{config: c, assets: map[string]*file{}}
	raw, err := files.ReadFile("texts.json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &s.texts); err != nil {
		return nil, fmt.Errorf("texts.json: %w", err)
	}
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if s.assets[e.Name()], err = asset(e.Name()); err != nil {
			return nil, err
		}
	}
	s.page, err = template.New("page.html").Funcs(template.FuncMap{"t": s.text, "asset": s.asset}).ParseFS(files, "page.html")
	return s, err
}

func (s *site) text(key string) (string, error) {
	t, ok := s.texts[key]
	if !ok {
		return "", fmt.Errorf("texts.json has no %q", key)
	}
	return t, nil
}

func (s *site) asset(name string) (string, error) {
	f, ok := s.assets[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return f.path, nil
}

// link leads from one page to another.
type link struct{ Path, Text string }

// links leads from each page to the others.
func links(page string) []link {
	all := []link{{"/signin", "signin.link.signin"}, {"/pin", "signin.link.pin"}, {"/devices", "signin.link.devices"}}
	var others []link
	for _, l := range all {
		if l.Path != "/"+page {
			others = append(others, l)
		}
	}
	return others
}

// render returns a page. It is the same for everybody: who is there only the script
// knows.
func (s *site) render(name string) (*file, error) {
	texts, err := json.Marshal(s.texts)
	if err != nil {
		return nil, err
	}
	view := struct {
		Page, Errors string
		Texts        template.JS // our own JSON, with < > & escaped by encoding/json
		Digits       []string
		Links        []link
	}{name, s.config.Errors.String(), template.JS(texts), strings.Split("123456789", ""), links(name)}
	var b bytes.Buffer
	if err := s.page.Execute(&b, view); err != nil {
		return nil, err
	}
	return newFile(b.Bytes(), "/"+name, "text/html; charset=utf-8", "no-store")
}

// asset returns an embedded file under a path that changes with its content, so
// that browsers keep it for good.
func asset(name string) (*file, error) {
	b, err := files.ReadFile("assets/" + name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	ext := path.Ext(name)
	at := fmt.Sprintf("/assets/%s-%s%s", strings.TrimSuffix(name, ext), base64.RawURLEncoding.EncodeToString(sum[:9]), ext)
	return newFile(b, at, mediaType(ext), "public, max-age=31536000, immutable")
}

// mediaType does not ask the machine's tables, which differ.
func mediaType(ext string) string {
	switch ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(ext)
}

// file is one answer, ready in both encodings.
type file struct {
	path, media, keep string
	plain, packed     []byte
}

func newFile(b []byte, at, media, keep string) (*file, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return &file{path: at, media: media, keep: keep, plain: b, packed: packed.Bytes()}, nil
}

// ServeHTTP answers with the file and the headers of every page.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.media)
	h.Set("Cache-Control", f.keep)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body) // a peer that is gone asks again
}

// acceptsGzip reads the header as browsers send it; a weight of 0 is a no.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" {
			return strings.TrimSpace(weight) != "q=0"
		}
	}
	return false
}
