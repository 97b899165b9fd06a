package oidc

import (
	"net/http"
	"net/url"
	"strings"

	"milagro.dev/internal/problem"
)

// Forward authentication, for pages on the login server's own origin that nginx
// serves and that know nothing of OpenID.
const (
	forwardPath  = "/oauth/forward"
	forwardStart = "/oauth/forward/start"
)

// forward answers nginx's auth_request: 200 and who it is, or 401 and where to begin.
func (p *Provider) forward(w http.ResponseWriter, r *http.Request) {
	who, found, err := p.present(r.Context(), r.Header)
	switch {
	case err != nil:
		p.refuse(w, r, unavailable(err))
	case !found:
		w.Header().Set("Milagro-Signin", p.issuer+forwardStart)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.Header().Set("Milagro-Name", who.name)
		w.Header().Set("Milagro-Sub", who.sub)
		w.WriteHeader(http.StatusOK)
	}
}

// startForward sends to our page whoever is to come back to a path of this origin,
// and back at once who is signed in.
func (p *Provider) startForward(w http.ResponseWriter, r *http.Request) {
	to := way(r.URL.RawQuery)
	if !localPath(to) {
		p.refuse(w, r, problem.New(problem.Malformed, "to is a path of this origin"))
		return
	}
	asked := request{redirect: p.issuer + to, made: p.clock()}
	_, found, err := p.present(r.Context(), r.Header)
	if err != nil {
		p.refuse(w, r, unavailable(err))
		return
	}
	if found {
		http.Redirect(w, r, asked.redirect, http.StatusFound)
		return
	}
	redirect, err := p.wait(r.Context(), r.Header, asked)
	if err != nil {
		p.refuse(w, r, unavailable(err))
		return
	}
	w.Header()["Set-Cookie"] = redirect.Header["Set-Cookie"]
	http.Redirect(w, r, redirect.URL, http.StatusFound)
}

// way returns the parameter to. nginx cannot encode it: one that begins with "/" is
// the rest of the query as it stands.
func way(query string) string {
	if path, found := strings.CutPrefix(query, "to=/"); found {
		return "/" + path
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return values.Get("to")
}

// localPath reports whether a text is a path, with a query perhaps, that no browser
// takes for another host.
func localPath(text string) bool {
	return strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") && len(text) <= maxParameter &&
		!strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' || r == '#' })
}
