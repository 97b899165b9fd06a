// Package words says bytes as words, so that people compare hashes by ear or at a
// glance: spec/enrolment.md "Code by mail". There is nothing secret in it.
package words

import (
	_ "embed"
	"strings"
)

// DeviceBytes is how many bytes of a device hash a person compares before typing a
// code: enough for one choice among few, not for a fingerprint.
const DeviceBytes = 6

// list has one word for each value of a byte, chosen to differ by ear: one a line,
// in alphabetical order. Its order never changes.
//
//go:embed words.txt
var list string

// Of returns one word for each byte of b.
func Of(b []byte) []string {
	all := strings.Fields(list)
	said := make([]string, len(b))
	for i, value := range b {
		said[i] = all[value]
	}
	return said
}

// OfDevice returns the six words of a device hash, with spaces between.
func OfDevice(hash [32]byte) string { return strings.Join(Of(hash[:DeviceBytes]), " ") }
