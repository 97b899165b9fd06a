package authority_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
)

// caller speaks raw HTTP to one side of an authority.
type caller struct {
	client *http.Client
	base   string
}

func publicOf(m *authoritytest.Member) caller { return caller{http.DefaultClient, m.URL()} }

func adminOf(m *authoritytest.Member) caller {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", authority.SocketPath(m.Dir))
	}
	return caller{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, "http://authority"}
}

// answered is an answer with its body; Problem is nil when it is none.
type answered struct {
	*http.Response
	text    string
	problem *problem.Problem
}

// err returns the problem, or nil.
func (a answered) err() error {
	if a.problem == nil {
		return nil
	}
	return a.problem
}

// do makes a request, and fails the test when a refusal is no problem document.
func (c caller) do(t *testing.T, method, path, media string, body io.Reader) answered {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if media != "" {
		request.Header.Set("Content-Type", media)
	}
	response, err := c.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answered{Response: response, text: string(text)}
	if response.StatusCode < 400 || method == http.MethodHead {
		return a
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	if a.problem, err = problem.Read(response); err != nil {
		t.Errorf("%s %s: %v: %.200q", method, path, err, text)
		a.problem = &problem.Problem{}
	}
	return a
}

func (c caller) post(t *testing.T, path, body string) answered {
	t.Helper()
	return c.do(t, http.MethodPost, path, "application/json", strings.NewReader(body))
}

// endpoints returns what a source file routes, as "METHOD /path": a call that
// is added there is tested here.
func endpoints(t *testing.T, source string, atLeast int) (list []string) {
	t.Helper()
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`mux\.Handle(?:Func)?\("([A-Z]+ /[^"]*)"`).FindAllSubmatch(text, -1) {
		list = append(list, string(match[1]))
	}
	if len(list) < atLeast {
		t.Fatalf("only %v in %s", list, source)
	}
	return list
}

// route is one call of one side of an authority.
type route struct {
	side         caller
	method, path string
}

func (r route) String() string { return r.method + " " + r.path }

// routesOf returns every call of both sides.
func routesOf(t *testing.T, m *authoritytest.Member) (all []route) {
	t.Helper()
	for source, side := range map[string]caller{"http_public.go": publicOf(m), "http_admin.go": adminOf(m)} {
		for _, pattern := range endpoints(t, source, 6) {
			method, path, _ := strings.Cut(pattern, " ")
			all = append(all, route{side, method, path})
		}
	}
	return all
}

// postsOf returns the calls that take a body.
func postsOf(t *testing.T, m *authoritytest.Member) []route {
	t.Helper()
	return slices.DeleteFunc(routesOf(t, m), func(r route) bool { return r.method != http.MethodPost })
}

// stateOf is what must not change when a call is refused.
func stateOf(t *testing.T, m *authoritytest.Member) string {
	t.Helper()
	status := adminOf(m).do(t, http.MethodGet, "/admin/status", "", nil)
	listing := adminOf(m).do(t, http.MethodGet, "/admin/list", "", nil)
	files := slices.Sorted(maps.Keys(filesIn(t, m.Dir+"/shares")))
	return regexp.MustCompile(`"clock":"[^"]*"`).ReplaceAllString(status.text, "") + listing.text + strings.Join(files, " ")
}

