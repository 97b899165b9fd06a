package main

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// appView is what the application shows: a person, a mistake, or neither.
type appView struct {
	Issuer, Client, Redirect string

	Person  *appPerson
	Mistake *appMistake
}

func (appView) page() string { return "app" }

type appPerson struct {
	Name   string
	Claims []appClaim
}

type appClaim struct{ Name, Value string }

// appMistake is said to developers: what happened, what was said, what to do.
type appMistake struct{ Title, What, Said, Hint string }

func (a *app) routes() {
	mux := a.site.routes
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /signin", func(w http.ResponseWriter, r *http.Request) { a.signIn(w, r) })
	mux.HandleFunc("GET /again", func(w http.ResponseWriter, r *http.Request) {
		a.signIn(w, r, oauth2.SetAuthURLParam("prompt", "login"))
	})
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /refresh", a.refreshed)
	mux.HandleFunc("POST /signout", a.signOut)
}

func (a *app) show(w http.ResponseWriter, status int, v appView) {
	v.Issuer, v.Client, v.Redirect = a.issuer, a.config.ClientID, a.config.RedirectURL
	a.site.show(w, status, v)
}

func (a *app) refuse(w http.ResponseWriter, status int, m appMistake) {
	a.show(w, status, appView{Mistake: &m})
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	s := a.visits.session(r)
	if s == nil {
		a.show(w, http.StatusOK, appView{})
		return
	}
	id, err := a.current(r.Context(), s)
	if err != nil {
		a.ended(w, r, err)
		return
	}
	a.show(w, http.StatusOK, appView{Person: &appPerson{Name: id.Name, Claims: id.claims()}})
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request, how ...oauth2.AuthCodeOption) {
	state, b := a.visits.begin(a.visits.browser(w, r), time.Now())
	how = append(how, oidc.Nonce(b.nonce), oauth2.S256ChallengeOption(b.verifier))
	http.Redirect(w, r, a.config.AuthCodeURL(state, how...), http.StatusFound)
}

// callback is where people come back from the login server.
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	b, ours := a.visits.back(q.Get("state"), a.visits.browser(w, r), time.Now())
	switch {
	case !ours:
		a.refuse(w, http.StatusBadRequest, appMistake{Title: "Not signed in", What: "This browser has begun no sign-in with this state, or it was too long ago.",
			Hint: "The application knows sign-ins for 10 minutes, each once, and forgets them when it starts. Begin again."})
	case q.Get("iss") != a.issuer:
		a.refuse(w, http.StatusBadRequest, appMistake{Title: "Not signed in", What: "The answer is of another issuer.", Said: "iss=" + q.Get("iss")})
	case q.Get("error") != "":
		a.refuse(w, http.StatusBadRequest, refusal(q.Get("error"), q.Get("error_description")))
	default:
		s, err := a.redeem(r.Context(), q.Get("code"), b)
		if err != nil {
			a.refuse(w, http.StatusBadGateway, failure("Not signed in", err))
			return
		}
		a.visits.leave(r) // who was signed in here before
		a.visits.admit(w, s)
		http.Redirect(w, r, "/", http.StatusFound)
	}
}

func (a *app) refreshed(w http.ResponseWriter, r *http.Request) {
	if s := a.visits.session(r); s != nil {
		s.mu.Lock()
		err := a.refresh(r.Context(), s)
		s.mu.Unlock()
		if err != nil {
			a.ended(w, r, err)
			return
		}
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// signOut signs out here, then at the login server.
func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	to := "/"
	if s := a.visits.leave(r); s != nil {
		to = a.logout(s)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// hintsOf what a login server says to an application (RFC 6749, OpenID Connect Core).
var hintsOf = map[string]string{
	"access_denied":   "The person did not sign in.",
	"login_required":  "prompt=none was asked, and nobody is signed in.",
	"invalid_client":  "The secret is not that of this client at the login server: 'milagro login client list' shows who is admitted.",
	"invalid_grant":   "The code or refresh token was used before, is past, or was given to somebody else.",
	"invalid_scope":   "A scope was asked for that was not given.",
	"invalid_request": "The request is not as the login server wants it; it says what is wrong.",
}

func refusal(code, description string) appMistake {
	return appMistake{Title: "Not signed in", What: "The login server has sent you back with an error.", Said: code + ": " + description, Hint: hintsOf[code]}
}

// failure says what went wrong between the application and the login server.
func failure(title string, err error) appMistake {
	m := appMistake{Title: title, What: "The login server's answer to the application was not good.", Said: err.Error()}
	if said := (*oauth2.RetrieveError)(nil); errors.As(err, &said) {
		m.Said, m.Hint = said.ErrorCode+": "+said.ErrorDescription, hintsOf[said.ErrorCode]
	}
	return m
}

// ended ends a session of which the login server says that it is over; one that does not
// answer says nothing.
func (a *app) ended(w http.ResponseWriter, r *http.Request, err error) {
	m := failure("You are signed out", err)
	if broken := (*url.Error)(nil); errors.As(err, &broken) {
		m.Title, m.What = "Not now", "The login server does not answer."
		a.refuse(w, http.StatusBadGateway, m)
		return
	}
	a.visits.leave(r)
	m.What = "The login server says that this session has ended."
	m.Hint = "Somebody has signed out, removed the device, changed its PIN or revoked it. Sign in again."
	a.refuse(w, http.StatusOK, m)
}
