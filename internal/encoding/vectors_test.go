package encoding

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"milagro.dev/spec/spectest"
)

func TestEncodingVectors(t *testing.T) {
	p := spectest.Load(t, "encoding")
	for _, c := range p.Accept {
		var parts [][]byte
		for text := range strings.SplitSeq(c["parts"], ",") {
			if text == "none" {
				break
			}
			parts = append(parts, spectest.Bytes(t, text))
		}
		if got := hex.EncodeToString(LP(c["label"], parts...)); got != c["lp"] {
			t.Errorf("LP(%s) = %s", c["parts"], got)
		}
	}
	for _, c := range p.Refuse {
		r := Open(spectest.Bytes(t, c["lp"]), c["label"])
		r.U32()
		if err := r.Close(); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}
