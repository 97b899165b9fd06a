//go:build cgo

package pairing

import (
	"strings"
	"testing"
)

func TestRefusalSaysWhatToDo(t *testing.T) {
	const bmi2, adx = 1 << 8, 1 << 19
	if err := refusal(bmi2 | adx); err != nil {
		t.Errorf("a processor that has both: %v", err)
	}
	if refusal(0) == nil {
		return // built portable, or not for amd64: nothing is required
	}
	for _, features := range []uint32{0, bmi2, adx, ^uint32(bmi2 | adx)} {
		err := refusal(features)
		if err == nil || !strings.Contains(err.Error(), "ADX") ||
			!strings.Contains(err.Error(), "__BLST_PORTABLE__") || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
			t.Errorf("refusal(%#x) = %v", features, err)
		}
	}
}
