package main

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// TestWordListNeverChanges pins the list: a word that moves makes two people
// on the telephone disagree about one card.
func TestWordListNeverChanges(t *testing.T) {
	list := strings.Fields(wordList)
	if len(list) != 256 || !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != 256 {
		t.Fatalf("%d words, in order: %t", len(list), slices.IsSorted(list))
	}
	sum := sha256.Sum256([]byte(wordList))
	if got := hex.EncodeToString(sum[:]); got != wordListHash {
		t.Errorf("hash %s", got)
	}
}

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

const wordListHash = "a71f010334619adce2144ef3824e0ec55f8a6e519fd34d3490b66c84730dfce4"
