package authority_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/webserver"
)

// TestSlowClientsAreCut serves the authority's own handler with short limits of
// time; those of a running authority are webserver's.
func TestSlowClientsAreCut(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	const post = "POST /v1/issue HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
	for what, c := range map[string]struct {
		opening, answer string
		cfg             webserver.Config
	}{
		"header": {post + "X: ", "", webserver.Config{HeaderTimeout: 200 * time.Millisecond}},
		"body":   {post + "Content-Length: 60000\r\n\r\n", "HTTP/1.1 400 ", webserver.Config{RequestTimeout: 200 * time.Millisecond}},
		"chunks": {post + "Transfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400 ", webserver.Config{RequestTimeout: 200 * time.Millisecond}},
	} {
		t.Run(what, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			c.cfg.Handler = d.Members[0].Authority.Public()
			over := make(chan error, 1)
			go func() { over <- webserver.Run(ctx, listener, c.cfg) }()
			if answer := trickle(t, listener.Addr().String(), c.opening); !strings.HasPrefix(answer, c.answer) || strings.Contains(answer, " 200 ") {
				t.Errorf("answered %q", answer)
			}
			cancel()
			if err := <-over; err != nil {
				t.Error(err)
			}
		})
	}
}

// trickle sends opening and then a byte now and then, until the server hangs
// up, and returns what it said.
func trickle(t *testing.T, address, opening string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second)) // less than the default of any limit that is shortened here
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write([]byte(opening))
		for err == nil {
			time.Sleep(5 * time.Millisecond)
			_, err = conn.Write([]byte("1"))
		}
		written <- err
	}()
	answer, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatal("the server does not hang up")
	}
	conn.Close()
	<-written
	return string(answer)
}

func TestManyConnectionsDoNotStopAnAuthority(t *testing.T) {
	const crowd = 100
	d := limited(t, at(noon()), authority.Limits{})
	m, a := d.Members[0], newApplicant(t, d, web)
	a.enrol(t)
	address := strings.TrimPrefix(m.URL(), "http://")
	for i := range crowd {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		begun := []string{"", "POST /v1/issue HTTP/1.1\r\nHo", "POST /v1/issue HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{"}
		fmt.Fprint(conn, begun[i%len(begun)])
	}
	if err := a.ask(t, 1, nil); err != nil {
		t.Error(err)
	}
	if n := issued(t, m); n != 2 {
		t.Errorf("%d rows in the log", n)
	}
}

// figure returns the value of a line of /metrics.
func figure(text, line string) string {
	match := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(line) + ` (\S+)$`).FindStringSubmatch(text)
	if match == nil {
		return "none"
	}
	return match[1]
}

