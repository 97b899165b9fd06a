package oidc

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
)

// The cookies: who is signed in, and which browser brought a request.
const (
	sessionCookie = "milagro"
	browserCookie = "milagro-browser"
)

// cookie returns a cookie that no other host can set or read and that does not
// travel with what other sites post. On plain HTTP, which is this machine, there is no
// prefix: it would need TLS.
func (p *Provider) cookie(name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: p.cookieName(name), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: p.secure()}
	if c.MaxAge = int(life / time.Second); life <= 0 {
		c.MaxAge = -1
	}
	return c
}

func (p *Provider) secure() bool { return strings.HasPrefix(p.issuer, "https://") }

func (p *Provider) cookieName(name string) string {
	if p.secure() {
		return "__Host-" + name
	}
	return name
}

// shown returns the value of a cookie, which must be there once.
func (p *Provider) shown(h http.Header, name string) string {
	found := (&http.Request{Header: h}).CookiesNamed(p.cookieName(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// present returns who is signed in in the browser of a request.
func (p *Provider) present(ctx context.Context, h http.Header) (session, bool, error) {
	value := p.shown(h, sessionCookie)
	if len(value) != len(encode(make([]byte, len(secret{})))) {
		return session{}, false, nil
	}
	return p.state.session(ctx, digestOf(value), p.clock())
}

// browser returns what names the browser of a request, and the cookie that keeps it:
// two tabs have one.
func (p *Provider) browser(h http.Header) (string, *http.Cookie) {
	value := p.shown(h, browserCookie)
	if len(value) != len(encode(make([]byte, len(secret{})))) {
		value = newSecret().String()
	}
	return value, p.cookie(browserCookie, value, SessionLife)
}

type signInRequest struct {
	Request   string `json:"request"`
	Statement string `json:"statement"`
}

type signInAnswer struct {
	Redirect string `json:"redirect"`
}

// signIn takes the statement of a login from our own page and answers with the way
// back. The session is new whatever cookie came: nobody fixes it beforehand.
func (p *Provider) signIn(w http.ResponseWriter, r *http.Request) {
	in, err := problem.Decode[signInRequest](w, r, webserver.MaxBody)
	if err == nil && (in.Request == "" || in.Statement == "") {
		err = problem.New(problem.Malformed, "request and statement are needed")
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	who, err := p.auth.Authenticate(r.Context(), in.Statement)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	s := signingIn{who: who, id: digestOf(in.Request), browser: digestOf(p.shown(r.Header, browserCookie)), statement: digestOf(who.ID),
		old: digestOf(p.shown(r.Header, sessionCookie)), session: newSecret(), code: newSecret(), now: p.clock()}
	if err := p.state.signIn(r.Context(), &s); err != nil {
		p.refuse(w, r, err)
		return
	}
	p.waiting.Add(-1)
	http.SetCookie(w, p.cookie(sessionCookie, s.session.String(), SessionLife))
	p.log.Info("signed in", "name", who.Name, "client", s.asked.client)
	p.send(w, signInAnswer{Redirect: p.target(s)})
}

// target is where somebody goes who has signed in.
func (p *Provider) target(s signingIn) string {
	switch {
	case s.asked.client == "":
		return s.asked.redirect
	case s.another:
		return p.answer(s.asked, url.Values{"error": {"login_required"}, "error_description": {"somebody else signed in"}})
	}
	return p.answer(s.asked, url.Values{"code": {s.code.String()}})
}

// signOut ends the session of this browser, for our own page.
func (p *Provider) signOut(w http.ResponseWriter, r *http.Request) {
	if _, err := problem.Decode[struct{}](w, r, webserver.MaxBody); err != nil {
		p.refuse(w, r, err)
		return
	}
	if err := p.state.end(r.Context(), digestOf(p.shown(r.Header, sessionCookie))); err != nil {
		p.refuse(w, r, unavailable(err))
		return
	}
	http.SetCookie(w, p.cookie(sessionCookie, "", 0))
	p.send(w, struct{}{})
}

func (p *Provider) send(w http.ResponseWriter, out any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out) // a peer that is gone asks again
}

func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, err error) {
	kind := problem.Of(err)
	if kind.Status() >= http.StatusInternalServerError && r.Context().Err() == nil {
		p.log.Error("request failed", "route", r.Pattern, "kind", string(kind.Kind), "error", err)
	} else {
		p.log.Debug("request refused", "route", r.Pattern, "kind", string(kind.Kind))
	}
	problem.Write(w, err)
}

// signingIn is one sign-in on its way into the database.
type signingIn struct {
	who                         Subject
	id, browser, statement, old digest
	session, code               secret
	now                         time.Time

	// What signIn found:
	asked   request
	another bool // not who the application expected
}

// signIn takes the request away, spends the statement, and makes session and code:
// all of it or nothing.
func (s *state) signIn(ctx context.Context, in *signingIn) error {
	var refusal error
	err := s.db.Write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		refusal, err = in.do(ctx, tx)
		return errorOr(err, refusal)
	})
	if refusal != nil {
		return refusal
	}
	return unavailable(err)
}

// errorOr returns what rolls a transaction back.
func errorOr(err, refusal error) error {
	if err != nil {
		return err
	}
	return refusal
}

func (in *signingIn) do(ctx context.Context, tx *sql.Tx) (refusal, err error) {
	asked, found, err := take(ctx, tx, in.id, in.browser, in.now)
	if err != nil {
		return nil, err
	}
	if !found {
		return problem.New(problem.SessionUnknown, "this sign-in is over, or was begun in another browser").
			WithAdvice("go back to the application and sign in there again"), nil
	}
	in.asked, in.another = asked, asked.hint != "" && asked.hint != in.who.Sub
	if in.who.Time.Before(asked.made.Truncate(time.Second).Add(-leeway)) {
		return problem.New(problem.LoginRefused, "the statement is older than the request"), nil
	}
	n, err := exec(ctx, tx, "INSERT INTO openid_statements (statement, expires) VALUES ($1, $2) ON CONFLICT (statement) DO NOTHING",
		in.statement[:], micros(in.who.Expires.Add(leeway)))
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return problem.New(problem.LoginRefused, "the statement was shown before"), nil
	}
	if _, err := exec(ctx, tx, "UPDATE openid_sessions SET expires = $2 WHERE session = $1", in.old[:], micros(in.now)); err != nil {
		return nil, err
	}
	return in.open(ctx, tx)
}

// open makes the session, unless the device was revoked since it logged in, and its
// first code.
func (in *signingIn) open(ctx context.Context, tx *sql.Tx) (refusal, err error) {
	id, code, now := in.session.digest(), in.code.digest(), in.now
	n, err := exec(ctx, tx, `INSERT INTO openid_sessions (session, service, name, device, sub, authenticated, expires, kept)
		SELECT $1, service, name, device, $2, $3, $4, $5 FROM devices WHERE service = $6 AND name = $7 AND device = $8 AND NOT revoked`,
		id[:], in.who.Sub, micros(in.who.Time), micros(now.Add(SessionLife)), micros(now.Add(FamilyLife+SessionLife)),
		in.who.Service[:], in.who.Name, in.who.Device[:])
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return problem.New(problem.LoginRefused, ""), nil
	}
	if in.asked.client == "" || in.another {
		return nil, nil
	}
	return nil, issue{code: code, session: id, asked: in.asked, now: now}.keep(ctx, tx)
}