// unreadable are bodies that no call takes, by what is wrong with them.
func unreadable() map[string]struct {
	kind        problem.Kind
	media, body string
} {
	type bad = struct {
		kind        problem.Kind
		media, body string
	}
	const media = "application/json"
	return map[string]bad{
		"no media type":    {problem.UnsupportedMedia, "", "{}"},
		"a form":           {problem.UnsupportedMedia, "application/x-www-form-urlencoded", "request=1"},
		"media with dirt":  {problem.UnsupportedMedia, "application/json; ;=", "{}"},
		"nothing":          {problem.Malformed, media, ""},
		"truncated":        {problem.Malformed, media, `{"request":"AAAA`},
		"garbage":          {problem.Malformed, media, "\x00\x01\x02\x16\x03\x01"},
		"a list":           {problem.Malformed, media, "[]"},
		"null":             {problem.Malformed, media, "null"},
		"a number":         {problem.Malformed, media, "1e999"},
		"two objects":      {problem.Malformed, media, "{}{}"},
		"unknown member":   {problem.Malformed, media, `{"requested":"AAAA"}`},
		"a member twice":   {problem.Malformed, media, `{"plan":"","plan":""}`},
		"not UTF-8":        {problem.Malformed, media, "{\"plan\":\"\xff\"}"},
		"deeply nested":    {problem.Malformed, media, `{"plan":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + "}"},
		"one byte too big": {problem.TooLarge, media, `{"plan":"` + strings.Repeat("A", webserver.MaxBody-10) + `"}`},
	}
}

func TestEveryCallRefusesWhatItCannotRead(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	m, a := d.Members[0], newApplicant(t, d, web)
	a.enrol(t)
	before := stateOf(t, m)
	for _, r := range postsOf(t, m) {
		for what, bad := range unreadable() {
			if p := r.side.do(t, r.method, r.path, bad.media, strings.NewReader(bad.body)).problem; p == nil || p.Kind != bad.kind {
				t.Errorf("%s, %s: %v, want %q", r, what, p, string(bad.kind))
			}
		}
		// Of unknown length, it goes in chunks.
		big := io.MultiReader(strings.NewReader(`{"plan":"` + strings.Repeat("A", webserver.MaxBody) + `"}`))
		if p := r.side.do(t, r.method, r.path, "application/json", big).problem; p == nil || p.Kind != problem.TooLarge {
			t.Errorf("%s, endless: %v", r, p)
		}
	}
	if after := stateOf(t, m); after != before {
		t.Errorf("the state was\n%s, is\n%s", before, after)
	}
	if err := a.ask(t, 1, nil); err != nil {
		t.Error("the next good request:", err)
	}
}

func TestEveryCallRefusesOtherMethods(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	m := d.Members[0]
	routes := routesOf(t, m)
	for _, r := range routes {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get", "Post"} {
			routed := func(other route) bool { return other.method == method && other.path == r.path }
			if slices.ContainsFunc(routes, routed) || method == "GET" && strings.HasPrefix(r.path, "/v1/ceremony/") {
				continue
			}
			a := r.side.do(t, method, r.path, "application/json", strings.NewReader("{}"))
			if a.problem == nil || a.problem.Kind != problem.MethodNotAllowed || a.Header.Get("Allow") == "" {
				t.Errorf("%s at %s: status %d, Allow %q", method, r, a.StatusCode, a.Header.Get("Allow"))
			}
		}
	}
	public := publicOf(m)
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/issue/", "/v1/Issue", "/v1/issue.json", "/v2/issue", "/v1/ceremony/", "/metrics/x", "/debug/pprof/", "/.git/config"} {
		if a := public.do(t, http.MethodGet, path, "", nil); a.problem == nil || a.problem.Kind != problem.NotFound {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
	for _, path := range []string{"/v1/card", "/healthz", "/readyz", "/v1/domain", "/metrics"} {
		if a := public.do(t, http.MethodHead, path, "", nil); a.StatusCode != http.StatusOK || a.text != "" {
			t.Errorf("HEAD %s: status %d, %q", path, a.StatusCode, a.text)
		}
	}
}

// nonsense are bodies that are JSON of the right form, by call.
func nonsense(d *authoritytest.Domain) map[string][]string {
	plan := d.Plan.Hash()
	mine := fmt.Sprintf(`"plan":"%x"`, plan)
	other, junk := `"plan":"`+strings.Repeat("ab", 32)+`"`, `"`+strings.Repeat("QUJD", 100)+`"`
	bodies := map[string][]string{
		"/v1/issue":           {`{}`, `{"request":null}`, `{"request":""}`, `{"request":"%%%"}`, `{"request":"AAA"}`, `{"request":7}`, `{"request":` + junk + `}`},
		"/v1/domain/approve":  {`{}`, `{"document":"!"}`, `{"document":` + junk + `}`, `{"document":[1,2]}`},
		"/v1/domain/share":    {`{}`, `{"document":` + junk + `,"approvals":["!"]}`, `{"document":` + junk + `,"approvals":[` + junk + `]}`},
		"/v1/domain/document": {`{}`, `{"document":` + junk + `,"signature":"AA=="}`, `{"signature":"-_-_"}`},
		"/admin/sign-plan":    {`{}`, `{"plan":"!"}`, `{"plan":` + junk + `}`},
		"/admin/agree":        {`{}`, `{"document":"!"}`, `{"document":` + junk + `}`},
		"/admin/register":     {`{}`, `{"names":[""]}`, `{"names":[null],"purpose":"channel"}`, `{"names":"x"}`, `{"names":["http://x"]}`, `{"expires":"tomorrow"}`},
		"/admin/revoke":       {`{}`, `{"name":null}`, `{"name":"web"}`, `{"name":"` + web + `","device":"ab"}`, `{"name":"` + web + `","device":"` + strings.Repeat("AB", 32) + `"}`},
	}
	zero := strings.Repeat("00", 32)
	for path, list := range map[string][]string{
		"/v1/login/key":    {`{}`, `{"request":null}`, `{"request":"!"}`, `{"request":` + junk + `}`},
		"/v1/login/notice": {`{}`, `{"notice":""}`, `{"notice":7}`, `{"notice":` + junk + `}`},
		"/admin/operator": {`{}`, `{"name":"x"}`, `{"name":"x","key":"ab"}`, `{"name":"x","key":"` + zero + `"}`, `{"name":" x","key":"` + strings.Repeat("ab", 32) + `"}`,
			`{"name":"","key":"` + strings.Repeat("ab", 32) + `"}`, `{"name":"x","key":"` + strings.Repeat("ab", 32) + `","approvals":["!"]}`,
			`{"name":"x","key":"` + strings.Repeat("ab", 32) + `","approvals":[` + junk + `]}`},
		"/admin/approve": {`{}`, `{"approval":null}`, `{"approval":"!"}`, `{"approval":` + junk + `}`},
	} {
		bodies[path] = list
	}
	for _, step := range []string{"start", "message", "next", "abort", "aborts", "certificate", "trial"} {
		bodies["/v1/ceremony/"+step] = []string{`{}`, `{"plan":""}`, `{"plan":"xyz"}`, `{"plan":null}`, `{` + other + `}`,
			`{` + mine + `,"step":7}`, `{` + mine + `,"message":"!"}`, `{` + mine + `,"messages":["!"]}`, `{` + mine + `,"certificate":"!"}`,
			`{` + mine + `,"shares":[{"index":-1}]}`, `{` + mine + `,"id":"ab"}`, `{` + mine + `,"shares":[{"share":"!"}]}`}
	}
	for step, members := range map[string][]string{
		"message": {`"message":""`, `"message":` + junk}, "next": {`"step":""`, `"step":"blame"`, `"step":"\u0000"`},
		"aborts": {`"messages":[]`, `"messages":[null]`, `"messages":[` + junk + `]`}, "certificate": {`"certificate":""`, `"certificate":` + junk},
	} {
		for _, member := range members {
			bodies["/v1/ceremony/"+step] = append(bodies["/v1/ceremony/"+step], `{`+mine+`,`+member+`}`)
		}
	}
	return bodies
}

// TestNonsenseIsRefused sends every call what it can read and not use: while a
// ceremony runs, and when the domain is active.
func TestNonsenseIsRefused(t *testing.T) {
	c := at(noon())
	running, err := authoritytest.Prepare(t.Context(), authoritytest.Config{Authorities: 2, Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	if err := running.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	active := limited(t, c, authority.Limits{})
	for stage, d := range map[string]*authoritytest.Domain{"running": running, "active": active} {
		t.Run(stage, func(t *testing.T) {
			before := stateOf(t, d.Members[0])
			sendNonsense(t, d, stage == "active")
			if after := stateOf(t, d.Members[0]); after != before {
				t.Errorf("the state was\n%s, is\n%s", before, after)
			}
		})
	}
	if err := newApplicant(t, active, web).ask(t, 1, nil); err == nil || !strings.Contains(err.Error(), "not enrolled") {
		t.Error("the next request:", err)
	}
	if _, err := running.Step(t.Context(), "commit"); err != nil {
		t.Error("the ceremony goes on:", err)
	}
}

func sendNonsense(t *testing.T, d *authoritytest.Domain, active bool) {
	bodies := nonsense(d)
	for _, r := range postsOf(t, d.Members[0]) {
		if len(bodies[r.path]) == 0 {
			t.Errorf("no nonsense for %s", r)
		}
		for _, body := range bodies[r.path] {
			a := r.side.post(t, r.path, body)
			// Who has confirmed learns nothing from a message and does not read it.
			unread := active && r.path == "/v1/ceremony/message" && a.text == "{}\n"
			if !a.refusedFittingly() && !unread {
				t.Errorf("%s: status %d to %.90s: %.200s", r, a.StatusCode, body, a.text)
			}
		}
	}
	for _, path := range []string{"ceremony/x", "ceremony/" + strings.Repeat("AB", 32), "ceremony/" + strings.Repeat("ab", 32),
		"domain/share", "domain/share?day=", "domain/share?day=-1", "domain/share?day=4294967296", "domain/share?day=0", "domain/share?day=4294967295"} {
		if a := publicOf(d.Members[0]).do(t, http.MethodGet, "/v1/"+path, "", nil); !a.refusedFittingly() {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
}

// refusedFittingly reports whether the peer was told that the fault is its own.
func (a answered) refusedFittingly() bool {
	return a.problem != nil && a.StatusCode >= 400 && a.StatusCode < 500 && a.problem.Kind.Status() == a.StatusCode
}

// TestAnswersAreNotForCaches: a share, a stamp or a refusal is of its moment.
func TestAnswersAreNotForCaches(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	public := publicOf(d.Members[0])
	for path, media := range map[string]string{"/v1/card": "application/json", "/v1/domain": "application/json", "/healthz": "application/json",
		"/readyz": "application/json", "/nowhere": problem.ContentType, "/v1/ceremony/x": problem.ContentType} {
		h := public.do(t, http.MethodGet, path, "", nil).Header
		if h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != media {
			t.Errorf("%s: %v", path, h)
		}
	}
	var card struct{ Card []byte }
	if err := json.Unmarshal([]byte(public.do(t, http.MethodGet, "/v1/card", "", nil).text), &card); err != nil || !bytes.Equal(card.Card, d.Members[0].Card.Bytes()) {
		t.Error("the card is another:", err)
	}
	p, err := (&dta.Client{}).Domain(t.Context(), d.Members[0].URL())
	if err != nil || p.Verify(d.Published.Document.ID()) != nil {
		t.Error("the document does not verify:", err)
	}
	if state := public.do(t, http.MethodGet, "/v1/ceremony/"+hexOf(d), "", nil); !strings.Contains(state.text, `"state":"active"`) {
		t.Error(state.text)
	}
}

func hexOf(d *authoritytest.Domain) string {
	hash := d.Plan.Hash()
	return hex.EncodeToString(hash[:])
}
