package words

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// TestListNeverChanges pins the list: a word that moves makes two people on the
// telephone disagree about one card.
func TestListNeverChanges(t *testing.T) {
	all := strings.Fields(list)
	if len(all) != 256 || !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != 256 {
		t.Fatalf("%d words, in order: %t", len(all), slices.IsSorted(all))
	}
	sum := sha256.Sum256([]byte(list))
	if got := hex.EncodeToString(sum[:]); got != listHash {
		t.Errorf("hash %s", got)
	}
}

func TestWordsOfADeviceShowItsFirstSixBytes(t *testing.T) {
	var hash [32]byte
	before := OfDevice(hash)
	if n := len(strings.Fields(before)); n != DeviceBytes {
		t.Fatalf("%d words", n)
	}
	for i := range DeviceBytes {
		changed := hash
		changed[i] ^= 1
		if OfDevice(changed) == before {
			t.Errorf("byte %d is not shown", i)
		}
	}
}

const listHash = "a71f010334619adce2144ef3824e0ec55f8a6e519fd34d3490b66c84730dfce4"
