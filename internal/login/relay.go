package login

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"milagro.dev/internal/problem"
)

const (
	relayTimeout = 20 * time.Second
	maxRelayed   = 128 << 10 // bytes of an answer
	relaysAtOnce = 64        // to one authority: one that hangs holds up none of the others
)

// relay carries sealed requests to the authorities of the document, for browsers,
// which speak to one origin (spec/enrolment.md "Invitations"). It can read neither
// request nor reply, nor use them.
type relay struct {
	realm  *realm
	client *http.Client

	mu    sync.Mutex
	under map[string]int // requests under way, by URL of their authority
}

func newRelay(r *realm, peers *http.Client) *relay {
	direct := *peers
	direct.Timeout = relayTimeout
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &relay{realm: r, client: &direct, under: map[string]int{}}
}

// enter reports whether one more may ask an authority now; who may leaves it when he is
// done.
func (r *relay) enter(url string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.under[url] >= relaysAtOnce {
		return false
	}
	r.under[url]++
	return true
}

func (r *relay) leave(url string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.under[url]--; r.under[url] == 0 {
		delete(r.under, url)
	}
}

// relayed is what an authority answered.
type relayed struct {
	status     int
	media      string
	retryAfter string
	body       []byte
}

// forward sends a request to the authority with an index, in decimal.
func (r *relay) forward(ctx context.Context, index string, in relayRequest) (relayed, error) {
	url, err := r.authority(index)
	if err != nil {
		return relayed{}, err
	}
	if !r.enter(url) {
		return relayed{}, problem.New(problem.Unavailable, "too many requests to authority %s are under way", index)
	}
	defer r.leave(url)
	a, err := r.ask(ctx, url, in)
	if err != nil {
		return relayed{}, fmt.Errorf("%w: %w", problem.New(problem.Unavailable, "authority %s does not answer", index), err)
	}
	return a, nil
}

// authority returns the URL of an authority of the document.
func (r *relay) authority(index string) (string, error) {
	n, err := strconv.ParseUint(index, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != index {
		return "", problem.New(problem.Malformed, "the index of an authority is a number")
	}
	document := r.realm.now.Load().document
	if document == nil {
		return "", problem.New(problem.Unavailable, "no domain is pinned yet")
	}
	a, ok := document.Authority(uint32(n))
	if !ok {
		return "", problem.New(problem.WrongAuthority, "the domain has no authority %d", n)
	}
	return strings.TrimSuffix(a.URL, "/") + "/v1/issue", nil
}

func (r *relay) ask(ctx context.Context, url string, in relayRequest) (a relayed, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return a, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, "+problem.ContentType)
	response, err := r.client.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.status, a.retryAfter = response.StatusCode, response.Header.Get("Retry-After")
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, maxRelayed+1)); err != nil {
		return a, err
	}
	a.media, _, err = mime.ParseMediaType(response.Header.Get("Content-Type"))
	good := a.status == http.StatusOK && a.media == "application/json" || a.status >= 400 && a.media == problem.ContentType
	if err != nil || !good || len(a.body) > maxRelayed || !json.Valid(a.body) {
		return a, fmt.Errorf("%s: status %d with %.64q of %d bytes is no answer of an authority", url, a.status, a.media, len(a.body))
	}
	return a, nil
}

// write passes the answer on.
func (a relayed) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", a.media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if _, err := strconv.Atoi(a.retryAfter); err == nil {
		h.Set("Retry-After", a.retryAfter)
	}
	w.WriteHeader(a.status)
	w.Write(a.body) // a peer that is gone asks again
}
