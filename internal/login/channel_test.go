package login_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/idtls"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/login"
	"milagro.dev/internal/login/logintest"
	"milagro.dev/internal/problem"
	"milagro.dev/mpin"
	"milagro.dev/wallet"
)

// channelStage is a stage that serves over identity TLS too. Its clock is right:
// certificates know no other.
func channelStage(t *testing.T) *stage {
	t.Helper()
	d := authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3})
	s := logintest.New(t, logintest.Config{Domain: d, Published: d.Published, Over: logintest.Both,
		Login: login.Config{Name: mustName(t, "spiffe://example.org/login")}})
	return &stage{Server: s, domain: d, clock: new(clock), t: t}
}

// member returns a source of channel credentials for a name.
func (s *stage) member(name identity.Name) idtls.Source {
	s.t.Helper()
	w, err := wallet.Open(wallet.Config{Dir: filepath.Join(s.t.TempDir(), "wallet")})
	s.done(err)
	d := s.domain.Published.Document
	_, err = w.Pin(s.t.Context(), d.Authorities()[0].URL, d.ID())
	s.done(err)
	_, err = w.Enrol(s.t.Context(), name, identity.Channel, s.domain.Codes(s.t, name, identity.Channel))
	s.done(err)
	return w.Source(name)
}

// over returns p as it speaks over a new connection to the login server.
func (s *stage) over(p *logintest.Person, source idtls.Source) *logintest.Person {
	s.t.Helper()
	config, err := idtls.ClientConfig(source, idtls.Exactly(mustName(s.t, "spiffe://example.org/login")), "http/1.1")
	s.done(err)
	conn, err := (&tls.Dialer{Config: config}).DialContext(s.t.Context(), "tcp", s.Channel())
	s.done(err)
	s.t.Cleanup(func() { conn.Close() })
	state := conn.(*tls.Conn).ConnectionState()
	b, err := state.ExportKeyingMaterial(mpin.ExporterLabel, nil, mpin.ExporterSize)
	s.done(err)
	p = p.At("https://" + s.Channel())
	p.Channel, err = mpin.Exporter(b)
	s.done(err)
	p.Client = &dta.Client{HTTP: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1,
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}}
	return p
}

// TestLoginIsBoundToItsConnection: both passes travel on one, the exporter is that
// one's, and a device of kind 1 logs in on no other kind.
func TestLoginIsBoundToItsConnection(t *testing.T) {
	t.Parallel()
	s := channelStage(t)
	p := s.newDevice(alice)
	source := s.member(p.Name)
	p.Channel = s.over(p, source).Channel // of kind 1, to be enrolled so
	s.done(p.Register(t.Context(), right))
	s.permitted(p)
	one, two := s.over(p, source), s.over(p, source)
	s.done(one.ShowRow(t.Context()))
	if d := s.device(p); d.ChannelKind != 1 {
		t.Fatalf("%+v", d)
	}
	if answer := s.logsIn(one); answer.Statement == "" {
		t.Error("no statement")
	}
	s.fails(two, wrong)
	s.logsIn(two)

	// The second pass on another connection gets nothing, and takes nothing.
	q := proved(t, begun(t, one, right))
	for _, elsewhere := range []*logintest.Person{two, p} {
		_, err := elsewhere.Client.FinishLogin(t.Context(), elsewhere.URL, q)
		refused(t, err, problem.SessionUnknown)
	}
	if _, err := one.Client.FinishLogin(t.Context(), one.URL, q); err != nil {
		t.Error("on its own connection:", err)
	}
	s.counts(p, 0, 1, "active")

	// Somebody in between, to whose connection the device has bound its proof.
	relayed := s.over(p, source)
	relayed.Channel = one.Channel
	_, err := relayed.Login(t.Context(), right, none)
	refused(t, err, problem.Possession)

	relayed.Channel = mpin.Channel{}
	_, err = relayed.Begun(t.Context(), right, none)
	refused(t, err, problem.Malformed)
	plain := p.At(s.URL())
	plain.Channel = one.Channel
	_, err = plain.Begun(t.Context(), right, none)
	refused(t, err, problem.Malformed)
	plain.Channel = mpin.Channel{}
	s.fails(plain, right)
	s.audited(p, "refused", "accepted", "accepted", "refused", "accepted", "row-made")
	s.counts(p, 0, 1, "active")
}

// TestDeviceOfKindZeroIsRefusedOnAChannel: what it was enrolled for decides.
func TestDeviceOfKindZeroIsRefusedOnAChannel(t *testing.T) {
	t.Parallel()
	s := channelStage(t)
	p := s.Person(t, alice, right)
	s.logsIn(p)
	s.fails(s.over(p, s.member(p.Name)), right)
	s.counts(p, 0, 0, "active")
}

// TestServerWithoutItsChannelKeySaysSo: and logs people in elsewhere meanwhile.
func TestServerWithoutItsChannelKeySaysSo(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	p := s.Person(t, alice, right)
	s.done(s.Stop())
	s.Configure(func(c *login.Config) { c.Name = mustName(t, "spiffe://example.org/login") })
	s.done(s.Start(t.Context()))
	s.says("no channel key of spiffe://example.org/login")
	s.logsIn(p)
}
