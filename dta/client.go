package dta

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"milagro.dev/internal/problem"
)

const (
	maxAnswer      = 128 << 10
	requestTimeout = 15 * time.Second
)

// Client speaks to authorities over HTTP. The zero Client is ready: it waits
// at most 15 seconds for an answer. What it returns was signed by whoever the
// caller verifies it against; the connection itself is not trusted.
type Client struct {
	// HTTP makes the requests; nil stands for http.DefaultClient.
	HTTP *http.Client
}

// Domain fetches a domain's document from the authority at url. The caller
// verifies it (Published.Verify).
func (c *Client) Domain(ctx context.Context, url string) (*Published, error) {
	var raw json.RawMessage
	if err := c.get(ctx, url, "/v1/domain", &raw); err != nil {
		return nil, err
	}
	return ParsePublished(raw)
}

// Card fetches the signed card of the authority at url.
func (c *Client) Card(ctx context.Context, url string) ([]byte, error) {
	var answer struct {
		Card []byte `json:"card"`
	}
	err := c.get(ctx, url, "/v1/card", &answer)
	return answer.Card, err
}

// Issue sends a sealed request to the authority at url and returns its sealed
// reply. A refusal is a *problem.Problem.
func (c *Client) Issue(ctx context.Context, url string, sealed []byte) ([]byte, error) {
	var answer struct {
		Reply []byte `json:"reply"`
	}
	request := map[string][]byte{"request": sealed}
	err := c.post(ctx, url, "/v1/issue", request, &answer)
	return answer.Reply, err
}

// get asks for JSON; its errors name the authority's host.
func (c *Client) get(ctx context.Context, base, path string, out any) error {
	return c.call(ctx, http.MethodGet, endpoint(base, path), nil, out)
}

// post sends JSON and reads JSON.
func (c *Client) post(ctx context.Context, base, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s%s: %w", base, path, err)
	}
	return c.call(ctx, http.MethodPost, endpoint(base, path), body, out)
}

func endpoint(base, path string) string { return strings.TrimSuffix(base, "/") + path }

// call makes one request, whose body is JSON unless it is empty.
func (c *Client) call(ctx context.Context, method, url string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.do(req, out)
}

func (c *Client) do(req *http.Request, out any) error {
	b, err := c.answer(req, maxAnswer)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s: answer is not the JSON it should be: %w", req.URL.Host, err)
	}
	return nil
}

// answer makes a request and returns the body of its answer, at most max bytes.
func (c *Client) answer(req *http.Request, max int64) ([]byte, error) {
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err // names method and URL
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(req.URL.Host, resp)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, max+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("%s: answer is longer than %d bytes", req.URL.Host, max)
	}
	return b, nil
}

// refusal returns the problem that resp carries, under the authority's host.
func refusal(host string, resp *http.Response) error {
	p, err := problem.Read(resp)
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	return fmt.Errorf("%s: %w", host, p)
}
