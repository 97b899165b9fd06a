//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/smtp"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"milagro.dev/internal/mail/mailcatch"
)

// get returns status and body of a page, and where it leads.
func get(t *testing.T, c *http.Client, page string) (status int, body, location string) {
	t.Helper()
	response, err := c.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b), response.Header.Get("Location")
}

// visitor is a browser that follows no redirect by itself.
func visitor(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// begin begins a sign-in at the application and returns what it asks the login server.
func begin(t *testing.T, c *http.Client, application string) url.Values {
	t.Helper()
	status, _, location := get(t, c, application+"signin")
	at, err := url.Parse(location)
	if err != nil || status != http.StatusFound {
		t.Fatalf("status %d to %s: %v", status, location, err)
	}
	return at.Query()
}

func TestDevApplicationTakesWhatItBegan(t *testing.T) {
	t.Parallel()
	r := startDev(t)
	application, issuer := r.word(t, "  application"), r.word(t, "  issuer")
	c := visitor(t)
	q := begin(t, c, application)
	for name, want := range map[string]string{"client_id": r.word(t, "  client ID"), "redirect_uri": application + "callback", "response_type": "code",
		"code_challenge_method": "S256", "scope": "openid profile email offline_access"} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	back := func(issuer string) string {
		return application + "callback?" + url.Values{"state": {q.Get("state")}, "code": {"x"}, "iss": {issuer}}.Encode()
	}
	for _, refused := range []struct {
		what, page string
		by         *http.Client
		status     int
		said       string
	}{
		{"another browser", back(issuer), visitor(t), http.StatusBadRequest, "has begun no sign-in"},
		{"another issuer", back("https://evil.example"), c, http.StatusBadRequest, "of another issuer"},
		{"the same state again", back(issuer), c, http.StatusBadRequest, "has begun no sign-in"},
		{"no state", application + "callback?code=x", c, http.StatusBadRequest, "has begun no sign-in"},
	} {
		status, body, _ := get(t, refused.by, refused.page)
		if status != refused.status || !strings.Contains(body, refused.said) {
			t.Errorf("%s: status %d\n%s", refused.what, status, body)
		}
	}
	q = begin(t, c, application)
	if status, body, _ := get(t, c, back(issuer)); status != http.StatusBadGateway || !strings.Contains(body, "invalid_grant") {
		t.Errorf("a code that is none: status %d\n%s", status, body)
	}
	r.interrupt(t)
}

func TestDevSitesAreAskedByTheirNameAlone(t *testing.T) {
	t.Parallel()
	r := startDev(t)
	application, mails := r.word(t, "  application"), r.word(t, "  mails")
	for _, site := range []string{application, mails} {
		if status, _, location := get(t, visitor(t), strings.Replace(site, "127.0.0.1", "localhost", 1)); status != http.StatusTemporaryRedirect || location != site {
			t.Errorf("%s by localhost: status %d to %q", site, status, location)
		}
		ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site, nil)
		if err != nil {
			t.Fatal(err)
		}
		ask.Host = "rebound.example"
		response, err := http.DefaultClient.Do(ask)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s by another name: status %d", site, response.StatusCode)
		}
	}
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, application+"signout", nil)
	if err != nil {
		t.Fatal(err)
	}
	post.Header.Set("Sec-Fetch-Site", "cross-site")
	response, err := http.DefaultClient.Do(post)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: status %d", response.StatusCode)
	}
	r.interrupt(t)
}

// letters returns the mails that dev's page has in JSON, once they are so many.
func (r *running) letters(t *testing.T, count int) []mailcatch.Letter {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var v struct {
			Taken int
			Mails []mailcatch.Letter
		}
		_, body, _ := get(t, http.DefaultClient, r.word(t, "  mails")+"mails.json")
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if v.Taken == count && len(v.Mails) == count {
			return v.Mails
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d mails after 20 s, not %d", v.Taken, count)
		}
	}
}

func TestDevShowsMailsWhateverIsInThem(t *testing.T) {
	t.Parallel()
	r := startDev(t)
	response, err := http.Post(r.word(t, "  issuer")+"/v1/enrol/mail", "application/json", strings.NewReader(`{"name":"acct:eve@dev.example"}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	link := r.word(t, "  issuer") + "/enrol#"
	if first := r.letters(t, 1)[0]; first.To != "eve@dev.example" || !strings.Contains(first.Text, link) {
		t.Errorf("mail %+v", first)
	}
	hostile := "Subject: <script>alert(1)</script>\r\n\r\nSee javascript:alert(2) and http://a.example/\"><img src=x> or https://b.example/c.\r\n"
	server := strings.TrimPrefix(r.where(t, "mail server"), "smtp://")
	if err := smtp.SendMail(server, nil, "x@example.net", []string{"you@dev.example"}, []byte(hostile)); err != nil {
		t.Fatal(err)
	}
	if newest := r.letters(t, 2)[0]; newest.Subject != "<script>alert(1)</script>" {
		t.Errorf("mail %+v", newest)
	}
	_, page, _ := get(t, http.DefaultClient, r.word(t, "  mails"))
	for _, want := range []string{`<a href="` + link, `<a href="http://a.example/" rel`, `<a href="https://b.example/c" rel`, "&lt;script&gt;", "2 mails"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, never := range []string{"<script", "<img", `href="javascript`} {
		if strings.Contains(page, never) {
			t.Errorf("%q is in the page", never)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	r.interrupt(t)
}

// TestDevInChromium does what a person does whom 'milagro dev' invites
// (test/browser/dev.test.js).
func TestDevInChromium(t *testing.T) {
	t.Parallel()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v\nhint: make tools installs it", err)
	}
	const tests = "../../test/browser"
	if _, err := os.Stat(filepath.Join(tests, "node_modules/playwright-core")); err != nil {
		t.Fatalf("%v\nhint: make tools installs it", err)
	}
	dir := shortTemp(t)
	r := startDev(t, "--dir", dir)
	urls, err := json.Marshal(map[string]string{"invitation": r.word(t, "  invitation"), "application": r.word(t, "  application"),
		"mails": r.word(t, "  mails"), "origin": r.word(t, "  issuer"), "logs": filepath.Join(dir, "logs")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "--test", "--test-reporter=spec", "dev.test.js")
	node.Dir, node.Env = tests, append(os.Environ(), `MILAGRO_TOWNS={"dev":`+string(urls)+"}", "MILAGRO_CHROMIUM="+chromium)
	node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	node.Cancel = func() error { return syscall.Kill(-node.Process.Pid, syscall.SIGKILL) }
	if out, err := node.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	r.interrupt(t)
}
