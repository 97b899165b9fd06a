package pairing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

const digestRuns = 10_000

// TestBothBackendsReproduceTheDigest makes 10,000 seeded runs over every
// operation of the package, bad inputs among them, and compares one hash of all
// results and refusals with the committed one. A build with cgo and one without
// must both pass.
func TestBothBackendsReproduceTheDigest(t *testing.T) {
	want, err := os.ReadFile("testdata/digest.txt")
	if err != nil {
		t.Fatal(err)
	}
	r := newRun()
	for range digestRuns {
		r.once()
	}
	if got := hex.EncodeToString(r.out.Sum(nil)); got != strings.TrimSpace(string(want)) {
		t.Errorf("%s: digest %s, want %s", Backend, got, want)
	}
}

// run is a machine whose state is a few values of each type, which every
// operation reads and changes.
type run struct {
	rng   *rand.ChaCha8
	out   hash.Hash
	n     int
	k     Scalar
	s, u  Secret
	a, b  G1
	p, q  G2
	x     SecretG1
	heavy []func()
}

func newRun() *run {
	r := &run{rng: rand.NewChaCha8([32]byte([]byte("milagro pairing digest, seed one"))), out: sha256.New()}
	r.s, r.u = r.secret(), r.secret()
	r.k, r.a, r.b = NewScalar(1), G1Generator(), HashToG1("digest", nil)
	r.p, r.q, r.x = G2Generator(), r.s.G2(), r.b.MulSecret(r.u)
	r.heavy = []func(){
		r.publicG1, r.publicG2, r.secretG1, r.generators, r.hashes, r.sums, r.good, r.bad1, r.bad2, r.mutants, r.pairs, r.zeros,
	}
	return r
}

// once makes one run: the scalar operations, all of them, and one of the others.
func (r *run) once() {
	r.scalars()
	r.heavy[r.n%len(r.heavy)]()
	r.n++
}

func (r *run) bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = r.rng.Read(b)
	return b
}

func (r *run) secret() Secret { return WideSecret((*[64]byte)(r.bytes(64))) }

func (r *run) pick(n int) int { return int(r.rng.Uint64() % uint64(n)) }

func (r *run) put(what string, parts ...[]byte) {
	_, _ = fmt.Fprintf(r.out, "%d %s %x\n", r.n, what, parts)
}

func (r *run) verdict(what string, value []byte, err error) {
	if err != nil {
		value = []byte(err.Error())
	}
	r.put(what, value)
}

func (r *run) scalars() {
	s, u := r.secret(), r.s
	k, err := HashToScalar("MILAGRO-V1-DIGEST-SCALAR_XMD:SHA-256", r.bytes(r.pick(100)))
	r.verdict("hash", k.Bytes(), err)
	r.put("secrets", s.Add(u).Expose(), s.Sub(u).Expose(), s.Mul(u).Expose(), s.AddPublic(k).Expose(), s.MulPublic(k).Expose(), s.Expose())
	r.put("scalars", k.Add(r.k).Bytes(), k.Sub(r.k).Bytes(), k.Mul(r.k).Bytes(), k.Neg().Bytes(), s.Publish().Bytes())
	inverse, err := k.Invert()
	r.verdict("invert", inverse.Bytes(), err)
	b := r.bytes(31 + r.pick(3))
	parsed, err := ParseScalar(b)
	r.verdict("scalar", parsed.Bytes(), err)
	secret, err := ParseSecret(b)
	r.verdict("secret", secret.Expose(), err)
	r.put("equal", fmt.Append(nil, s.Equal(u), u.Equal(r.s), k.Equal(r.k), s.IsZero(), k.IsZero()))
	r.s, r.u, r.k = s, u, k
}

func (r *run) publicG1() {
	product := r.a.Mul(r.k)
	r.put("g1", r.a.Add(r.b).Bytes(), r.a.Sub(r.b).Bytes(), r.a.Neg().Bytes(), product.Bytes())
	r.put("equal", fmt.Append(nil, r.a.Equal(r.b), r.a.Equal(r.b.Add(r.a).Sub(r.b)), r.a.IsIdentity()))
	r.a, r.b = r.b.Add(r.a), product
}

