package oidc

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
)

// refusalPage is what a person sees whose browser was sent here with a request that
// cannot be sent back. It looks like those of package web, and needs no script.
const refusalPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign-in not possible</title>
<style>` + refusalStyle + `</style>
<main>
<h1>Sign-in not possible</h1>
<p>The application that sent you here asked for something that is refused. Go back to it and try again; if that does not help, tell whoever runs it what stands below.</p>
<p><code>{{.Error}}: {{.Description}}</code></p>
</main>
</html>
`

const refusalStyle = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif; }
body { margin: 0; padding: 1.5rem 1rem; background: light-dark(#eef3f1, #0c1211); color: light-dark(#10201d, #e9f0ee); }
main { max-width: 20rem; margin: 10vh auto 0; padding: 2rem 1.75rem; border: 1px solid light-dark(#dbe4e1, #2a3835); border-radius: 1.5rem; background: light-dark(#fff, #151e1c); }
h1 { margin: 0; font-size: 1.4375rem; line-height: 1.75rem; text-align: center; }
p { margin: 1rem 0 0; }
code { display: block; padding: .625rem .875rem; border-radius: .875rem; background: light-dark(#fdf1ec, #2f1e18); color: light-dark(#8a2c0d, #ffb59b); font-size: .8125rem; overflow-wrap: anywhere; }
`

// refusalPolicy lets the page have that style, and nothing else.
func refusalPolicy() string {
	sum := sha256.Sum256([]byte(refusalStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}

// refusal is one of OAuth, or a problem of ours.
type refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Title       string `json:"title"`
	Detail      string `json:"detail"`
}

// paged turns refusals into a page for who wants one: a browser.
func paged(next http.Handler) http.Handler {
	policy, page := refusalPolicy(), template.Must(template.New("refusal").Parse(refusalPage))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			next.ServeHTTP(w, r)
			return
		}
		held := &holder{ResponseWriter: w}
		next.ServeHTTP(held, r)
		if held.status < http.StatusBadRequest {
			return
		}
		var why refusal
		if err := json.Unmarshal(held.body.Bytes(), &why); err != nil || why.Error == "" {
			why.Error, why.Description = cmp.Or(why.Title, http.StatusText(held.status)), why.Detail
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		w.WriteHeader(held.status)
		page.Execute(w, why) // a peer that is gone asks again
	})
}

// holder passes an answer on unless it is a refusal, which it holds back.
type holder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader holds the status of a refusal.
func (h *holder) WriteHeader(status int) {
	if h.status = status; status < http.StatusBadRequest {
		h.ResponseWriter.WriteHeader(status)
	}
}

// Write holds the body of a refusal.
func (h *holder) Write(b []byte) (int, error) {
	if h.status >= http.StatusBadRequest {
		return h.body.Write(b)
	}
	return h.ResponseWriter.Write(b)
}
