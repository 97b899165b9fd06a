package pairing

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

func TestGroupsVectors(t *testing.T) {
	p := spectest.Load(t, "groups")
	for _, c := range p.Accept {
		if err := groupVector(t, c); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, c := range p.Refuse {
		if err := groupVector(t, c); !errors.Is(err, ErrPoint) && !errors.Is(err, ErrScalar) {
			t.Errorf("%s, %s: %v", c["what"], c["reason"], err)
		}
	}
}

func groupVector(t *testing.T, c spec.Case) error {
	want := spectest.Bytes(t, c["bytes"])
	got, err := groupBytes(t, c, want)
	if err == nil && !bytes.Equal(got, want) {
		return fmt.Errorf("got %x", got)
	}
	return err
}

func groupBytes(t *testing.T, c spec.Case, b []byte) ([]byte, error) {
	switch c["what"] {
	case "scalar":
		s, err := ParseScalar(b)
		if _, secret := ParseSecret(b); (secret == nil) != (err == nil) {
			return nil, fmt.Errorf("as a secret: %w", secret)
		}
		return s.Bytes(), err
	case "g1":
		p, err := ParseG1(b)
		return p.Bytes(), err
	case "g2":
		p, err := ParseG2(b)
		return p.Bytes(), err
	case "hash to g1":
		return HashToG1(c["dst"], spectest.Bytes(t, c["message"])).Bytes(), nil
	case "hash to scalar":
		s, err := HashToScalar(c["dst"], spectest.Bytes(t, c["message"]))
		return s.Bytes(), err
	}
	s, err := ParseSecret(spectest.Bytes(t, c["scalar"]))
	if err != nil {
		t.Fatal(err)
	}
	if c["what"] == "g1 mul" {
		return s.G1().Bytes(), nil
	}
	return s.G2().Bytes(), nil
}
