package authority

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"database/sql"
	"errors"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/problem"
)

// recorder records claims that every look before has let pass: between the looks
// and the record anything may have happened.
type recorder struct {
	*state
	t   *testing.T
	now time.Time
}

func newRecorder(t *testing.T) *recorder {
	return &recorder{state: emptyState(t), t: t, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
}

func (r *recorder) done(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *recorder) device() identity.Device {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r.done(err)
	device, err := identity.DeviceOf(key)
	r.done(err)
	return device
}

// claim returns alice's claim of a login key for a device.
func (r *recorder) claim(device identity.Device, basis string) *claim {
	r.t.Helper()
	alice, err := identity.ParseName("acct:alice@example.org")
	r.done(err)
	reply, err := hpke.MLKEM768X25519().GenerateKey()
	r.done(err)
	q := &dta.Request{Key: identity.Key{Purpose: identity.MPin, Service: identity.ServiceID{7}, Name: alice}, Device: device, ReplyKey: reply.PublicKey()}
	rand.Read(q.Nonce[:])
	c := &claim{Request: q, hash: q.Hash(), now: r.now, basis: basis}
	if basis == basisCode {
		rand.Read(c.code[:])
		r.done(r.addCodes(r.t.Context(), []pending{{hash: c.code, name: alice, purpose: identity.MPin, service: q.Key.Service, expires: r.now.Add(time.Hour)}}, r.now))
	}
	return c
}

func (r *recorder) save(c *claim) error {
	_, err := r.record(r.t.Context(), issuance{claim: c, limit: Rate{Count: 10, Window: time.Hour}.tally(r.now, "x"), reply: []byte("reply")})
	return err
}

func TestRecordOfALoginKeyTrustsNoEarlierLook(t *testing.T) {
	r := newRecorder(t)
	device := r.device()
	first, second := r.claim(device, basisCode), r.claim(device, basisCode)
	r.done(r.save(first))
	if err := r.save(second); !errors.Is(err, problem.AlreadyEnrolled) {
		t.Errorf("a second code: %v", err)
	}
	second.Device = r.device()
	r.done(r.save(second)) // the refusal spent nothing
	if n, err := r.issued(t.Context(), r.now); n != 2 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestRecordOfASuccessorTrustsNoEarlierLook(t *testing.T) {
	r := newRecorder(t)
	old, stranger := r.claim(r.device(), basisCode), r.device().Hash()
	r.done(r.save(old))
	next := r.claim(r.device(), basisSuccession)
	next.old = stranger
	if err := r.save(next); !errors.Is(err, problem.VoucherRefused) {
		t.Errorf("of a device that is not enrolled: %v", err)
	}
	next.old = old.Device.Hash()
	r.done(r.save(next))
	if _, err := r.end(t.Context(), enrolmentOf(old.Request), r.now); err != nil {
		t.Fatal(err)
	}
	late := r.claim(r.device(), basisSuccession)
	late.old = old.Device.Hash()
	if err := r.save(late); !errors.Is(err, problem.VoucherRefused) {
		t.Errorf("of a device that was ended meanwhile: %v", err)
	}
	ended := r.claim(r.device(), basisSuccession)
	ended.old = next.Device.Hash()
	if _, err := r.end(t.Context(), enrolmentOf(ended.Request), r.now); err != nil {
		t.Fatal(err)
	}
	if err := r.save(ended); !errors.Is(err, problem.Revoked) {
		t.Errorf("for a device that was ended meanwhile: %v", err)
	}
}

func TestTokenIsConsumedWhateverTheLooksBeforeSaw(t *testing.T) {
	r := newRecorder(t)
	b := &bearer{once: [32]byte{1}, expires: r.now.Add(time.Hour)}
	consume := func() error {
		return r.db.Write(t.Context(), func(ctx context.Context, tx *sql.Tx) error { return consumeToken(ctx, tx, b) })
	}
	for range 2 { // who asks at once
		r.done(r.lookAtToken(t.Context(), b.once))
	}
	r.done(consume())
	if err := consume(); !errors.Is(err, problem.TokenUsed) {
		t.Errorf("the second one: %v", err)
	}
}
