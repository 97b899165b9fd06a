package oidc

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
)

// refusalPage is what a person sees whose browser was sent here with a request that
// cannot be sent back. It needs no style and no script.
const refusalPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>Sign-in not possible</title>
<main>
<h1>Sign-in not possible</h1>
<p>The application that sent you here asked for something that is refused. Go back to it and try again; if that does not help, tell whoever runs it what stands below.</p>
<p><code>{{.Error}}: {{.Description}}</code></p>
</main>
</html>
`

type refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// paged turns refusals into a page for who wants one: a browser.
func paged(next http.Handler) http.Handler {
	page := template.Must(template.New("refusal").Parse(refusalPage))
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
		if err := json.Unmarshal(held.body.Bytes(), &why); err != nil {
			why = refusal{Error: http.StatusText(held.status)}
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
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
