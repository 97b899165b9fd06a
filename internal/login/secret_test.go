package login_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
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
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/internal/custody"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
)

// tap is a transport that keeps the header and body of every answer.
type tap struct{ *record }

func (t tap) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(t, response.Header, string(body))
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// secrets are what must be seen nowhere, by name.
type secrets map[string][]byte

// server adds what a login server keeps sealed, and what unseals it.
func (s *stage) secrets() secrets {
	s.t.Helper()
	known := secrets{}
	protector, err := custody.FromKeyFile(s.KeyFile)
	s.done(err)
	unseal := func(file, purpose string) []byte {
		sealed, err := custody.ReadSecretFile(filepath.Join(s.Dir, file))
		s.done(err)
		secret, err := protector.Open(sealed, purpose)
		s.done(err)
		return secret
	}
	r := encoding.Open(unseal("keys.sealed", "login server keys"), "milagro/v1 login keys")
	known["Ed25519 seed"], known["key of statements"] = r.Fixed(ed25519.SeedSize), r.Fixed(32)
	published, site, err := s.Site()
	s.done(err)
	service, _ := published.Document.ServiceByID(site.ID)
	known["server key"] = unseal(s.files("server-key-*")[0], fmt.Sprintf("server key %x %x", site.ID, service.Generation.Bytes()))
	for i, m := range s.domain.Members[:2] {
		share := stolenShare(s.t, m, service.Generation).ServerShare()
		known[fmt.Sprint("server share ", i+1)] = share.Expose()
	}
	text, err := os.ReadFile(s.KeyFile)
	s.done(err)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	known["key file"] = lines[len(lines)-1]
	return known
}

