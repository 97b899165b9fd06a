package pairing

import (
	"fmt"
	"testing"
)

func BenchmarkSecretG1(b *testing.B) {
	s := RandomSecret()
	for b.Loop() {
		s.G1()
	}
}

func BenchmarkSecretG2(b *testing.B) {
	s := RandomSecret()
	for b.Loop() {
		s.G2()
	}
}

func BenchmarkG1MulSecret(b *testing.B) {
	p, s := HashToG1("bench", nil), RandomSecret()
	for b.Loop() {
		p.MulSecret(s)
	}
}

func BenchmarkHashToG1(b *testing.B) {
	msg := make([]byte, 100)
	for b.Loop() {
		HashToG1("bench", msg)
	}
}

func BenchmarkHashToScalar(b *testing.B) {
	msg := make([]byte, 100)
	for b.Loop() {
		_, _ = HashToScalar("bench", msg)
	}
}

func BenchmarkNonce(b *testing.B) {
	key, statement := make([]byte, 32), make([]byte, 100)
	for b.Loop() {
		Nonce(key, statement)
	}
}

func BenchmarkParseG1(b *testing.B) {
	encoded := HashToG1("bench", nil).Bytes()
	for b.Loop() {
		if _, err := ParseG1(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseG2(b *testing.B) {
	encoded := RandomSecret().G2().Bytes()
	for b.Loop() {
		if _, err := ParseG2(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProductIsOne(b *testing.B) {
	for _, n := range []int{1, 2, 3, 8} {
		b.Run(fmt.Sprintf("pairs=%d", n), func(b *testing.B) {
			pairs := make([]Pair, n)
			for i := range pairs {
				pairs[i] = NewPair(RandomSecret().G1(), RandomSecret().G2())
			}
			for b.Loop() {
				ProductIsOne(pairs...)
			}
		})
	}
}

func BenchmarkSumG1(b *testing.B) {
	for _, n := range []int{2, 16, 128} {
		for _, bits := range []int{128, 255} {
			b.Run(fmt.Sprintf("points=%d/bits=%d", n, bits), func(b *testing.B) {
				points, scalars := make([]G1, n), make([]Scalar, n)
				for i := range points {
					points[i] = RandomSecret().G1()
					k := RandomSecret().Expose()
					clear(k[:ScalarSize-(bits+7)/8])
					scalars[i], _ = ParseScalar(k)
				}
				for b.Loop() {
					SumG1(points, scalars)
				}
			})
		}
	}
}
