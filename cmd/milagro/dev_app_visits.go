package main

import (
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

const (
	appCookie = "milagro-dev-app"
	// appBegunLife is how long a sign-in may take: as long as at the login server.
	appBegunLife = 10 * time.Minute
	// appMost bounds the sign-ins under way, and those that are done.
	appMost = 1000
)

// appBegun is a sign-in on its way to the login server and back.
type appBegun struct {
	browser         string // value of its cookie
	nonce, verifier string
	at              time.Time
}

// appVisits are the browsers that the application knows, in memory alone.
type appVisits struct {
	mu    sync.Mutex             // of all
	begun map[string]appBegun    // by state
	open  map[string]*appSession // by value of the cookie
}

func newAppVisits() *appVisits {
	return &appVisits{begun: map[string]appBegun{}, open: map[string]*appSession{}}
}

// browser returns the value of a browser's cookie, which it gives to one that has none.
func (v *appVisits) browser(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(appCookie); err == nil {
		return c.Value
	}
	return v.mark(w)
}

// mark gives a browser a new cookie.
func (v *appVisits) mark(w http.ResponseWriter) string {
	c := &http.Cookie{Name: appCookie, Value: oauth2.GenerateVerifier(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	http.SetCookie(w, c)
	return c.Value
}

// begin notes a sign-in and returns its state, which comes back.
func (v *appVisits) begin(browser string, now time.Time) (string, appBegun) {
	state := oauth2.GenerateVerifier()
	b := appBegun{browser: browser, nonce: oauth2.GenerateVerifier(), verifier: oauth2.GenerateVerifier(), at: now}
	v.mu.Lock()
	defer v.mu.Unlock()
	for other, o := range v.begun {
		if now.Sub(o.at) > appBegunLife || len(v.begun) >= appMost {
			delete(v.begun, other)
		}
	}
	v.begun[state] = b
	return state, b
}

// back takes up a sign-in that comes back in its browser, once.
func (v *appVisits) back(state, browser string, now time.Time) (appBegun, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	b, known := v.begun[state]
	if !known || b.browser != browser {
		return appBegun{}, false
	}
	delete(v.begun, state)
	return b, now.Sub(b.at) <= appBegunLife
}

// admit signs a browser in, under a cookie that nobody knew before.
func (v *appVisits) admit(w http.ResponseWriter, s *appSession) {
	value := v.mark(w)
	v.mu.Lock()
	defer v.mu.Unlock()
	for other := range v.open {
		if len(v.open) < appMost {
			break
		}
		delete(v.open, other)
	}
	v.open[value] = s
}

// session returns that of who asks, nil for nobody.
func (v *appVisits) session(r *http.Request) *appSession {
	c, err := r.Cookie(appCookie)
	if err != nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.open[c.Value]
}

// leave ends the session of who asks.
func (v *appVisits) leave(r *http.Request) *appSession {
	s := v.session(r)
	if c, err := r.Cookie(appCookie); err == nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.open, c.Value)
	}
	return s
}
