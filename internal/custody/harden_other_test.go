//go:build !linux

package custody

import "testing"

func TestHardenSaysThatItCannot(t *testing.T) {
	if Harden() == nil {
		t.Fatal("claims to have done what this system cannot do")
	}
}
