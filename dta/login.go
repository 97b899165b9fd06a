package dta

import (
	"context"
	"encoding/json"
	"net/http"

	"milagro.dev/mpin"
)

// Row shows the login server at url the statements of an enrolment
// (spec/mpin.md "Calls", as all that follow). A refusal is a *problem.Problem.
func (c *Client) Row(ctx context.Context, url string, q mpin.RowRequest) error {
	return c.post(ctx, url, "/v1/mpin/row", q, &struct{}{})
}

// BeginLogin sends the first message of a login to the login server at url.
func (c *Client) BeginLogin(ctx context.Context, url string, q mpin.BeginRequest) (mpin.BeginAnswer, error) {
	var a mpin.BeginAnswer
	err := c.post(ctx, url, "/v1/mpin/begin", q, &a)
	return a, err
}

// FinishLogin sends the second message of a login.
func (c *Client) FinishLogin(ctx context.Context, url string, q mpin.FinishRequest) (mpin.FinishAnswer, error) {
	var a mpin.FinishAnswer
	err := c.post(ctx, url, "/v1/mpin/finish", q, &a)
	return a, err
}

// StatementKeys fetches the JSON Web Key Set that verifies what the login server
// at url states.
func (c *Client) StatementKeys(ctx context.Context, url string) ([]byte, error) {
	var raw json.RawMessage
	err := c.call(ctx, http.MethodGet, endpoint(url, "/.well-known/jwks.json"), nil, &raw)
	return raw, err
}