func (r *run) publicG2() {
	product := r.p.Mul(r.k)
	r.put("g2", r.p.Add(r.q).Bytes(), r.p.Sub(r.q).Bytes(), r.p.Neg().Bytes(), product.Bytes())
	r.put("equal", fmt.Append(nil, r.p.Equal(r.q), r.p.Equal(r.q.Add(r.p).Sub(r.q)), r.p.IsIdentity()))
	r.p, r.q = r.q.Add(r.p), product
}

func (r *run) secretG1() {
	y := r.a.MulSecret(r.s)
	r.put("secret g1", y.Expose(), y.Add(r.x).Expose(), y.Mul(r.k).Expose(), y.MulSecret(r.u).Expose(), y.Publish().Bytes())
	r.put("equal", fmt.Append(nil, y.Equal(r.x), y.Equal(y.Add(SecretG1{})), y.IsIdentity()))
	r.x = y
}

func (r *run) generators() { r.put("generators", r.s.G1().Bytes(), r.u.G2().Bytes()) }

func (r *run) hashes() {
	r.b = HashToG1("MILAGRO-V1-DIGEST-BLS12381G1_XMD:SHA-256_SSWU_RO_", r.bytes(r.pick(200)))
	r.put("hash to g1", r.b.Bytes())
}

func (r *run) sums() {
	short, _ := ParseScalar(append(make([]byte, 16), r.bytes(16)...))
	scalars := []Scalar{short, r.k, {}, NewScalar(1)}[:1+r.pick(4)]
	n := len(scalars)
	r.put("sums", SumG1([]G1{r.a, r.b, {}, r.a.Neg()}[:n], scalars).Bytes(), SumG2([]G2{r.p, r.q, {}, r.p}[:n], scalars).Bytes())
}

func (r *run) good() {
	a, err := ParseG1(r.a.Bytes())
	r.verdict("parse g1", a.Bytes(), err)
	p, err := ParseG2(r.p.Bytes())
	r.verdict("parse g2", p.Bytes(), err)
	x, err := ParseSecretG1(r.x.Expose())
	r.verdict("parse secret g1", x.Expose(), err)
}

// bad1 and bad2 parse random coordinates: off the curve or outside the subgroup.
func (r *run) bad1() {
	b := r.bytes(G1Size)
	b[0] = b[0]&0x1f | flagCompressed
	a, err := ParseG1(b)
	r.verdict("bad g1", a.Bytes(), err)
	x, err := ParseSecretG1(b)
	r.verdict("bad secret g1", x.Expose(), err)
}

func (r *run) bad2() {
	b := r.bytes(G2Size)
	b[0] = b[0]&0x1f | flagCompressed
	b[48] &= 0x0f
	p, err := ParseG2(b)
	r.verdict("bad g2", p.Bytes(), err)
}

// mutants parses good points after one change of a bit, or with another length.
func (r *run) mutants() {
	for _, b := range [][]byte{r.a.Bytes(), r.p.Bytes()} {
		switch r.pick(4) {
		case 0:
			b = append(b, byte(r.pick(256)))
		case 1:
			b = b[:r.pick(len(b))]
		case 2:
			b[0] ^= 1 << (5 + r.pick(3))
		default:
			b[r.pick(len(b))] ^= 1 << r.pick(8)
		}
		a, err := ParseG1(b)
		r.verdict("mutant g1", a.Bytes(), err)
		p, err := ParseG2(b)
		r.verdict("mutant g2", p.Bytes(), err)
	}
}

func (r *run) pairs() {
	x := r.a.MulSecret(r.s)
	right := []Pair{x.With(r.p), NewPair(r.a.Neg(), r.p.Mul(r.s.Publish())), NewPair(G1{}, r.q)}
	r.put("product", fmt.Append(nil, ProductIsOne(right...), ProductIsOne(right[:1+r.pick(3)]...)))
}

func (r *run) zeros() {
	zero := r.s.Sub(r.s)
	r.put("zeros", zero.G1().Bytes(), zero.G2().Bytes(), r.a.MulSecret(zero).Expose(), r.a.Mul(Scalar{}).Bytes(), (G2{}).Neg().Bytes())
	inverse, err := (Scalar{}).Invert()
	r.verdict("invert", inverse.Bytes(), err)
	for _, b := range [][]byte{(G1{}).Bytes(), (G2{}).Bytes(), nil} {
		a, err := ParseG1(b)
		r.verdict("identity", a.Bytes(), err)
	}
	erased := r.secret()
	erased.Erase()
	r.put("erased", erased.Expose())
}
