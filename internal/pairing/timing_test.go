//go:build timing

package pairing

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const (
	timingSamples = 40_000
	// timingLimit is the |t| above which dudect calls a leak certain.
	timingLimit = 10
)

// timed is one operation with prepared inputs: operate(i) for a class of inputs
// prepared by secrets.
type timed struct {
	name    string
	prepare func(Secret) func()
	leaks   bool
}

func timedOperations() []timed {
	base := HashToG1("timing", nil)
	k := RandomSecret().Publish()
	return []timed{
		{"Secret.G1", func(s Secret) func() { return func() { s.G1() } }, false},
		{"Secret.G2", func(s Secret) func() { return func() { s.G2() } }, false},
		{"G1.MulSecret", func(s Secret) func() { return func() { base.MulSecret(s) } }, false},
		{"SecretG1.MulSecret", func(s Secret) func() {
			p := base.MulSecret(k.secret())
			return func() { p.MulSecret(s) }
		}, false},
		{"SecretG1.Mul", func(s Secret) func() {
			p, _ := ParseSecretG1(base.MulSecret(s).Expose())
			return func() { p.Mul(k) }
		}, false},
		{"Secret.SecretG2", func(s Secret) func() { return func() { s.SecretG2() } }, false},
		{"SecretG2.Mul", func(s Secret) func() {
			p := s.SecretG2()
			return func() { p.Mul(k) }
		}, false},
		{"SecretG1.Sub", func(s Secret) func() {
			p, q := base.MulSecret(s), base.MulSecret(k.secret())
			return func() { p.Sub(q) }
		}, false},
		{"HashToSecret", func(s Secret) func() {
			b := s.Expose()
			return func() { _, _ = HashToSecret("timing", b) }
		}, false},
		{"Secret.Mul", func(s Secret) func() { return func() { s.Mul(s) } }, false},
		{"ParseSecret", func(s Secret) func() {
			b := s.Expose()
			return func() { _, _ = ParseSecret(b) }
		}, false},
		// A variable-time function: shows that the test sees what it looks for.
		{"SumG1 (control)", func(s Secret) func() {
			points, scalars := []G1{base, base}, []Scalar{s.Publish(), s.Publish()}
			return func() { SumG1(points, scalars) }
		}, true},
	}
}

func (s Scalar) secret() Secret { return Secret{v: &s.v} }

// TestTiming compares the time of each operation for one fixed secret with that
// for random ones, in random order, by Welch's t (dudect, Reparaz, Balasch,
// Verbauwhede 2017). It wants a quiet machine and runs on demand only:
//
//	go test -tags timing -run TestTiming -v -timeout 30m ./internal/pairing
func TestTiming(t *testing.T) {
	fixed := map[string]Secret{
		"1":     NewScalar(1).secret(),
		"r-1":   NewScalar(1).Neg().secret(),
		"2^128": NewScalar(1 << 32).Mul(NewScalar(1 << 32)).Mul(NewScalar(1 << 32)).Mul(NewScalar(1 << 32)).secret(),
	}
	for _, op := range timedOperations() {
		for name, secret := range fixed {
			stat, base := welch(op, secret)
			t.Logf("%-6s %-20s fixed %-6s t = %+7.2f  (%.1f µs)", Backend, op.name, name, stat, base/1e3)
			if !op.leaks && math.Abs(stat) > timingLimit {
				t.Errorf("%s depends on its secret: t = %.2f for %s against random", op.name, stat, name)
			}
			if op.leaks && name == "1" && math.Abs(stat) < timingLimit {
				t.Errorf("%s does depend on its input, and the test does not see it: t = %.2f", op.name, stat)
			}
		}
	}
}

// welch returns Welch's t of the times for fixed against random secrets, and the
// mean time in nanoseconds. Both classes have as many separate inputs, so that
// caches favour none; the slowest tenth, interrupts for the most part, is cut.
func welch(op timed, fixed Secret) (stat, mean float64) {
	const inputs = 256
	var classes [2][inputs]func()
	for i := range inputs {
		same, _ := ParseSecret(bytes.Clone(fixed.Expose()))
		classes[0][i], classes[1][i] = op.prepare(same), op.prepare(RandomSecret())
	}
	type sample struct {
		class int
		ns    float64
	}
	samples := make([]sample, 0, timingSamples)
	for range timingSamples {
		class := rand.IntN(2)
		operate := classes[class][rand.IntN(inputs)]
		start := time.Now()
		operate()
		samples = append(samples, sample{class, float64(time.Since(start))})
	}
	slices.SortFunc(samples, func(a, b sample) int { return int(a.ns - b.ns) })
	var n, sum, squares [2]float64
	for _, s := range samples[:timingSamples*9/10] {
		n[s.class]++
		sum[s.class] += s.ns
		squares[s.class] += s.ns * s.ns
	}
	m0, m1 := sum[0]/n[0], sum[1]/n[1]
	v0, v1 := squares[0]/n[0]-m0*m0, squares[1]/n[1]-m1*m1
	return (m0 - m1) / math.Sqrt(v0/n[0]+v1/n[1]), (m0 + m1) / 2
}
