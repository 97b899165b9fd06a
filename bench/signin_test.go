package main

import (
	"errors"
	"testing"
)

func TestSignInIsMeasuredInChromium(t *testing.T) {
	m, err := measureSignins(1)
	if absent, ok := errors.AsType[*absentError](err); ok {
		t.Skip(absent)
	}
	if err != nil {
		t.Fatal(err)
	}
	first := m.Turns[0]
	if first.MPin <= 0 || first.Stretch <= 0 || first.SignIn <= first.MPin || first.Application <= first.MPin {
		t.Errorf("%+v", first)
	}
	if m.Weight.Bytes < 10_000 || m.Weight.Bytes > pageBytes {
		t.Errorf("the page weighs %v bytes", m.Weight.Bytes)
	}
	r := m.against(func(turn) (float64, float64) { return 3, 2 })
	if *r.NS != 3e6 || *r.AgainstNS != 2e6 || *r.Ratio != 1.5 {
		t.Errorf("row %v of %v: %v", *r.NS, *r.AgainstNS, *r.Ratio)
	}
}
