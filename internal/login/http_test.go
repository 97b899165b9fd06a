package login_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
	"milagro.dev/mpin"
)

// caller speaks raw HTTP to one side of a login server.
type caller struct {
	client *http.Client
	base   string
}

func (s *stage) public() caller { return caller{http.DefaultClient, s.URL()} }

func (s *stage) admin() caller {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", login.SocketPath(s.Dir))
	}
	return caller{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, "http://login"}
}

// reply is an answer with its body; problem is nil when it is none.
type reply struct {
	*http.Response
	text    string
	problem *problem.Problem
}

// do makes a request, and fails the test when a refusal is no problem document.
func (c caller) do(t *testing.T, method, path, media string, body io.Reader) reply {
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
	a := reply{Response: response, text: string(text)}
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

// elsewhere are the routes whose patterns are not written out: pages and provider have
// tests of their own (web, oidc.TestHostileRequests).
var elsewhere = []string{`"GET "+path`, `"GET "+oidc.Discovery`, `"/oauth/"`}

// endpoints returns what this package routes, as "METHOD /path": a call that is added
// anywhere is tested here.
func endpoints(t *testing.T) (list []string) {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`mux\.Handle(?:Func)?\(([^,]*),`).FindAllStringSubmatch(string(text), -1) {
			pattern, literal := strings.CutPrefix(match[1], `"`)
			switch {
			case strings.HasSuffix(source, "_test.go") || slices.Contains(elsewhere, match[1]):
			case !literal || !strings.HasSuffix(pattern, `"`):
				t.Errorf("%s: a route that no test reads: %s", source, match[1])
			default:
				list = append(list, strings.TrimSuffix(pattern, `"`))
			}
		}
	}
	if len(list) < 25 {
		t.Fatalf("only %v", list)
	}
	return list
}

// route is one call of one side of a login server.
type route struct {
	side         caller
	method, path string
}

func (r route) String() string { return r.method + " " + r.path }

// calls returns those of a method.
func (s *stage) calls(t *testing.T, method string) (all []route) {
	t.Helper()
	for _, pattern := range endpoints(t) {
		of, path, _ := strings.Cut(pattern, " ")
		side := s.public()
		if strings.HasPrefix(path, "/admin/") {
			side = s.admin()
		}
		if of == method {
			all = append(all, route{side, method, strings.NewReplacer("{index}", "1", "{client}", "wiki").Replace(path)})
		}
	}
	return all
}

// posts returns the calls that take a body.
func (s *stage) posts(t *testing.T) []route {
	t.Helper()
	return s.calls(t, http.MethodPost)
}

// remembered is what must not change when a call is refused.
func (s *stage) remembered(t *testing.T) string {
	t.Helper()
	return s.admin().do(t, http.MethodGet, "/admin/list", "", nil).text + s.admin().do(t, http.MethodGet, "/admin/audit?limit=10000", "", nil).text
}

type bad = struct {
	kind        problem.Kind
	media, body string
}

