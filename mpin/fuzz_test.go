package mpin

import (
	"bytes"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec/spectest"
)

func FuzzParseTranscript(f *testing.F) {
	p := spectest.Load(f, "mpin")
	for _, c := range append(p.Accept, p.Refuse...) {
		if c["what"] == "transcript" {
			f.Add(spectest.Bytes(f, c["transcript"]))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := ParseTranscript(b)
		if err != nil {
			return
		}
		again, err := tr.Login().Transcript(tr.commitment, tr.Challenge())
		if err != nil || !bytes.Equal(tr.Bytes(), b) || !bytes.Equal(again.Bytes(), b) || len(b) > MaxTranscript {
			t.Errorf("transcript does not survive: %v", err)
		}
	})
}

func FuzzParseIntent(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(NewDevice(identity.DeviceHash{1}).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if intent, err := ParseIntent(b); err == nil && !bytes.Equal(intent.Bytes(), b) {
			t.Error("intent does not survive")
		}
	})
}

func FuzzParseCommitment(f *testing.F) {
	f.Add(pairing.G1Generator().Bytes())
	for _, b := range badPoints() {
		f.Add(b[:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if u, err := ParseCommitment(b); err == nil && !bytes.Equal(u.Bytes(), b) {
			t.Error("commitment does not survive")
		}
	})
}
