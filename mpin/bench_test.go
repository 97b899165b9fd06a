package mpin

import (
	"testing"
)

func BenchmarkBegin(b *testing.B) {
	alice := newService(b).enrol(b, "alice", "472916")
	for b.Loop() {
		if _, err := Begin(alice.login, alice.secrets); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLogin(b *testing.B) {
	alice := newService(b).enrol(b, "alice", "472916")
	for b.Loop() {
		run(b, alice.login, alice.secrets)
	}
}

func BenchmarkVerifyDevice(b *testing.B) {
	alice := newService(b).enrol(b, "alice", "472916")
	tr, proof := run(b, alice.login, alice.secrets)
	for b.Loop() {
		if err := VerifyDevice(tr, proof); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	s := newService(b)
	transcripts, vs := logins(b, s, 1)
	for b.Loop() {
		if err := Verify(s.server, transcripts[0], vs[0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyBatch64(b *testing.B) {
	s := newService(b)
	transcripts, vs := logins(b, s, MaxBatch)
	for b.Loop() {
		if bad := VerifyBatch(s.server, transcripts, vs); bad != nil {
			b.Fatal(bad)
		}
	}
}

func BenchmarkStretch(b *testing.B) {
	for b.Loop() {
		if _, err := Stretch([]byte("472916"), [SaltSize]byte{}, DefaultParams()); err != nil {
			b.Fatal(err)
		}
	}
}