// unreadable are bodies that no call takes, by what is wrong with them.
func unreadable() map[string]bad {
	const media = "application/json"
	return map[string]bad{
		"no media type":    {problem.UnsupportedMedia, "", "{}"},
		"a form":           {problem.UnsupportedMedia, "application/x-www-form-urlencoded", "pin=1"},
		"nothing":          {problem.Malformed, media, ""},
		"truncated":        {problem.Malformed, media, `{"session":"AAAA`},
		"garbage":          {problem.Malformed, media, "\x00\x01\x02\x16\x03\x01"},
		"a list":           {problem.Malformed, media, "[]"},
		"null":             {problem.Malformed, media, "null"},
		"a number":         {problem.Malformed, media, "1e999"},
		"two objects":      {problem.Malformed, media, "{}{}"},
		"unknown member":   {problem.Malformed, media, `{"pin":"1234"}`},
		"a member twice":   {problem.Malformed, media, `{"device":null,"device":null}`},
		"not UTF-8":        {problem.Malformed, media, "{\"device\":\"\xff\"}"},
		"deeply nested":    {problem.Malformed, media, `{"device":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + "}"},
		"one byte too big": {problem.TooLarge, media, `{"device":"` + strings.Repeat("A", webserver.MaxBody-12) + `"}`},
	}
}

func TestEveryCallRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.logsIn(p)
	before := s.remembered(t)
	for _, r := range s.posts(t) {
		for what, bad := range unreadable() {
			if p := r.side.do(t, r.method, r.path, bad.media, strings.NewReader(bad.body)).problem; p == nil || p.Kind != bad.kind {
				t.Errorf("%s, %s: %v, want %q", r, what, p, string(bad.kind))
			}
		}
		// Of unknown length, it goes in chunks.
		big := io.MultiReader(strings.NewReader(`{"device":"` + strings.Repeat("A", webserver.MaxBody) + `"}`))
		if p := r.side.do(t, r.method, r.path, "application/json", big).problem; p == nil || p.Kind != problem.TooLarge {
			t.Errorf("%s, endless: %v", r, p)
		}
		if a := r.side.do(t, http.MethodPut, r.path, "", nil); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("PUT %s: %d", r.path, a.StatusCode)
		}
	}
	if a := s.public().do(t, http.MethodPost, "/admin/revoke", "application/json", strings.NewReader("{}")); a.StatusCode != http.StatusNotFound {
		t.Errorf("the public side has the operator's calls: %d", a.StatusCode)
	}
	if after := s.remembered(t); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
	s.logsIn(p)
}

// badPoints returns encodings of points in G1 that no decoder may take.
func badPoints(good []byte) map[string][]byte {
	flipped, infinity := bytes.Clone(good), make([]byte, len(good))
	flipped[0] ^= 0x80
	infinity[0] = 0xc0
	return map[string][]byte{"identity": infinity, "all zero": make([]byte, len(good)), "all ones": bytes.Repeat([]byte{0xff}, len(good)),
		"flag cleared": flipped, "off the curve": smallPoint(false), "outside the subgroup": smallPoint(true)}
}

// smallPoint encodes the least x from 1 for which the curve y² = x³ + 4 has a point,
// or has none. With x so small it does not lie in the subgroup of order r.
func smallPoint(on bool) []byte {
	p, _ := new(big.Int).SetString("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16)
	for x := int64(1); ; x++ {
		if (big.Jacobi(big.NewInt(x*x*x+4), p) >= 0) == on {
			b := big.NewInt(x).FillBytes(make([]byte, 48))
			b[0] |= 0x80
			return b
		}
	}
}

// TestBadPointsAreRefused: as U they are no commitment and open no session; as V
// they are a wrong PIN, in a batch of their own or among others.
func TestBadPointsAreRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p, others := s.Person(t, alice, right), s.crowd(3)
	good := begun(t, p, right)
	for what, point := range badPoints(good.Request().U) {
		q := good.Request()
		q.U = point
		_, err := p.Client.BeginLogin(t.Context(), p.URL, q)
		refusedAs(t, "U "+what, err, problem.Malformed)
	}
	for what, point := range badPoints(good.Request().U) {
		before := s.device(p)
		err := s.forge(t, p, &logintest.Attempt{Login: good.Login}, good.Attempt.Commitment(), func(mpin.Transcript) []byte { return point })
		refusedAs(t, "V "+what, err, problem.LoginRefused)
		if after := s.device(p); after.Total != before.Total+1 {
			t.Errorf("V %s: total %d after %d", what, after.Total, before.Total)
		}
		_, err = s.Operator().Unlock(t.Context(), p.Name, nil)
		s.done(err)
		for _, other := range others {
			s.logsIn(other)
		}
	}
}

// TestNonsenseIsRefused sends every call what it can read and not use.
func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	good := begun(t, p, right)
	before := s.remembered(t)
	begin, err := json.Marshal(good.Request())
	s.done(err)
	finish, err := json.Marshal(proved(t, good))
	s.done(err)
	junk := `"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("ABC"), 1000)) + `"`
	bodies := map[string][]string{
		"/v1/mpin/row":          {`{}`, `{"device":` + junk + `}`, fmt.Sprintf(`{"time":%d}`, s.Now()), `{"time":-1}`, `{"time":18446744073709551615}`, `{"time":18446744073709551616}`, `{"statements":[null]}`},
		"/admin/revoke":         {`{}`, `{"name":null}`, `{"name":"alice"}`, `{"name":"` + alice + `","device":"ab"}`, `{"name":"` + alice + `","device":"` + strings.Repeat("AB", 32) + `"}`},
		"/admin/unlock":         {`{}`, `{"name":""}`, `{"name":7}`, `{"name":"` + alice + `","device":""}`},
		"/admin/invite":         {`{}`, `{"name":""}`, `{"name":"alice"}`, `{"name":"acct:alice@example.net"}`, `{"name":"` + alice + `","expires":"2001-01-01T00:00:00Z"}`, `{"name":"` + alice + `","expires":7}`},
		"/admin/clients":        {`{}`, `{"client":7}`, `{"client":"shop","redirects":[""]}`, `{"client":"shop","redirects":["https://shop.example.org/cb"],"secret_hash":"AB"}`, `{"client":"shop","redirects":["https://shop.example.org/cb"]}`},
		"/admin/approve":        {`{}`, `{"proposal":""}`, `{"proposal":"` + strings.Repeat("0", 32) + `"}`, `{"proposal":"` + strings.Repeat("A", 32) + `"}`, `{"proposal":"` + strings.Repeat("0", 32) + `","approval":` + junk + `}`},
		"/admin/drop":           {`{}`, `{"proposal":7}`, `{"proposal":"` + strings.Repeat("0", 32) + `"}`},
		"/v1/me/devices/remove": {`{}`, `{"device":""}`, `{"device":"` + strings.Repeat("0", 64) + `"}`, `{"device":` + junk + `}`},
		"/v1/me/devices/label":  {`{}`, `{"label":"\u0000"}`, `{"label":"` + strings.Repeat("a", 65) + `"}`, `{"label":7}`, `{"label":"a\r\nb"}`},
		"/admin/withdraw":       {`{}`, `{"name":""}`, `{"name":7}`},
		"/v1/enrol/mail":        {`{}`, `{"name":""}`, `{"name":"alice"}`, `{"name":"acct:alice@example.org\r\nBcc: x@example.net"}`, `{"name":"acct:` + strings.Repeat("a", 300) + `@example.org"}`},
		"/v1/enrol/open":        {`{}`, `{"token":""}`, `{"token":"AAAA"}`, `{"token":` + junk + `}`, `{"token":"` + strings.Repeat("A", 43) + `"}`, `{"token":"` + strings.Repeat("A", 42) + `B"}`, `{"token":"` + strings.Repeat("A", 43) + `\n"}`},
		"/v1/enrol/vouchers": {`{}`, `{"token":"` + strings.Repeat("A", 43) + `"}`, `{"token":"AAAA","spki":` + junk + `,"signature":` + junk + `}`,
			`{"token":"` + strings.Repeat("A", 43) + `","spki":"` + base64.StdEncoding.EncodeToString(p.Device.Bytes()) + `","signature":"` + base64.StdEncoding.EncodeToString(make([]byte, 64)) + `"}`},
		"/v1/relay/1":     {`{}`, `{"request":""}`, `{"request":7}`, `{"request":"%%%"}`, `{"request":` + junk + `}`},
		"/v1/mpin/begin":  vary(t, begin, junk, []string{`"channel_kind":1`, `"channel_kind":2`, `"channel_kind":-1`, `"channel_kind":256`, `"name":"acct:Alice@example.org"`, `"name":"acct:alice@example.org\r\nBcc: x@example.net"`, `"intent":"AAAA"`}),
		"/v1/mpin/finish": vary(t, finish, junk, nil),
	}
	for _, r := range s.posts(t) {
		if len(bodies[r.path]) == 0 {
			t.Errorf("no nonsense for %s", r)
		}
		for _, body := range bodies[r.path] {
			if a := r.side.do(t, r.method, r.path, "application/json", strings.NewReader(body)); a.problem == nil || a.StatusCode >= 500 || a.problem.Kind.Status() != a.StatusCode {
				t.Errorf("%s: status %d to %.200s: %.200s", r, a.StatusCode, body, a.text)
			}
		}
	}
	for _, path := range []string{"/admin/audit?limit=0", "/admin/audit?limit=x", "/admin/audit?limit=10001"} {
		if a := s.admin().do(t, http.MethodGet, path, "", nil); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	if after := s.remembered(t); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
	if _, err := p.Client.FinishLogin(t.Context(), p.URL, decoded[mpin.FinishRequest](t, finish)); err != nil {
		t.Error("the session that stood meanwhile:", err)
	}
}

func decoded[T any](t *testing.T, b []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// vary returns an object with each of its members missing, null, empty, too short,
// too long and of another type, and with each of more in the place of its own.
func vary(t *testing.T, object []byte, junk string, more []string) (all []string) {
	t.Helper()
	members := decoded[map[string]json.RawMessage](t, object)
	with := func(member, value string) {
		changed := map[string]json.RawMessage{}
		for name, raw := range members {
			changed[name] = raw
		}
		if delete(changed, member); value != "" {
			changed[member] = json.RawMessage(value)
		}
		b, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	for name := range members {
		for _, value := range []string{"", "null", `""`, `"AAAA"`, junk, `"%%%"`, "[1]", `{"a":1}`, "7.5"} {
			if name == "channel_kind" && (value == "" || value == "null") {
				continue // 0, as it is
			}
			with(name, value)
		}
	}
	for _, m := range more {
		name, value, _ := strings.Cut(strings.TrimPrefix(m, `"`), `":`)
		with(name, value)
	}
	return all
}

// TestAnswersAreNotForCaches: each is of its moment.
func TestAnswersAreNotForCaches(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for path, media := range map[string]string{"/.well-known/jwks.json": "application/json", "/healthz": "application/json", "/readyz": "application/json", "/nowhere": problem.ContentType} {
		h := s.public().do(t, http.MethodGet, path, "", nil).Header
		if h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != media {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// TestMetricsSayNothingOfNames: and have no more outcomes than they declare.
func TestMetricsSayNothingOfNames(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.logsIn(p)
	s.locks(p)
	s.fails(p, right)
	q := proved(t, begun(t, p, right))
	q.Signature[3] ^= 1
	_, err := p.Client.FinishLogin(t.Context(), p.URL, q)
	refused(t, err, problem.Possession)
	text := s.metrics()
	for _, secret := range []string{"alice", "example.org", p.Device.Hash().String()} {
		if strings.Contains(text, secret) {
			t.Errorf("the metrics have %q", secret)
		}
	}
	var outcomes []string
	for _, match := range regexp.MustCompile(`milagro_logins_total\{outcome="([^"]*)"\} (\d+)`).FindAllStringSubmatch(text, -1) {
		outcomes = append(outcomes, match[1]+" "+match[2])
	}
	if !slices.Equal(outcomes, []string{"accepted 1", "possession 1", "refused 6"}) {
		t.Errorf("outcomes %q", outcomes)
	}
	s.eventually("no session is open", func() bool { return s.metric("milagro_login_sessions") == 0 })
	for series, want := range map[string]float64{"milagro_server_key": 1, "milagro_document_revision": 2, "milagro_login_queue": 0,
		"milagro_notices_waiting": 0, "milagro_mails_waiting": 0, "milagro_login_batch_size_sum": 7, `milagro_refusals_total{kind="login-refused"}`: 6} {
		if got := s.metric(series); got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
}
