// Package spectest reads the vectors of the specification in tests: what cannot
// be read fails the test.
package spectest

import (
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"milagro.dev/spec"
)

// Load returns the vectors of a page, such as "points".
func Load(t testing.TB, page string) *spec.Page {
	t.Helper()
	p, err := spec.Load(page)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Bytes returns what hexadecimal text says.
func Bytes(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// List returns what hexadecimal texts say that commas separate.
func List(t testing.TB, text string) (list [][]byte) {
	t.Helper()
	for part := range strings.SplitSeq(text, ",") {
		list = append(list, Bytes(t, part))
	}
	return list
}

// Number returns what decimal text says.
func Number(t testing.TB, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
