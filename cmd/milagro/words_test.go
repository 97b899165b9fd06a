package main

import (
	"slices"
	"strings"
	"testing"
)

func TestFingerprintWordsShowEveryByte(t *testing.T) {
	var sum [32]byte
	before := fingerprintWords(sum)
	if len(before) != 32 {
		t.Fatalf("%d words", len(before))
	}
	for i := range sum {
		changed := sum
		changed[i] ^= 1
		after := fingerprintWords(changed)
		if slices.Equal(before, after) || before[i] == after[i] {
			t.Errorf("byte %d is not shown", i)
		}
	}
}

func TestWordLinesHoldEight(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(wordLines(fingerprintWords([32]byte{}), "  ")), "\n")
	if len(lines) != 4 || len(strings.Fields(lines[0])) != 8 {
		t.Errorf("lines %q", lines)
	}
}