// person adds what a device has and its owner knows.
func (known secrets) person(t *testing.T, s *stage, p *logintest.Person) {
	t.Helper()
	raw, err := p.Signer.(*ecdsa.PrivateKey).Bytes()
	s.done(err)
	epoch, err := p.Epoch()
	s.done(err)
	permit, err := p.Permit(t.Context(), epoch)
	s.done(err)
	who := p.Name.String() + " " + p.Device.Hash().String()
	known[who+"'s device key"], known[who+"'s token"], known[who+"'s permit"], known[who+"'s whole key"] = raw, p.Token.Expose(), permit.Expose(), s.wholeKey(p)
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
func (known secrets) seenIn(t *testing.T, where, text string) {
	t.Helper()
	for name, secret := range known {
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

// life is everything that a login server does for people: it accepts, refuses in
// every way, changes a PIN, locks, unlocks and revokes.
func (s *stage) life(t *testing.T, client *dta.Client) []*logintest.Person {
	p, next, stranger := s.newDevice(alice), s.newDevice(alice), s.newDevice(bob)
	for _, who := range []*logintest.Person{p, next, stranger} {
		who.Client = client
	}
	s.done(p.Register(t.Context(), right))
	s.done(stranger.Register(t.Context(), right))
	refused(t, s.show(p, p.Statements[:1], nil), problem.RowRefused)
	s.done(p.ShowRow(t.Context()))
	s.logsIn(p)
	s.fails(stranger, right)
	q := proved(t, begun(t, p, right))
	q.Signature[5] ^= 1
	_, err := p.Client.FinishLogin(t.Context(), p.URL, q)
	refused(t, err, problem.Possession)
	_, err = p.Client.FinishLogin(t.Context(), p.URL, q)
	refused(t, err, problem.SessionUnknown)
	s.locks(p)
	s.fails(p, right)
	_, err = s.Operator().Unlock(t.Context(), p.Name, nil)
	s.done(err)
	vouchers, err := s.intends(p, next)
	s.done(err)
	s.succeeds(p, next, vouchers)
	s.done(next.ShowRow(t.Context()))
	s.logsInWith(next, newPIN)
	s.known(p, 1, 2, 3)
	s.permitted(stranger)
	s.clock.forward(time.Minute)
	return []*logintest.Person{p, next, stranger}
}

// TestNoSecretIsSeen listens to the log at its most talkative, without the
// redaction that telemetry would add, from the first start on; and looks through
// answers, metrics and the database.
func TestNoSecretIsSeen(t *testing.T) {
	t.Parallel()
	logged, answers := new(record), new(record)
	s := newStage(t, func(c *logintest.Config) {
		c.Login.Logger = slog.New(slog.NewJSONHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	known := s.secrets()
	for _, p := range s.life(t, &dta.Client{HTTP: &http.Client{Transport: tap{answers}}}) {
		known.person(t, s, p)
	}
	if len(known) < 17 {
		t.Fatalf("only %d secrets", len(known))
	}
	for _, path := range []string{"/readyz", "/metrics", "/.well-known/jwks.json"} {
		fmt.Fprintln(answers, s.public().do(t, http.MethodGet, path, "", nil).text)
	}
	for _, path := range []string{"/admin/list", "/admin/status", "/admin/audit"} {
		fmt.Fprintln(answers, s.admin().do(t, http.MethodGet, path, "", nil).text)
	}
	known.seenIn(t, "the log", logged.String())
	known.seenIn(t, "an answer", answers.String())
	s.done(s.Stop())
	for name := range filesIn(t, s.Dir) {
		if name == "wallet" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(s.Dir, name))
		s.done(err)
		known.seenIn(t, name, string(b))
	}
}

// TestPINIsNowhere: it never leaves the device, so nothing here can have it; what a
// login sends is seen, and has no form of it.
func TestPINIsNowhere(t *testing.T) {
	t.Parallel()
	logged, answers := new(record), new(record)
	s := newStage(t, func(c *logintest.Config) { c.Login.Logger = logged.logger() })
	const pin = "canary-PIN-8412775"
	p := s.newDevice(alice)
	p.Client = &dta.Client{HTTP: &http.Client{Transport: tap{answers}}}
	s.done(p.Register(t.Context(), pin))
	s.done(p.ShowRow(t.Context()))
	s.logsInWith(p, pin)
	a, err := p.Begun(t.Context(), pin, none)
	s.done(err)
	sent, err := json.Marshal([]any{a.Request(), proved(t, a)})
	s.done(err)
	known := secrets{"PIN": []byte(pin)}
	for where, text := range map[string]string{"the log": logged.String(), "an answer": answers.String(), "a message": string(sent)} {
		known.seenIn(t, where, text)
	}
}

// TestLogSaysWhatAnOperatorNeeds reads the log as production writes it.
func TestLogSaysWhatAnOperatorNeeds(t *testing.T) {
	t.Parallel()
	logged := new(record)
	s := newStage(t, func(c *logintest.Config) { c.Login.Logger = logged.logger() })
	people := s.life(t, new(dta.Client))
	p, next := people[0], people[1]
	s.eventually("the log has every notice", func() bool { return strings.Count(logged.String(), `"authority was told"`) == 3 })
	text := logged.String()
	if strings.Contains(text, "[redacted]") || strings.Contains(text, "panic") {
		t.Error("redacted, or a panic:", text)
	}
	device := p.Device.Hash().String()
	for _, want := range []map[string]any{
		{"msg": "the server's secret is whole and sealed", "level": "INFO", "service": "login"},
		{"msg": "logins are served", "level": "INFO", "service": "login", "revision": 2.0},
		{"msg": "row refused", "level": "INFO", "name": alice, "device": device},
		{"msg": "row made", "level": "INFO", "name": alice, "device": device, "channel_kind": 0.0},
		{"msg": "login accepted", "level": "INFO", "name": alice, "device": device},
		{"msg": "login refused", "level": "INFO", "name": bob, "reason": "unknown"},
		{"msg": "login refused", "level": "INFO", "name": alice, "reason": "possession"},
		{"msg": "login refused", "level": "INFO", "name": alice, "reason": "wrong PIN", "streak": 1.0, "total": 1.0},
		{"msg": "login refused", "level": "INFO", "name": alice, "reason": "wrong PIN", "event": "locked", "streak": 5.0},
		{"msg": "login refused", "level": "INFO", "name": alice, "reason": "locked"},
		{"msg": "unlocked", "level": "INFO", "name": alice, "devices": 1.0},
		{"msg": "revoked", "level": "INFO", "name": alice, "device": device, "by": next.Device.Hash().String()},
		{"msg": "authority was told", "level": "INFO", "authority": 3.0, "name": alice, "device": device},
		{"msg": "request refused", "level": "DEBUG", "kind": "login-refused", "route": "POST /v1/mpin/finish"},
	} {
		if !hasLine(t, text, want) {
			t.Errorf("no line has %v", want)
		}
	}
}

// hasLine reports whether one line of a log has all these attributes.
func hasLine(t *testing.T, text string, want map[string]any) bool {
	t.Helper()
	for line := range strings.Lines(text) {
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
