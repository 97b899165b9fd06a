package authority_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
)

// clock is one that a test sets; it goes on by itself.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// at returns a clock that reads the given time now.
func at(when time.Time) *clock {
	c := new(clock)
	c.forward(time.Until(when))
	return c
}

// noon is far from the ends of days and epochs.
func noon() time.Time { return time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour) }

// applicant is a device that asks authorities one by one.
type applicant struct {
	domain *authoritytest.Domain
	name   identity.Name
	device crypto.Signer
}

func newApplicant(t testing.TB, d *authoritytest.Domain, name string) *applicant {
	return &applicant{domain: d, name: mustName(t, name), device: newDevice(t)}
}

// asked is a sealed request with what opens its reply.
type asked struct {
	request *dta.Request
	sealed  []byte
	key     hpke.PrivateKey
	to      dta.Authority

	document *dta.Document
}

// request seals a request of the current epoch's channel key to an authority,
// after edit, which may be nil, has changed it.
func (a *applicant) request(t testing.TB, index uint32, edit func(*dta.Request)) *asked {
	t.Helper()
	document := a.domain.Published.Document
	to, _ := document.Authority(index)
	key, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	device, err := identity.DeviceOf(a.device)
	if err != nil {
		t.Fatal(err)
	}
	schedule, _ := document.Schedule(identity.Channel)
	q := &dta.Request{Generation: document.Generation(), Index: index, Device: device, ReplyKey: key.PublicKey(), Time: a.domain.Now(),
		Key: identity.Key{Domain: document.ID(), Purpose: identity.Channel, Name: a.name, Epoch: schedule.Current(a.domain.Now())}}
	rand.Read(q.Nonce[:])
	if edit != nil {
		edit(q)
	}
	sealed, err := q.Seal(to.HPKE, a.device)
	if err != nil {
		t.Fatal(err)
	}
	return &asked{request: q, sealed: sealed, key: key, to: to, document: document}
}

// send returns the sealed reply.
func (q *asked) send(ctx context.Context) ([]byte, error) {
	return (&dta.Client{}).Issue(ctx, q.to.URL, q.sealed)
}

// open verifies a sealed reply and its share.
func (q *asked) open(t testing.TB, sealed []byte) *dta.Reply {
	t.Helper()
	reply, _, err := dta.OpenReply(q.to, q.request, q.key, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reply.KeyShare(q.document, q.to); err != nil {
		t.Fatal(err)
	}
	return reply
}

// ask sends a request and returns why it was refused, or nil for a good share.
func (a *applicant) ask(t testing.TB, index uint32, edit func(*dta.Request)) error {
	t.Helper()
	q := a.request(t, index, edit)
	sealed, err := q.send(t.Context())
	if err == nil {
		q.open(t, sealed)
	}
	return err
}

// enrol spends a fresh code at every authority.
func (a *applicant) enrol(t testing.TB) {
	t.Helper()
	for index, code := range a.domain.Codes(t, a.name, identity.Channel) {
		if err := a.ask(t, index, withCode(code)); err != nil {
			t.Fatal(err)
		}
	}
}

func withCode(code dta.Code) func(*dta.Request) {
	return func(q *dta.Request) { q.Evidence = dta.CodeEvidence(code) }
}

// refused fails the test unless err is a problem of this kind.
func refused(t testing.TB, err error, kind problem.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got %v, want %q", err, string(kind))
	}
}

// issued returns how many shares an authority has logged.
func issued(t testing.TB, m *authoritytest.Member) int64 {
	t.Helper()
	status, err := m.Operator().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Issued
}

func newDevice(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustName(t testing.TB, s string) identity.Name {
	t.Helper()
	name, err := identity.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// twoOfThree is the domain of most tests.
func twoOfThree(t testing.TB, c *clock) *authoritytest.Domain {
	t.Helper()
	return authoritytest.New(t, authoritytest.Config{Threshold: 2, Authorities: 3, Clock: c.Now})
}
