package pairing

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// wall type-checks functions written by a user of this package.
type wall struct{ importer types.Importer }

func newWall(t *testing.T) wall {
	out, err := exec.Command("go", "list", "-export", "-f", "{{.Export}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	open := func(string) (io.ReadCloser, error) { return os.Open(strings.TrimSpace(string(out))) }
	return wall{importer.ForCompiler(token.NewFileSet(), "gc", open)}
}

func (w wall) check(t *testing.T, body string) error {
	source := fmt.Sprintf(`package p
import . "milagro.dev/internal/pairing"
func f(s, u Secret, p, q SecretG1, x SecretG2, pair Pair, k Scalar, a G1, b G2) any { %s }`, body)
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&types.Config{Importer: w.importer}).Check("p", files, []*ast.File{file}, nil)
	return err
}

func TestSecretsDoNotCompileInPublicPlaces(t *testing.T) {
	w := newWall(t)
	for _, body := range []string{
		// Variable-time functions take public types only.
		"return SumG1([]G1{p}, []Scalar{k})",
		"return SumG1([]SecretG1{p}, []Scalar{k})",
		"return SumG1([]G1{a}, []Scalar{s})",
		"return SumG1([]G1{a}, []Secret{s})",
		"return SumG2([]G2{b}, []Scalar{s})",
		"return a.Mul(s)",
		"return b.Mul(s)",
		"return a.Add(p)",
		"return a.Sub(p)",
		"return a.Equal(p)",
		"return NewPair(p, b)",
		"return k.Add(s)",
		"return k.Mul(s)",
		"return Scalar(s)",
		"return G1(p)",
		"var x Scalar = s; return x",
		"var x G1 = p; return x",
		// No accidental comparison.
		"return s == u",
		"return p == q",
		"return pair == pair",
		"return a == a",
		"return b == b",
		"return map[Secret]int{}",
		"return map[G1]int{}",
		"switch s { case u: }; return nil",
		// Bytes leave only by Expose and Publish.
		"return s.Bytes()",
		"return p.Bytes()",
		"return s.Invert",
		// A secret key of G1 has no way to G2.
		"return b.MulSecret(s)",
		// What is secret in G2 never gets public: no Publish.
		"return x.Publish()",
		"return x.Bytes()",
		"return G2(x)",
		"return x == x",
		"return b.Add(x)",
		"return x.Add(b)",
		"return b.Equal(x)",
		"return NewPair(a, x)",
		"return p.With(x)",
		"return SumG2([]G2{x}, []Scalar{k})",
	} {
		if w.check(t, body) == nil {
			t.Errorf("compiles: %s", body)
		}
	}
}

// TestTheWallHasDoors shows that what the test above refuses is not refused for
// another reason.
func TestTheWallHasDoors(t *testing.T) {
	w := newWall(t)
	for _, body := range []string{
		"return SumG1([]G1{p.Publish()}, []Scalar{s.Publish()})",
		"return SumG2([]G2{b}, []Scalar{k})",
		"return a.Mul(k).Add(a).Sub(a).Equal(p.Publish())",
		"return a.MulSecret(s).Mul(k).MulSecret(u).Add(q).With(b)",
		"return NewPair(a, b)",
		"return x.Add(x).Mul(k).With(a)",
		"return x.Equal(s.SecretG2()) || x.IsIdentity()",
		"return x.Expose()",
		"return s.Equal(u) || p.Equal(q) || k == k",
		"return [][]byte{s.Expose(), p.Expose(), k.Bytes(), a.Bytes(), b.Bytes()}",
	} {
		if err := w.check(t, body); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}
