package authority_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/telemetry"
	"milagro.dev/keys"
)

// record takes what is written by many goroutines.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// tap is a transport that keeps the header and body of every answer.
type tap struct{ *record }

func (t tap) RoundTrip(request *http.Request) (*http.Response, error) {
	return t.through(http.DefaultTransport, request)
}

func (t tap) through(under http.RoundTripper, request *http.Request) (*http.Response, error) {
	response, err := under.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err := errBoth(err, response.Body.Close()); err != nil {
		return nil, err
	}
	fmt.Fprintln(t, response.Header, string(body))
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func errBoth(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// secrets are what must be seen nowhere, by name.
type secrets map[string][]byte

func (s secrets) device(t *testing.T, who string, a *applicant) {
	t.Helper()
	key := a.device.(*ecdsa.PrivateKey)
	raw, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s[who+"'s device key"], s[who+"'s device key, PKCS #8"] = raw, der
}

func (s secrets) code(t *testing.T, who string, code dta.Code) {
	t.Helper()
	text := code.Canonical()[2:]
	s[who+"'s code"], s[who+"'s code, digits"] = []byte(text[:19]), []byte(strings.ReplaceAll(text, "-", "")[:16])
	s[who+"'s code, bits"] = secretOf(t, code)
}

// member adds what an authority keeps sealed, and what unseals it.
func (s secrets) member(t *testing.T, m *authoritytest.Member) {
	t.Helper()
	protector, err := custody.FromKeyFile(m.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	unseal := func(path, purpose string) []byte {
		sealed, err := custody.ReadSecretFile(path)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := protector.Open(sealed, purpose)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	who := m.Card.Name
	r := encoding.Open(unseal(m.Dir+"/keys.sealed", "authority keys"), "milagro/v1 authority keys")
	s[who+"'s Ed25519 key"], s[who+"'s HPKE key"] = r.Fixed(32), r.Bytes(256)
	paths, err := filepath.Glob(m.Dir + "/shares/*.share")
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	counter, hash, _ := strings.Cut(strings.TrimSuffix(filepath.Base(paths[0]), ".share"), "-")
	generation, err := hex.DecodeString(fmt.Sprintf("%016s", counter) + hash)
	if err != nil {
		t.Fatal(err)
	}
	share, err := keys.ParseMasterShare(unseal(paths[0], "master share "+hex.EncodeToString(generation)))
	if err != nil {
		t.Fatal(err)
	}
	exposed := share.Expose()
	s[who+"'s master share"] = exposed[len(exposed)-32:]
	text, err := os.ReadFile(m.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	s[who+"'s key file"] = lines[len(lines)-1]
}

// reply adds what was inside a sealed reply, and what opened it.
func (s secrets) reply(t *testing.T, what string, q *asked, sealed []byte) {
	t.Helper()
	_, signed, err := dta.OpenReply(q.to, q.request, q.key, sealed)
	if err != nil {
		t.Fatal(err)
	}
	private, err := q.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	s["reply key of "+what], s["plaintext of "+what], s["key share of "+what] = private, signed, q.open(t, sealed).Share
}

// forms returns the ways in which a secret could be written down.
func forms(secret []byte) map[string]string {
	all := map[string]string{"bytes": string(secret), "hex": hex.EncodeToString(secret), "HEX": strings.ToUpper(hex.EncodeToString(secret)),
		"decimal": new(big.Int).SetBytes(secret).String(), "a slice": strings.Trim(fmt.Sprint(secret), "[]"),
		"a slice in JSON": strings.ReplaceAll(strings.Trim(fmt.Sprint(secret), "[]"), " ", ",")}
	for shift := range 3 { // wherever in a longer text it begins
		shifted := append(make([]byte, shift), secret...)
		text := base64.RawStdEncoding.EncodeToString(shifted[:len(shifted)/3*3])[4*((shift+2)/3):]
		all[fmt.Sprintf("base64, shifted by %d", shift)] = text
		all[fmt.Sprintf("base64url, shifted by %d", shift)] = strings.NewReplacer("+", "-", "/", "_").Replace(text)
	}
	return all
}

// seenIn reports secrets that a text has in any form.
func (s secrets) seenIn(t *testing.T, where, text string) {
	t.Helper()
	for name, secret := range s {
		if len(secret) < 10 {
			t.Fatalf("%s has %d bytes", name, len(secret))
		}
		for form, written := range forms(secret) {
			if strings.Contains(text, written) {
				t.Errorf("%s has %s, as %s", where, name, form)
			}
		}
	}
}

// life is everything that an authority does to applicants: it enrols and renews
// one, refuses another in every way that shows a code, and revokes.
func life(t *testing.T, d *authoritytest.Domain, answers *record) secrets {
	t.Helper()
	known := secrets{}
	client := &dta.Client{HTTP: &http.Client{Transport: tap{answers}}}
	for _, m := range d.Members {
		known.member(t, m)
	}
	a, b := newApplicant(t, d, web), newApplicant(t, d, api)
	known.device(t, "a", a)
	known.device(t, "b", b)
	mine, waiting := d.Codes(t, a.name, identity.Channel), d.Codes(t, b.name, identity.Channel)[1]
	known.code(t, "b", waiting)
	ask := func(what string, q *asked, want error) {
		sealed, err := client.Issue(t.Context(), q.to.URL, q.sealed)
		if want == nil && err == nil {
			known.reply(t, what, q, sealed)
		} else if want == nil || err == nil {
			t.Errorf("%s: %v", what, err)
		} else {
			refused(t, err, want.(problem.Kind))
		}
	}
	for index, code := range mine {
		known.code(t, fmt.Sprint("a at ", index), code)
		ask(fmt.Sprint("enrolment ", index), a.request(t, index, withCode(code)), nil)
		ask(fmt.Sprint("renewal ", index), a.request(t, index, nil), nil)
	}
	shown := func(kind, text string) func(*dta.Request) {
		return func(q *dta.Request) {
			q.Evidence = encoding.LP("milagro/v1 evidence", []byte(kind), []byte(text))
		}
	}
	ask("used", b.request(t, 1, func(q *dta.Request) { withCode(mine[1])(q); q.Key.Name = a.name }), problem.CodeUsed)
	ask("of another name", b.request(t, 1, withCode(mine[1])), problem.NameRefused)
	ask("of another authority", b.request(t, 2, withCode(waiting)), problem.CodeWrongAuthority)
	ask("unknown", b.request(t, 1, withCode(dta.NewCode(1))), problem.CodeUnknown)
	ask("mistyped", b.request(t, 1, shown("code", waiting.Canonical()+"0")), problem.CodeUnknown)
	ask("as its own kind", b.request(t, 1, shown(waiting.Canonical(), "code")), problem.Malformed)
	ask("bare", b.request(t, 1, func(q *dta.Request) { q.Evidence = []byte(waiting.Canonical()) }), problem.Malformed)
	ask("stale", b.request(t, 1, func(q *dta.Request) { withCode(waiting)(q); q.Time -= 1000 }), problem.StaleTime)
	ask("not enrolled", b.request(t, 1, nil), problem.NotEnrolled)
	if _, err := d.Members[0].Operator().Revoke(t.Context(), a.name, nil); err != nil {
		t.Fatal(err)
	}
	ask("revoked", a.request(t, 1, nil), problem.Revoked)
	loseShare(t, d.Members[1])
	ask("without a share", a.request(t, 2, nil), problem.Unavailable)
	return known
}

// loseShare has an authority run without its master share.
func loseShare(t *testing.T, m *authoritytest.Member) {
	t.Helper()
	paths, err := filepath.Glob(m.Dir + "/shares/*.share")
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	if err := os.Truncate(paths[0], 100); err != nil {
		t.Fatal(err)
	}
	if err := m.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestNoSecretIsSeen listens to the logs at their most talkative, without the
// redaction that telemetry would add, from before the ceremony on.
func TestNoSecretIsSeen(t *testing.T) {
	logged, answers := new(record), new(record)
	c := at(noon())
	d := authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: c.Now,
		Logger: slog.New(slog.NewJSONHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	known := life(t, d, answers)
	if len(known) < 30 {
		t.Fatalf("only %d secrets", len(known))
	}
	for _, m := range d.Members {
		fmt.Fprintln(answers, readinessOf(t, m))
		for _, path := range []string{"/metrics", "/v1/domain", "/v1/card", "/v1/ceremony/" + hexOf(d)} {
			fmt.Fprintln(answers, publicOf(m).do(t, http.MethodGet, path, "", nil).text)
		}
		for _, path := range []string{"/admin/list", "/admin/status"} {
			fmt.Fprintln(answers, adminOf(m).do(t, http.MethodGet, path, "", nil).text)
		}
	}
	known.seenIn(t, "the log", logged.String())
	known.seenIn(t, "an answer", answers.String())
}

// TestSecretsWouldBeSeen shows that the search above finds what is there.
func TestSecretsWouldBeSeen(t *testing.T) {
	secret := []byte("\x00CANARY of 32 bytes, as any key.\xff")
	written := map[string]string{"JSON": fmt.Sprintf("%q", hex.EncodeToString(secret)), "decimal": new(big.Int).SetBytes(secret).String(),
		"slice": fmt.Sprint(append([]byte{7}, secret...))}
	for shift := range 6 {
		around := append(append(bytes.Repeat([]byte{0xaa}, shift), secret...), 0xbb, 0xcc, 0xdd)
		written[fmt.Sprint("base64 ", shift)] = base64.StdEncoding.EncodeToString(around)
		written[fmt.Sprint("base64url ", shift)] = base64.RawURLEncoding.EncodeToString(around)
	}
	for what, text := range written {
		found := false
		for _, form := range forms(secret) {
			found = found || strings.Contains("before "+text+" after", form)
		}
		if !found {
			t.Errorf("%s is not seen: %s", what, text)
		}
	}
}

// TestLogSaysWhatAnOperatorNeeds reads the log as production writes it.
func TestLogSaysWhatAnOperatorNeeds(t *testing.T) {
	logged := new(record)
	c := at(noon())
	d := authoritytest.New(t, authoritytest.Config{Authorities: 2, Clock: c.Now, Logger: telemetry.NewLogger(logged, slog.LevelDebug)})
	life(t, d, new(record))
	text := logged.String()
	if strings.Contains(text, "[redacted]") || strings.Contains(text, "panic") {
		t.Error("redacted, or a panic:", text)
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	epoch := identity.EpochAt(d.Now(), 86_400).String()
	for _, want := range []map[string]any{
		{"msg": "operator agreed to a plan", "level": "INFO", "plan": hexOf(d), "domain": "example.org"},
		{"msg": "run confirmed", "level": "INFO"},
		{"msg": "document served", "level": "INFO", "revision": 1.0},
		{"msg": "document stamped", "level": "INFO"},
		{"msg": "names registered", "level": "INFO", "count": 1.0, "purpose": "channel"},
		{"msg": "issued", "level": "INFO", "name": web, "basis": "code", "purpose": "channel", "epoch": epoch},
		{"msg": "issued", "level": "INFO", "name": web, "basis": "renewal", "purpose": "channel", "epoch": epoch},
		{"msg": "request refused", "kind": "code-used", "route": "POST /v1/issue"},
		{"msg": "request refused", "kind": "code-unknown", "route": "POST /v1/issue"},
		{"msg": "request refused", "kind": "revoked", "route": "POST /v1/issue"},
		{"msg": "revoked", "level": "INFO", "name": web, "enrolments": 1.0},
		{"msg": "no key is issued", "level": "ERROR"},
		{"msg": "request failed", "level": "ERROR", "kind": "unavailable", "route": "POST /v1/issue"},
	} {
		if !hasLine(t, text, want) {
			t.Errorf("no line has %v", want)
		}
	}
}

// hasLine reports whether one line of a log has all these attributes.
func hasLine(t *testing.T, text string, want map[string]any) bool {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		same := true
		for key, value := range want {
			same = same && got[key] == value
		}
		if same {
			return true
		}
	}
	return false
}
