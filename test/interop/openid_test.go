//go:build linux

package interop

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/oidc"
	"milagro.dev/internal/webserver"
	"milagro.dev/mpin"
)

const (
	alice        = "acct:alice@example.org"
	alicesPIN    = "472916"
	sharedSecret = "a-secret-of-the-applications-1"
)

// nginxOrigin is the origin of the login server, and of an internal site that knows nothing
// of OpenID.
const nginxOrigin = `daemon off;
master_process off;
user root;
pid %[1]s/pid;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  server {
    listen %[2]s;
    absolute_redirect off;
    %[3]s
  }
  server {
    listen unix:%[1]s/site.sock;
    location / { return 200 "$http_milagro_name at $request_uri\n"; }
  }
}
`

// apacheSite is Debian's Apache with libapache2-mod-auth-openidc in front of a program
// that shows the headers it gets.
const apacheSite = `ServerRoot %[1]s
PidFile %[1]s/apache.pid
DefaultRuntimeDir %[1]s
Listen %[2]s
ServerName 127.0.0.1
ErrorLog %[1]s/error.log
LogLevel warn
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule auth_openidc_module /usr/lib/apache2/modules/mod_auth_openidc.so
User www-data
Group www-data
OIDCRefreshAccessTokenBeforeExpiry 599
ProxyPass /app/callback !
ProxyPass /app/ %[4]s/
%[3]s
`

// page returns the settings of a program that doc/openid.md shows, with what is to be
// replaced in them, by what, and so on.
func page(t *testing.T, language string, changes ...string) string {
	t.Helper()
	text := string(must(os.ReadFile("../../doc/openid.md"))(t))
	_, text, found := strings.Cut(text, "```"+language+"\n")
	text, _, closed := strings.Cut(text, "```")
	if !found || !closed {
		t.Fatalf("doc/openid.md has no settings of %s", language)
	}
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Errorf("settings of %s in doc/openid.md say nothing of %s", language, changes[i])
		}
	}
	return strings.NewReplacer(changes...).Replace(text)
}

// origin is a login server behind nginx, with a person who has a device.
type origin struct {
	url    string
	person *logintest.Person
}

// signInStage makes the origin; its applications are reached at these addresses.
func signInStage(t *testing.T, node, apache string) *origin {
	t.Helper()
	secret := must(oidc.HashSecret(sharedSecret))(t)
	front := must(webserver.FreeAddresses(1))(t)[0]
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3})
	s := logintest.New(t, logintest.Config{Domain: d, Published: d.Published, Origin: "http://" + front, Login: login.Config{OpenID: login.WithOpenID,
		Clients: []oidc.Client{
			{ID: "node", Redirects: []string{"http://" + node + "/callback"}, PostLogouts: []string{"http://" + node + "/bye"}, Secret: secret},
			{ID: "apache", Redirects: []string{"http://" + apache + "/app/callback"}, PostLogouts: []string{"http://" + apache + "/bye"}, Secret: secret},
		}}})
	dir := shortDir(t)
	check(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, nginxOrigin, dir, front, page(t, "nginx",
		"http://127.0.0.1:7500", s.URL(), "http://127.0.0.1:8080", "http://unix:"+dir+"/site.sock")), 0o600))
	start(t, "nginx", "nginx", "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf"))
	o := &origin{url: "http://" + front}
	await(t, "nginx passes the login server on", func() error {
		response, err := http.Get(o.url + oidc.Discovery)
		if err != nil {
			return err
		}
		return errors.Join(response.Body.Close(), unlessOK(response))
	})
	o.person = s.Person(t, alice, alicesPIN).At(o.url)
	return o
}

func unlessOK(r *http.Response) error {
	if r.StatusCode != http.StatusOK {
		return errors.New(r.Status)
	}
	return nil
}

// window is a browser, which follows redirects until a page, and signs in on ours.
type window struct {
	*http.Client
	o *origin
}

