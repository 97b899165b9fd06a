// Package oidc is the OpenID provider of a login server (spec/openid.md): any web
// application lets people sign in by it, with the authorization code flow and PKCE,
// and with nothing else. Parsing of requests and routing are those of zitadel/oidc;
// every decision is made here.
//
// New makes a Provider, which is an http.Handler for /oauth/… and the discovery
// document; Sweep is called now and then. The files, in the order in which somebody
// signs in:
//
//	client.go      which applications there are
//	server.go      an application's request, and whether somebody is signed in already
//	signin.go      the statement of a login, shown by our own page
//	token.go       a code for tokens, a refresh token for others
//	resource.go    what a token tells, and its end
//	logout.go      the end of a session
//	forward.go     pages behind nginx that know nothing of OpenID
//	keyring.go     with which keys tokens are signed, and from when
//
// The files state_*.go hold the SQL. The caller keeps the keyring secret. Everything
// that clients and browsers show is 256 random bits, of which the database has the
// SHA-256. It is in the schema of the login server, whose table of devices says at
// every use whether a session's device was revoked.
package oidc
