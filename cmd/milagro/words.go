package main

import (
	"fmt"
	"slices"
	"strings"

	"milagro.dev/internal/words"
)

const wordsPerLine = 8

// fingerprintWords returns one word for each byte, all 32: a fingerprint that
// is compared in part is compared by an attacker's grace.
func fingerprintWords(sum [32]byte) []string { return words.Of(sum[:]) }

// wordLines sets words in lines of eight, so that two people on the telephone
// know where they are.
func wordLines(said []string, indent string) string {
	var b strings.Builder
	for line := range slices.Chunk(said, wordsPerLine) {
		fmt.Fprintf(&b, "%s%s\n", indent, strings.Join(line, " "))
	}
	return b.String()
}