func TestMetricsMoveAndNameNobody(t *testing.T) {
	d := limited(t, at(noon()), authority.Limits{})
	m, a := d.Members[0], newApplicant(t, d, web)
	a.enrol(t)
	for range 2 {
		if err := a.ask(t, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	unknown := dta.NewCode(1)
	refused(t, a.ask(t, 1, withCode(unknown)), problem.CodeUnknown)
	refused(t, a.ask(t, 1, func(q *dta.Request) { q.Key.Purpose = "CANARY-7f3a" }), problem.PurposeRefused)
	public := publicOf(m)
	public.do(t, http.MethodGet, "/CANARY-7f3a?x=CANARY-7f3a", "", nil)
	public.do(t, http.MethodGet, "/v1/ceremony/"+hexOf(d), "", nil)
	text := public.do(t, http.MethodGet, "/metrics", "", nil).text
	epoch := float64(d.Now() - d.Now()%86_400)
	for line, want := range map[string]string{
		`milagro_issuances_total{basis="code",purpose="channel"}`:                                   "1",
		`milagro_issuances_total{basis="renewal",purpose="channel"}`:                                "2",
		`milagro_refusals_total{kind="code-unknown"}`:                                               "1",
		`milagro_refusals_total{kind="purpose-refused"}`:                                            "1",
		`milagro_http_request_duration_seconds_count{route="POST /v1/issue",status="200"}`:          "3",
		`milagro_http_request_duration_seconds_count{route="POST /v1/issue",status="403"}`:          "2",
		`milagro_http_request_duration_seconds_count{route="GET /v1/ceremony/{plan}",status="200"}`: "1",
		`milagro_http_request_duration_seconds_count{route="unmatched",status="404"}`:               "1",
		"milagro_log_length":          "3",
		"milagro_stamp_age_days":      "0",
		"milagro_document_revision":   "1",
		"milagro_epoch_start_seconds": fmt.Sprintf("%g", epoch),
	} {
		if got := figure(text, line); got != want {
			t.Errorf("%s is %s, want %s", line, got, want)
		}
	}
	device, err := identity.DeviceOf(a.device)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"spiffe", "example.org", "CANARY", hexOf(d), device.Hash().String(), unknown.Canonical()[2:], "127.0.0.1", m.Dir, m.Card.Name} {
		if strings.Contains(text, who) {
			t.Errorf("the metrics say %q", who)
		}
	}
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready  bool
	Checks map[string]string
}

func readinessOf(t *testing.T, m *authoritytest.Member) (r readiness) {
	t.Helper()
	answer, err := http.Get(m.URL() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.Ready != (answer.StatusCode == http.StatusOK) || !r.Ready && answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d, ready %t", answer.StatusCode, r.Ready)
	}
	return r
}

func TestReadinessSaysWhatIsMissing(t *testing.T) {
	c := at(noon())
	d := limited(t, c, authority.Limits{})
	m, a := d.Members[0], newApplicant(t, d, web)
	a.enrol(t)
	if r := readinessOf(t, m); !r.Ready || len(r.Checks) != 3 {
		t.Error(r)
	}
	c.forward(-time.Hour)
	if r := readinessOf(t, m); r.Ready || !strings.Contains(r.Checks["clock"], "behind its log") || r.Checks["domain"] != "ok" || r.Checks["state"] != "ok" {
		t.Error("a clock behind the log:", r)
	}
	refused(t, a.ask(t, 1, nil), problem.Unavailable)
	c.forward(time.Hour)
	if r := readinessOf(t, m); !r.Ready {
		t.Error("a clock that is right again:", r)
	}
	shares, err := filepath.Glob(m.Dir + "/shares/*.share")
	if err != nil || len(shares) != 1 {
		t.Fatal(shares, err)
	}
	if err := os.Rename(shares[0], m.Dir+"/elsewhere"); err != nil {
		t.Fatal(err)
	}
	if err := m.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := readinessOf(t, m); r.Ready || r.Checks["domain"] != "the sealed share is not here" {
		t.Error("without its share:", r)
	}
	err = a.ask(t, 1, nil)
	refused(t, err, problem.Unavailable)
	if err == nil || strings.Contains(err.Error(), m.Dir) {
		t.Error("the refusal names a path:", err)
	}
	if p, err := (&dta.Client{}).Domain(t.Context(), m.URL()); err != nil || p.Verify(d.Published.Document.ID()) != nil {
		t.Error("the document needs no share:", err)
	}
	status, err := m.Operator().Status(t.Context())
	if err != nil || status.Ready || !strings.Contains(status.Why, "the sealed share is not here") {
		t.Error(status, err)
	}
	if answer := publicOf(m).do(t, http.MethodGet, "/healthz", "", nil); answer.text != "{\"alive\":true}\n" {
		t.Error("alive:", answer.text)
	}
}

// TestWithoutADomainNothingIsIssued asks an authority whose ceremony has not
// begun, for everything.
func TestWithoutADomainNothingIsIssued(t *testing.T) {
	c := at(noon())
	other := limited(t, c, authority.Limits{})
	a := newApplicant(t, other, web)
	d, err := authoritytest.Prepare(t.Context(), authoritytest.Config{Authorities: 2, Clock: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m, document := d.Members[0], base64Of(other.Published.Document.Bytes())
	admin, public := adminOf(m), publicOf(m)
	for _, body := range []string{`{}`, `{"request":"` + base64Of(a.request(t, 1, nil).sealed) + `"}`} {
		refused(t, public.post(t, "/v1/issue", body).err(), problem.NotActive)
	}
	refused(t, public.do(t, http.MethodGet, "/v1/domain", "", nil).err(), problem.NotActive)
	refused(t, public.do(t, http.MethodGet, "/v1/domain/share?day=20000", "", nil).err(), problem.NotActive)
	refused(t, admin.post(t, "/admin/agree", `{"document":"`+document+`"}`).err(), problem.NotActive)
	refused(t, admin.post(t, "/admin/register", `{"names":["`+web+`"],"purpose":"channel","expires":"2099-01-01T00:00:00Z"}`).err(), problem.NotActive)
	// A document, even a signed one, is not what makes a domain here.
	refused(t, public.post(t, "/v1/domain/approve", `{"document":"`+document+`"}`).err(), problem.Forbidden)
	refused(t, public.post(t, "/v1/domain/share", `{"document":"`+document+`"}`).err(), problem.Forbidden)
	signed := `{"document":"` + document + `","signature":"` + base64Of(other.Published.Signature) + `"}`
	refused(t, public.post(t, "/v1/domain/document", signed).err(), problem.CeremonyState)
	if r := readinessOf(t, m); r.Ready || r.Checks["domain"] != "no domain document yet" {
		t.Error(r)
	}
	for path, want := range map[string]string{"/healthz": "alive", "/v1/card": base64Of(m.Card.Bytes()), "/metrics": "milagro_document_revision 0",
		"/v1/ceremony/" + hexOf(d): `"state":"signed"`} {
		if answer := public.do(t, http.MethodGet, path, "", nil); answer.StatusCode != http.StatusOK || !strings.Contains(answer.text, want) {
			t.Errorf("%s: status %d: %.200s", path, answer.StatusCode, answer.text)
		}
	}
	status, err := m.Operator().Status(t.Context())
	if err != nil || status.Ready || status.Domain != nil || status.Issued != 0 || len(status.Plans) != 1 || status.Plans[0].State != "signed" {
		t.Error(status, err)
	}
}
