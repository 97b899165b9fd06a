// Package problem words every refusal that crosses the network, in one place,
// as RFC 9457 says: what went wrong, whose it is, and what to do next.
//
// A server makes a Problem with New and sends it with Write; a client gets the
// same Problem back from Read and branches on its Kind:
//
//	if errors.Is(err, problem.CodeUsed) { … }
//
// The kinds are a closed list: a type, a title, a status and a hint each, all
// part of the wire format. A Problem is seen by strangers. Its Detail says
// nothing that the peer does not know already: no secret, no path, no text of an
// inner error.
package problem

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// ContentType is the media type of a problem (RFC 9457, 3).
const ContentType = "application/problem+json"

// MaxBytes is the largest problem document that Read takes, in bytes: one with
// the blame file of a ceremony of 16 in it.
const MaxBytes = 1 << 20

// typePrefix precedes the kind in the member "type".
const typePrefix = "urn:milagro:problem:"

// ErrNotProblem is wrapped by Read when an error answer is not a problem
// document of ours: it came from a proxy, or from another program.
var ErrNotProblem = errors.New("answer is not a problem document")

// Problem is one refusal. It is an error, and errors.Is finds its Kind.
type Problem struct {
	// Kind says what went wrong; it determines type, title and status.
	Kind Kind
	// Detail says it about this request, in one line; it may be empty.
	Detail string
	// Advice says what to do next; New sets that of the kind.
	Advice string
	// RetryAfter, in seconds, is sent as the header Retry-After when not 0.
	RetryAfter int
	// Time is the peer's clock in unix seconds. With StaleTime it has a Signature,
	// the authority's (spec/issuance.md); with a login server's WrongEpoch it has none.
	Time      uint64
	Signature []byte
	// Blame is a file that convicts, Abort a signed message: only with
	// CeremonyMessage (spec/ceremony.md).
	Blame []byte
	Abort []byte

	// status and title are set when the kind is none of ours: a later release
	// sent it.
	status int
	title  string
}

// New returns a Problem of kind whose Detail is formatted as by fmt.Sprintf.
func New(kind Kind, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Detail: fmt.Sprintf(format, args...), Advice: kind.entry().hint}
}

// WithAdvice sets what to do next and returns p.
func (p *Problem) WithAdvice(format string, args ...any) *Problem {
	p.Advice = fmt.Sprintf(format, args...)
	return p
}

// Of returns the Problem in err's chain. Any other error becomes Internal
// without its text, which is for the log and not for strangers.
func Of(err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	return New(Internal, "")
}

// Error returns title and detail in one line.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title()
	}
	return p.Title() + ": " + p.Detail
}

// Is reports whether target is p's Kind.
func (p *Problem) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && kind == p.Kind
}

// Hint returns what to do next.
func (p *Problem) Hint() string { return p.Advice }

// Title returns the short text of the kind.
func (p *Problem) Title() string {
	if p.title != "" {
		return p.title
	}
	return p.Kind.Error()
}

// Status returns the HTTP status of the kind.
func (p *Problem) Status() int {
	if p.status != 0 {
		return p.status
	}
	return p.Kind.Status()
}

// document is a Problem as it travels.
type document struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Hint      string `json:"hint,omitempty"`
	Time      uint64 `json:"time,omitempty"`
	Signature []byte `json:"signature,omitempty"`
	Blame     []byte `json:"blame,omitempty"`
	Abort     []byte `json:"abort,omitempty"`
}

// Write answers with the Problem of err, as Of finds it. It must be called
// before anything else is written to w.
func Write(w http.ResponseWriter, err error) {
	p := Of(err)
	body, err := json.Marshal(document{
		Type: typePrefix + string(p.Kind), Title: p.Title(), Status: p.Status(),
		Detail: p.Detail, Hint: p.Advice,
		Time: p.Time, Signature: p.Signature, Blame: p.Blame, Abort: p.Abort,
	})
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	w.WriteHeader(p.Status())
	w.Write(append(body, '\n')) // a peer that is gone needs no answer
}

// Read returns the Problem in resp, whose status is 400 or above; it reads at
// most MaxBytes and does not close the body. A kind of a later release is kept
// as it is. Anything else is ErrNotProblem with the status. As RFC 9457 asks,
// members that we do not know are ignored.
func Read(resp *http.Response) (*Problem, error) {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != ContentType {
		return nil, fmt.Errorf("status %d: %w", resp.StatusCode, ErrNotProblem)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	p, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	if p.Status() != resp.StatusCode {
		return nil, fmt.Errorf("status %d, but %d in its text: %w", resp.StatusCode, p.Status(), ErrNotProblem)
	}
	p.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	return p, nil
}

func parse(body []byte) (*Problem, error) {
	if len(body) > MaxBytes {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrNotProblem, MaxBytes)
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotProblem, err)
	}
	name, ours := strings.CutPrefix(d.Type, typePrefix)
	if !ours || !wellFormed(name) || d.Status < 400 || d.Status > 599 {
		return nil, fmt.Errorf("%w: type %.80q, status %d", ErrNotProblem, d.Type, d.Status)
	}
	p := &Problem{
		Kind: Kind(name), Detail: printable(d.Detail), Advice: printable(d.Hint),
		Time: d.Time, Signature: d.Signature, Blame: d.Blame, Abort: d.Abort,
	}
	if !p.Kind.known() {
		p.status, p.title = d.Status, cmp.Or(printable(d.Title), name)
	}
	return p, nil
}

func wellFormed(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") == ""
}

// printable makes text from the network safe for a terminal and for one line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// retryAfter accepts seconds only: the form that Write sends.
func retryAfter(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 86400 {
		return 0
	}
	return n
}
