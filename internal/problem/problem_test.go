package problem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func answered(err error) *http.Response {
	w := httptest.NewRecorder()
	Write(w, err)
	return w.Result()
}

func TestProblemReadsAsItWasWritten(t *testing.T) {
	for _, kind := range Kinds() {
		sent := New(kind, "authority %d", 2)
		sent.RetryAfter, sent.Time, sent.Signature = 30, 1_800_000_000, []byte{1, 2, 3}
		sent.Blame, sent.Abort = []byte("blame"), []byte("abort")
		got, err := Read(answered(fmt.Errorf("issue: %w", sent)))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, sent) {
			t.Errorf("%s: read %+v, sent %+v", kind, got, sent)
		}
	}
}

// TestKindsAreWordedAndDistinct also keeps the list, the constants and the
// tables together: a kind that one of them lacks fails here.
func TestKindsAreWordedAndDistinct(t *testing.T) {
	source, err := os.ReadFile("kind.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`Kind = "([a-z-]+)" *// (\d{3})`).FindAllStringSubmatch(string(source), -1)
	if len(declared) != len(Kinds()) {
		t.Errorf("%d kinds declared, Kinds has %d", len(declared), len(Kinds()))
	}
	titles := map[string]Kind{}
	for i, kind := range Kinds() {
		if string(kind) != declared[i][1] || fmt.Sprint(kind.Status()) != declared[i][2] {
			t.Errorf("%s %d is declared as %s", kind, kind.Status(), declared[i][0])
		}
		if !wellFormed(string(kind)) || kind.Status() < 400 || kind.Error() == "" || kind.Error() == string(kind) {
			t.Errorf("%q: status %d, title %q", string(kind), kind.Status(), kind.Error())
		}
		if other, taken := titles[kind.Error()]; taken {
			t.Errorf("%s and %s have one title", kind, other)
		}
		titles[kind.Error()] = kind
	}
}

// TestStatusesAreThoseOfTheSpecification reads the tables of spec/issuance.md and
// spec/mpin.md: kinds, then one status for all of them or one for each.
func TestStatusesAreThoseOfTheSpecification(t *testing.T) {
	var pages []byte
	for _, name := range []string{"issuance", "mpin"} {
		page, err := os.ReadFile("../../spec/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page...)
	}
	row := regexp.MustCompile("(?m)^\\| ((?:`[a-z-]+` ?)+) \\| ([0-9, ]+) \\|")
	compared := 0
	for _, cells := range row.FindAllStringSubmatch(string(pages), -1) {
		kinds, statuses := strings.Fields(cells[1]), strings.Split(cells[2], ", ")
		for i, quoted := range kinds {
			kind, want := Kind(strings.Trim(quoted, "`")), statuses[min(i, len(statuses)-1)]
			if !kind.known() || fmt.Sprint(kind.Status()) != want {
				t.Errorf("%s has status %d, the specification says %s", string(kind), kind.Status(), want)
			}
			compared++
		}
	}
	if compared < 30 {
		t.Errorf("only %d kinds found in the table", compared)
	}
}

func TestErrorsBranchOnKind(t *testing.T) {
	err := fmt.Errorf("authority 2: %w", New(CodeUsed, ""))
	if !errors.Is(err, CodeUsed) || errors.Is(err, CodeExpired) {
		t.Error("errors.Is does not tell kinds apart")
	}
	if got := err.Error(); got != "authority 2: one-time code already used" {
		t.Errorf("reads %q", got)
	}
	if got := New(WrongEpoch, "epoch %d is over", 7).Error(); got != "epoch not current: epoch 7 is over" {
		t.Errorf("reads %q", got)
	}
	if New(CodeUsed, "").Hint() == "" || New(CodeUsed, "").WithAdvice("wait %d s", 3).Hint() != "wait 3 s" {
		t.Error("hint is not what was given")
	}
}

func TestInnerErrorsStayInside(t *testing.T) {
	resp := answered(errors.New("open /var/lib/milagro/share-1: passphrase hunter2"))
	var body bytes.Buffer
	body.ReadFrom(resp.Body)
	if resp.StatusCode != 500 || strings.Contains(body.String(), "hunter2") || strings.Contains(body.String(), "/var") {
		t.Errorf("%d %s", resp.StatusCode, body.String())
	}
}

func TestWriteSetsWhatHTTPNeeds(t *testing.T) {
	p := New(RateLimited, "")
	p.RetryAfter = 7
	resp := answered(p)
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Retry-After": "7", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var members map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&members); err != nil {
		t.Fatal(err)
	}
	if members["type"] != "urn:milagro:problem:rate-limited" || members["status"] != 429.0 {
		t.Errorf("members %v", members)
	}
	if _, sent := members["time"]; sent {
		t.Error("an absent extension is sent")
	}
}

func response(status int, contentType, body string) *http.Response {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.WriteString(body)
	return w.Result()
}

func TestReadKeepsKindsOfALaterRelease(t *testing.T) {
	const body = `{"type":"urn:milagro:problem:moon-phase","title":"wrong moon","status":418,"detail":"it is waning","new":[1]}`
	p, err := Read(response(418, "application/problem+json; charset=utf-8", body))
	if err != nil {
		t.Fatal(err)
	}
	if p.Error() != "wrong moon: it is waning" || p.Status() != 418 || !errors.Is(p, Kind("moon-phase")) {
		t.Errorf("read %q, status %d", p, p.Status())
	}
}

func TestReadRefusesWhatIsNoProblem(t *testing.T) {
	const good = `{"type":"urn:milagro:problem:code-used","title":"t","status":409}`
	for name, resp := range map[string]*http.Response{
		"a proxy's page":     response(502, "text/html", "<h1>Bad Gateway</h1>"),
		"no content type":    response(409, "", good),
		"plain JSON":         response(409, "application/json", good),
		"truncated":          response(409, ContentType, good[:30]),
		"trailing data":      response(409, ContentType, good+"{}"),
		"other status":       response(500, ContentType, good),
		"status of success":  response(200, ContentType, `{"type":"urn:milagro:problem:later","status":200}`),
		"foreign type":       response(409, ContentType, `{"type":"https://example.org/p","status":409}`),
		"empty kind":         response(409, ContentType, `{"type":"urn:milagro:problem:","status":409}`),
		"kind with escapes":  response(409, ContentType, `{"type":"urn:milagro:problem:a\u001b[31m","status":409}`),
		"too large":          response(409, ContentType, `{"type":"urn:milagro:problem:code-used","status":409,"detail":"`+strings.Repeat("x", MaxBytes)+`"}`),
		"too much space":     response(409, ContentType, good+strings.Repeat(" ", MaxBytes)),
		"signature no bytes": response(409, ContentType, `{"type":"urn:milagro:problem:code-used","status":409,"signature":"%%"}`),
	} {
		if p, err := Read(resp); !errors.Is(err, ErrNotProblem) || p != nil {
			t.Errorf("%s: %v, %v, want ErrNotProblem", name, p, err)
		} else if !strings.Contains(err.Error(), fmt.Sprint(resp.StatusCode)) {
			t.Errorf("%s: %v does not say the status", name, err)
		}
	}
}

func TestReadMakesTextSafeForATerminal(t *testing.T) {
	body := `{"type":"urn:milagro:problem:code-used","status":409,"detail":"a\u001b[2Jb\nhint: c","hint":"\u0007"}`
	p, err := Read(response(409, ContentType, body))
	if err != nil {
		t.Fatal(err)
	}
	if p.Detail != "a [2Jb hint: c" || p.Advice != " " {
		t.Errorf("detail %q, hint %q", p.Detail, p.Advice)
	}
}

func TestReadIgnoresOddRetryAfter(t *testing.T) {
	for header, want := range map[string]int{"5": 5, "-5": 0, "99999999": 0, "Wed, 21 Oct 2026 07:28:00 GMT": 0} {
		resp := answered(New(RateLimited, ""))
		resp.Header.Set("Retry-After", header)
		if p, err := Read(resp); err != nil || p.RetryAfter != want {
			t.Errorf("%q: %v, %v, want %d", header, p.RetryAfter, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"type":"urn:milagro:problem:stale-time","title":"t","status":400,"time":5,"signature":"AQID"}`))
	f.Add([]byte(`{"type":"urn:milagro:problem:later","title":"later","status":599}`))
	f.Add([]byte(`{"type":"urn:milagro:problem:untitled","status":400}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parse(b)
		if err != nil {
			return
		}
		if p.title != "" && p.Kind.known() || p.Status() < 400 || strings.ContainsAny(p.Error(), "\n\x1b") {
			t.Fatalf("parsed %+v", p)
		}
		again, err := Read(answered(p))
		if err != nil {
			if len(b) < MaxBytes/4 { // escaping makes a large one larger
				t.Fatal(err)
			}
			return
		}
		// Compared as text: an absent and an empty signature are the same.
		if fmt.Sprintf("%+v", *again) != fmt.Sprintf("%+v", *p) {
			t.Fatalf("%+v, again %+v", *p, *again)
		}
	})
}

// TestLoginRefusedTellsTheWayOutAndNoCause: whoever is locked out reads what to
// do, and nobody reads which of the causes it was.
func TestLoginRefusedTellsTheWayOutAndNoCause(t *testing.T) {
	p := New(LoginRefused, "")
	if !strings.Contains(p.Hint(), "five wrong") || !strings.Contains(p.Hint(), "milagro login unlock") {
		t.Errorf("hint %q", p.Hint())
	}
	for _, cause := range []string{"unknown", "revoked", "PIN"} {
		if strings.Contains(p.Error(), cause) {
			t.Errorf("%q names a cause", p.Error())
		}
	}
}
