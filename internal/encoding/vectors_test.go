package encoding

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"milagro.dev/spec"
)

func TestEncodingVectors(t *testing.T) {
	p, err := spec.Load("encoding")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Accept {
		var parts [][]byte
		for text := range strings.SplitSeq(c["parts"], ",") {
			if text == "none" {
				break
			}
			parts = append(parts, fromHex(t, text))
		}
		if got := hex.EncodeToString(LP(c["label"], parts...)); got != c["lp"] {
			t.Errorf("LP(%s) = %s", c["parts"], got)
		}
	}
	for _, c := range p.Refuse {
		r := Open(fromHex(t, c["lp"]), c["label"])
		r.U32()
		if err := r.Close(); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
