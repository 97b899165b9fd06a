package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// wordList has one word for each value of a byte, chosen to differ by ear:
// one a line, in alphabetical order. Its order never changes.
//
//go:embed words.txt
var wordList string

const wordsPerLine = 8

// fingerprintWords returns one word for each byte, all 32: a fingerprint that
// is compared in part is compared by an attacker's grace.
func fingerprintWords(sum [32]byte) []string {
	list := strings.Fields(wordList)
	var words []string
	for _, b := range sum {
		words = append(words, list[b])
	}
	return words
}

// wordLines sets words in lines of eight, so that two people on the telephone
// know where they are.
func wordLines(words []string, indent string) string {
	var b strings.Builder
	for line := range slices.Chunk(words, wordsPerLine) {
		fmt.Fprintf(&b, "%s%s\n", indent, strings.Join(line, " "))
	}
	return b.String()
}