func (o *origin) window(t *testing.T) *window {
	t.Helper()
	return &window{&http.Client{Jar: must(cookiejar.New(nil))(t), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, o}
}

// visit goes to a URL, and on, and returns where it ends and the page there. until,
// if it is not empty, begins the URL at which it stops instead of going there.
func (w *window) visit(t *testing.T, address, until string) (string, string) {
	t.Helper()
	for range 12 {
		if until != "" && strings.HasPrefix(address, until) {
			return address, ""
		}
		if strings.HasPrefix(address, w.o.url+"/signin?request=") {
			address = w.signIn(t, address)
			continue
		}
		r := must(http.NewRequest(http.MethodGet, address, nil))(t)
		r.Header.Set("Accept", "text/html") // else Apache takes it for a script's
		response := must(w.Do(r))(t)
		body := must(io.ReadAll(response.Body))(t)
		check(t, response.Body.Close())
		to, err := response.Location()
		if err != nil {
			return address, string(body)
		}
		address = to.String()
	}
	t.Fatalf("no end of redirects: %s", address)
	return "", ""
}

// signIn does what our page does.
func (w *window) signIn(t *testing.T, page string) string {
	t.Helper()
	request := must(url.Parse(page))(t).Query().Get("request")
	statement := must(w.o.person.Login(t.Context(), alicesPIN, mpin.Intent{}))(t).Statement
	body := must(json.Marshal(map[string]string{"request": request, "statement": statement}))(t)
	response := must(w.Post(w.o.url+"/oauth/signin", "application/json", strings.NewReader(string(body))))(t)
	defer response.Body.Close()
	var answer struct{ Redirect string }
	check(t, json.NewDecoder(response.Body).Decode(&answer))
	if answer.Redirect == "" {
		t.Fatalf("sign-in: %s", response.Status)
	}
	return answer.Redirect
}

// TestWebApplicationsSignIn: relying parties that were not written here sign in,
// refresh and sign out; nginx protects a site by auth_request.
func TestWebApplicationsSignIn(t *testing.T) {
	t.Parallel()
	a := must(webserver.FreeAddresses(2))(t)
	node, apache := a[0], a[1]
	o := signInStage(t, node, apache)
	t.Run("openid-client", func(t *testing.T) { nodeSignsIn(t, o, node) })
	t.Run("Apache", func(t *testing.T) { apacheSignsIn(t, o, apache) })
	t.Run("nginx", func(t *testing.T) { nginxAsks(t, o) })
}

func nodeSignsIn(t *testing.T, o *origin, address string) {
	if _, err := os.Stat("openid-client/node_modules"); err != nil {
		t.Fatalf("%v\nhint: make tools installs it", err)
	}
	cmd := exec.Command("node", "openid-client/rp.mjs", o.url, "node", sharedSecret, "http://"+address+"/callback", "http://"+address+"/bye")
	in, out := must(cmd.StdinPipe())(t), must(cmd.StdoutPipe())(t)
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	step := func(want string) (value json.RawMessage) {
		t.Helper()
		var line struct {
			Step  string          `json:"step"`
			Value json.RawMessage `json:"value"`
		}
		if !lines.Scan() {
			t.Fatalf("openid-client ended before %s: %v", want, lines.Err())
		}
		check(t, json.Unmarshal(lines.Bytes(), &line))
		if line.Step != want {
			t.Fatalf("%s, want %s", lines.Text(), want)
		}
		return line.Value
	}
	text := func(value json.RawMessage) (s string) {
		check(t, json.Unmarshal(value, &s))
		return s
	}
	w := o.window(t)
	back, _ := w.visit(t, text(step("go")), "http://"+address+"/callback")
	fmt.Fprintln(in, back)
	var claims struct {
		Sub string   `json:"sub"`
		AMR []string `json:"amr"`
	}
	check(t, json.Unmarshal(step("claims"), &claims))
	if len(claims.Sub) != 43 || strings.Join(claims.AMR, " ") != "pin pop mfa" {
		t.Errorf("claims %+v", claims)
	}
	for want, value := range map[string]string{`"email":"alice@example.org"`: string(step("userinfo")), `"active":true`: string(step("refreshed"))} {
		if !strings.Contains(value, want) {
			t.Errorf("%s, want %s", value, want)
		}
	}
	if bye, _ := w.visit(t, text(step("logout")), "http://"+address+"/bye"); bye != "http://"+address+"/bye" {
		t.Errorf("signed out to %s", bye)
	}
	fmt.Fprintln(in)
	if after := text(step("after")); after != "invalid_grant" {
		t.Errorf("after the logout: %s", after)
	}
}

func apacheSignsIn(t *testing.T, o *origin, address string) {
	var app http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %s\nemail %s\ntoken %s\n", r.Header.Get("OIDC_CLAIM_sub"), r.Header.Get("OIDC_CLAIM_email"), r.Header.Get("OIDC_access_token"))
	}
	site := httptest.NewServer(app)
	defer site.Close()
	dir := shortDir(t)
	check(t, os.WriteFile(filepath.Join(dir, "apache.conf"), fmt.Appendf(nil, apacheSite, dir, address, page(t, "apache",
		"https://login.example.org", o.url, "secret-of-apache", sharedSecret, "https://app.example.org", "http://"+address), site.URL), 0o600))
	start(t, "apache", "apache2", "-f", filepath.Join(dir, "apache.conf"), "-DFOREGROUND")
	t.Cleanup(func() {
		if log, err := os.ReadFile(filepath.Join(dir, "error.log")); err == nil && t.Failed() {
			t.Logf("Apache said:\n%s", log)
		}
	})
	await(t, "Apache answers", func() error {
		response, err := http.Get("http://" + address + "/")
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
	w := o.window(t)
	at, page := w.visit(t, "http://"+address+"/app/page", "")
	if at != "http://"+address+"/app/page" || !strings.Contains(page, "email alice@example.org") {
		t.Fatalf("signed in at %s: %s", at, page)
	}
	// It refreshes its access token before the next page that is more than a second
	// later: until then the pages are the same.
	await(t, "Apache refreshes", func() error {
		if _, next := w.visit(t, "http://"+address+"/app/page", ""); next == page || !strings.Contains(next, "email alice@example.org") {
			return fmt.Errorf("page %s", next)
		}
		return nil
	})
	bye := "http://" + address + "/bye"
	if at, _ := w.visit(t, "http://"+address+"/app/callback?logout="+url.QueryEscape(bye), bye); at != bye {
		t.Errorf("signed out to %s", at)
	}
	signin := o.url + "/signin"
	if at, _ := w.visit(t, "http://"+address+"/app/page", signin); !strings.HasPrefix(at, signin) {
		t.Errorf("after the logout: %s", at)
	}
}

func nginxAsks(t *testing.T, o *origin) {
	w := o.window(t)
	page := o.url + "/internal/page?a=1&b=%2F"
	at, body := w.visit(t, page, "")
	if at != page || body != alice+" at /internal/page?a=1&b=%2F\n" {
		t.Errorf("at %s: %s", at, body)
	}
	forged := must(http.NewRequest(http.MethodGet, page, nil))(t)
	forged.Header.Set("Milagro-Name", "acct:admin@example.org")
	for _, client := range []*http.Client{w.Client, o.window(t).Client} {
		response := must(client.Do(forged))(t)
		body := must(io.ReadAll(response.Body))(t)
		check(t, response.Body.Close())
		if strings.Contains(string(body), "admin") {
			t.Errorf("a name that the browser sent is believed: %s", body)
		}
	}
}
