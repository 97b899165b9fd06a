package ibs

import (
	"testing"

	"milagro.dev/internal/pairing"
)

// BenchmarkTwoPairings is what Verify is measured against: two pairings, one
// final exponentiation, nothing else.
func BenchmarkTwoPairings(b *testing.B) {
	s := newSigner(b, "web")
	p, err := s.statement.key().Point()
	if err != nil {
		b.Fatal(err)
	}
	left := s.key.Secret().With(pairing.G2Generator())
	right := pairing.NewPair(p.Neg(), s.master.Point())
	for b.Loop() {
		if !pairing.ProductIsOne(left, right) {
			b.Fatal("product is not one")
		}
	}
}

func BenchmarkSign(b *testing.B) {
	s := newSigner(b, "web")
	for b.Loop() {
		s.sign(b)
	}
}

func BenchmarkVerify(b *testing.B) {
	s := newSigner(b, "web")
	signature := s.sign(b)
	for b.Loop() {
		if err := Verify(s.master, s.statement, signature); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyBatch64 reports the time of one signature in a full batch.
func BenchmarkVerifyBatch64(b *testing.B) {
	master, statements, signatures := newBatch(b, MaxBatch)
	for b.Loop() {
		if bad := VerifyBatch(master, statements, signatures); len(bad) != 0 {
			b.Fatal(bad)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/MaxBatch, "ns/signature")
}
