package login

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/mpin"
)

// transcripts returns a function that makes transcripts, each of a session of its own.
func transcripts(t *testing.T) func() mpin.Transcript {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	device, err := identity.DeviceOf(signer)
	if err != nil {
		t.Fatal(err)
	}
	name, err := identity.ParseName("acct:alice@example.org")
	if err != nil {
		t.Fatal(err)
	}
	u, err := mpin.ParseCommitment(pairing.G1Generator().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	l := mpin.Login{Domain: identity.DomainID{1}, Service: identity.ServiceID{1}, Origin: "https://login.example.org", Name: name, Device: device,
		Epoch: identity.EpochAt(86_400, 86_400)}
	return func() mpin.Transcript {
		transcript, err := l.Transcript(u, mpin.NewChallenge())
		if err != nil {
			t.Fatal(err)
		}
		return transcript
	}
}

func TestRecentSessionIsFoundOnceAndInItsTime(t *testing.T) {
	var r recent
	k := transcripts(t)()
	session := k.Challenge().Session
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	other := mpin.NewChallenge().Session
	if _, ok := r.find(other[:], noon, noon.Add(time.Hour)); ok {
		t.Error("a session is found where there is none")
	}
	for what, c := range map[string]struct {
		after, until time.Time
		want         bool
	}{
		"in time":                        {noon.Add(-time.Second), noon, true},
		"past":                           {noon, noon.Add(time.Hour), false},
		"from a clock that was set back": {noon.Add(-time.Hour), noon.Add(-time.Second), false},
	} {
		r.keep(k, noon)
		if _, ok := r.find(other[:], c.after, c.until); ok {
			t.Errorf("%s: another session is found", what)
		}
		got, ok := r.find(session[:], c.after, c.until)
		if ok != c.want || ok && !bytes.Equal(got.Bytes(), k.Bytes()) {
			t.Errorf("%s: found %v", what, ok)
		}
		if _, again := r.find(session[:], c.after, c.until); again {
			t.Errorf("%s: found twice", what)
		}
	}
}

func TestRecentSessionsAreBounded(t *testing.T) {
	var r recent
	next := transcripts(t)
	for range maxRecent + 10 {
		r.keep(next(), time.Now())
	}
	last := next()
	r.keep(last, time.Now())
	if _, ok := r.kept[last.Challenge().Session]; !ok || len(r.kept) != maxRecent {
		t.Errorf("%d are kept, want %d and the last one: %v", len(r.kept), maxRecent, ok)
	}
}
