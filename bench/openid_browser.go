package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"milagro.dev/mpin"
)

// browser is a visitor who signs in at an application: what a browser sends for it,
// and what the application does.
type browser struct {
	visitor
	app     *oauth2.Config
	address string
	ways    []way // those that have begun, one for each attempt
	next    []way // those that begin in this turn
}

// way is one sign-in on its way through the application.
type way struct {
	verifier string
	request  string // the request's ID at the login server
	cookie   string // of the browser that brought it
	begin    []byte // the first message of the attempt
}

// turn makes the second messages of n logins, and the first of n others.
func (b *browser) turn(n int) error {
	if b.conn == nil { // not before: a server waits for nobody's first word
		if err := b.connect(b.address); err != nil {
			return err
		}
	}
	if len(b.ways) != n {
		if err := b.beginAll(n); err != nil {
			return err
		}
	}
	if err := b.prove(); err != nil {
		return err
	}
	finishes := b.requests
	if err := b.plan(n); err != nil {
		return err
	}
	b.requests = finishes
	return nil
}

// plan prepares n attempts, each for a sign-in that has not begun.
func (b *browser) plan(n int) error {
	if err := b.prepare(n); err != nil {
		return err
	}
	b.next = nil
	for _, request := range b.requests {
		b.next = append(b.next, way{verifier: oauth2.GenerateVerifier(), begin: request})
	}
	return nil
}

// beginAll begins n sign-ins.
func (b *browser) beginAll(n int) error {
	if err := b.plan(n); err != nil {
		return err
	}
	b.answers = nil
	for i := range b.next {
		if err := b.begin(&b.next[i]); err != nil {
			return err
		}
	}
	b.ways = b.next
	return nil
}

// signIn ends all sign-ins that have begun and begins after each of them another.
func (b *browser) signIn() error {
	b.answers = nil
	for i, finish := range b.requests {
		_, answer, err := b.exchange(finish, http.StatusOK)
		if err != nil {
			return err
		}
		if err := b.end(b.ways[i], answer); err != nil {
			return err
		}
		if err := b.begin(&b.next[i]); err != nil {
			return err
		}
	}
	b.ways = b.next
	return nil
}

// begin comes from the application, and sends the first message.
func (b *browser) begin(w *way) error {
	authorize, err := http.NewRequest(http.MethodGet, b.app.AuthCodeURL(oauth2.GenerateVerifier(), oauth2.S256ChallengeOption(w.verifier)), nil)
	if err != nil {
		return err
	}
	header, _, err := b.send(authorize, http.StatusFound)
	if err != nil {
		return err
	}
	to, err := url.Parse(header.Get("Location"))
	if err != nil {
		return err
	}
	w.request = to.Query().Get("request")
	w.cookie, _, _ = strings.Cut(header.Get("Set-Cookie"), ";")
	if w.request == "" || w.cookie == "" {
		return fmt.Errorf("%s: authorize leads to %s", b.name, to)
	}
	_, answer, err := b.exchange(w.begin, http.StatusOK)
	b.answers = append(b.answers, answer)
	return err
}

// end goes back to the application with a statement, and gets its tokens.
func (b *browser) end(w way, answer []byte) error {
	var finish mpin.FinishAnswer
	if err := json.Unmarshal(answer, &finish); err != nil {
		return err
	}
	shown, err := json.Marshal(map[string]string{"request": w.request, "statement": finish.Statement})
	if err != nil {
		return err
	}
	signin, err := http.NewRequest(http.MethodPost, b.login.Origin+"/oauth/signin", strings.NewReader(string(shown)))
	if err != nil {
		return err
	}
	signin.Header.Set("Content-Type", "application/json")
	signin.Header.Set("Cookie", w.cookie)
	var back struct{ Redirect string }
	if err := b.sendJSON(signin, &back); err != nil {
		return err
	}
	to, err := url.Parse(back.Redirect)
	if err != nil {
		return err
	}
	return b.redeem(to.Query().Get("code"), w.verifier)
}

// redeem is the application's call.
func (b *browser) redeem(code, verifier string) error {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {b.app.RedirectURL}, "code_verifier": {verifier}}
	token, err := http.NewRequest(http.MethodPost, b.app.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	token.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	token.SetBasicAuth(b.app.ClientID, b.app.ClientSecret)
	var got struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		ID      string `json:"id_token"`
	}
	if err := b.sendJSON(token, &got); err != nil {
		return err
	}
	if got.Access == "" || got.Refresh == "" || got.ID == "" {
		return errors.New(b.name + ": a token is missing")
	}
	return nil
}

func (b *browser) send(r *http.Request, status int) (http.Header, []byte, error) {
	request, err := wire(r)
	if err != nil {
		return nil, nil, err
	}
	return b.exchange(request, status)
}

func (b *browser) sendJSON(r *http.Request, answer any) error {
	_, body, err := b.send(r, http.StatusOK)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, answer)
}
