package web

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

var pages = []string{"/signin", "/enrol", "/pin", "/devices"}

func handler(t *testing.T, c Config) http.Handler {
	t.Helper()
	h, err := Handler(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t *testing.T, h http.Handler, path, encoding string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(b)
}

var loaded = regexp.MustCompile(`(?:src|href|data-worker)="([^"]*)"`)

// TestPagesAskNobodyElse: what a page loads is its own origin's (R35).
func TestPagesAskNobodyElse(t *testing.T) {
	h := handler(t, Config{})
	for _, path := range pages {
		response, body := get(t, h, path, "")
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s is %d", path, response.StatusCode)
		}
		for _, m := range loaded.FindAllStringSubmatch(body, -1) {
			if !strings.HasPrefix(m[1], "/") || strings.HasPrefix(m[1], "//") {
				t.Errorf("%s asks another origin: %s", path, m[1])
				continue
			}
			if response, _ := get(t, h, m[1], ""); response.StatusCode != http.StatusOK {
				t.Errorf("%s leads to %s, which is %d", path, m[1], response.StatusCode)
			}
		}
		if n := strings.Count(body, "<script type=\"module\""); n != 1 {
			t.Errorf("%s has %d scripts, one is allowed", path, n)
		}
	}
}

// TestPolicyIsStrict: no page may be framed, run what it did not bring, or send a form
// (R35).
func TestPolicyIsStrict(t *testing.T) {
	h := handler(t, Config{})
	_, body := get(t, h, "/signin", "")
	for _, path := range append(pages, loaded.FindStringSubmatch(body)[1]) {
		response, body := get(t, h, path, "")
		csp := response.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'", "connect-src 'self'", "worker-src 'self'",
			"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: its policy lacks %q", path, want)
			}
		}
		if strings.Contains(csp, "unsafe-inline") || strings.Contains(csp, "'unsafe-eval'") || strings.Contains(csp, "http") {
			t.Errorf("%s: policy %q", path, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"} {
			if got := response.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if inline := regexp.MustCompile(`(?i)\sstyle=|\son\w+=|<style|="javascript:`).FindString(body); inline != "" && strings.HasPrefix(body, "<!doctype") {
			t.Errorf("%s has %q, which its policy stops", path, inline)
		}
	}
}

// TestSignInIsLight: at most 120 KB compressed, the worker apart.
func TestSignInIsLight(t *testing.T) {
	h := handler(t, Config{})
	response, _ := get(t, h, "/signin", "gzip")
	weight := response.ContentLength
	_, body := get(t, h, "/signin", "")
	for _, m := range loaded.FindAllStringSubmatch(body, -1) {
		if strings.HasPrefix(m[1], "/assets/") && !strings.Contains(m[1], "stretch") {
			response, _ := get(t, h, m[1], "gzip")
			weight += response.ContentLength
		}
	}
	if weight > 120_000 {
		t.Errorf("the sign-in page weighs %d bytes", weight)
	}
	t.Logf("%d bytes", weight)
}

func TestAnswersUnpackToThePlainOnes(t *testing.T) {
	h := handler(t, Config{})
	_, plain := get(t, h, "/enrol", "br, gzip;q=0")
	response, packed := get(t, h, "/enrol", "br, gzip;q=0.8")
	if response.Header.Get("Content-Encoding") != "gzip" {
		t.Fatal("not compressed for a browser that takes it")
	}
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != plain {
		t.Errorf("unpacked it differs, error %v", err)
	}
}

// TestAssetsAreKeptAndPagesAreNot: an asset's path names its content.
func TestAssetsAreKeptAndPagesAreNot(t *testing.T) {
	h := handler(t, Config{})
	response, body := get(t, h, "/signin", "")
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("a page is %q", got)
	}
	script := regexp.MustCompile(`/assets/app-[\w-]{12}\.js`).FindString(body)
	response, _ = get(t, h, script, "")
	if got := response.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("%s is %q", script, got)
	}
	for _, path := range []string{"/assets/app.js", "/assets/", "/assets/app-AAAAAAAAAAAA.js", "/assets/../web.go", "/page.html"} {
		if response, _ := get(t, h, path, ""); response.StatusCode == http.StatusOK {
			t.Errorf("%s is served", path)
		}
	}
}

var used = regexp.MustCompile(`'((?:account|choose|enrol|error|devices|pad|pin|refused|signin|weak)\.[a-z.-]+[a-z])'`)

// TestEveryTextIsThere: what scripts name is in the one table.
func TestEveryTextIsThere(t *testing.T) {
	texts := map[string]string{}
	b, err := files.ReadFile("texts.json")
	if err == nil {
		err = json.Unmarshal(b, &texts)
	}
	if err != nil {
		t.Fatal(err)
	}
	scripts := os.DirFS("src")
	names, err := fs.Glob(scripts, "*.js")
	if err != nil || len(names) == 0 {
		t.Fatalf("scripts %v, error %v", names, err)
	}
	for _, name := range names {
		b, err := fs.ReadFile(scripts, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(b), -1) {
			if _, ok := texts[m[1]]; !ok {
				t.Errorf("%s: texts.json has no %q", name, m[1])
			}
		}
	}
}

// TestErrorsAreForPeopleUnlessSaid: only a page for developers shows what a server said.
func TestErrorsAreForPeopleUnlessSaid(t *testing.T) {
	for audience, want := range map[Audience]string{People: `data-errors="people"`, Developers: `data-errors="developers"`} {
		if _, body := get(t, handler(t, Config{Errors: audience}), "/signin", ""); !strings.Contains(body, want) {
			t.Errorf("the page of %v lacks %s", audience, want)
		}
	}
}
