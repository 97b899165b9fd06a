package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"milagro.dev/internal/login"
	"milagro.dev/internal/oidc"
)

// openSessions is how many browsers are signed in where the server's memory is weighed,
// and openBytes what it may be at most.
const (
	openSessions = 10_000
	openBytes    = 100_000_000
)

var openidSubjects = []subject{
	{name: "openid-server", against: "login-server", clock: wall, sample: crowded, setup: openidServer},
	{name: "openid-sessions-memory", against: "100MB", whole: func() (row, error) { return openidMemory(few, openSessions) }},
}

// openidServer is whole sign-ins at an application by OpenID Connect, against logins
// alone: at one server, where the same people do the one and the other in turn.
func openidServer() (*bench, error) {
	c, err := newSigningCrowd(visitors)
	if err != nil {
		return nil, err
	}
	return &bench{own: op{timed: c.signIns}, reference: op{timed: c.logins}, done: func() { c.close() }}, nil
}

// signingCrowd is a crowd that also signs in at an application. Each has a second
// connection for that, as if it were another person: who logs in on the one has
// nothing under way on the other.
type signingCrowd struct {
	*crowd
	browsers []*browser
}

func newSigningCrowd(people int) (*signingCrowd, error) {
	c, err := newCrowd(people)
	if err != nil {
		return nil, err
	}
	c.openID = login.WithOpenID
	s := &signingCrowd{crowd: c}
	if err := errors.Join(c.fill(0), s.open()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// open serves and adds the application.
func (c *signingCrowd) open() error {
	if err := c.serve(login.Batched); err != nil {
		return err
	}
	secret := oidc.NewSecret()
	hash, err := oidc.HashSecret(secret)
	if err != nil {
		return err
	}
	app := &oauth2.Config{ClientID: "app", ClientSecret: secret, RedirectURL: "https://app.bench.example/callback",
		Endpoint: oauth2.Endpoint{AuthURL: c.server.URL() + "/oauth/authorize", TokenURL: c.server.URL() + "/oauth/token"},
		Scopes:   []string{"openid", "profile", "email", "offline_access"}}
	_, err = c.server.Operator().AddClient(context.Background(), login.Application{Client: app.ClientID, Redirects: []string{app.RedirectURL}, SecretHash: (*login.HexHash)(hash)})
	if err != nil {
		return err
	}
	for _, v := range c.people {
		c.browsers = append(c.browsers, &browser{visitor: visitor{name: v.name, login: v.login, secrets: v.secrets}, app: app, address: c.address()})
	}
	return nil
}

// signIns has n people, or a few more, sign in at the application, and returns how
// long n such sign-ins take the server: by the same measure as logins.
func (c *signingCrowd) signIns(n int) (time.Duration, error) {
	each := (n + len(c.browsers) - 1) / len(c.browsers)
	if err := everybody(c.browsers, func(b *browser) error { return b.turn(each) }); err != nil {
		return 0, err
	}
	lasted, err := c.timed(func() error { return everybody(c.browsers, (*browser).signIn) })
	return lasted * time.Duration(n) / time.Duration(each*len(c.browsers)), err
}

func (c *signingCrowd) close() error {
	for _, b := range c.browsers {
		b.hangUp()
	}
	return c.crowd.close()
}

// openidMemory is the memory of a login server with so many browsers signed in, each
// with the tokens of an application.
func openidMemory(people, sessions int) (r row, err error) {
	c, err := newSigningCrowd(people)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	// A few for each person at a time: what they compute beforehand takes so long that
	// the server would hang up.
	for open := 0; open < sessions; open += 8 * people {
		if _, err := c.signIns(min(8*people, sessions-open)); err != nil {
			return r, err
		}
	}
	u, err := c.process.settle()
	own, limit := float64(u.Resident), float64(openBytes)
	ratio := own / limit
	return row{Bytes: &own, AgainstBytes: &limit, Ratio: &ratio}, err
}
