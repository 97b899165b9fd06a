package wallet

import (
	"strings"
	"testing"
)

func TestWeakPINSaysWhy(t *testing.T) {
	for pin, want := range map[string]string{
		"1111": "over and over", "aaaaaaaa": "over and over",
		"1234": "counts", "67890": "counts", "9876": "counts", "3210": "counts", "0987": "counts", "abcd": "counts",
		"1212": "repeats", "123123": "repeats", "1122": "repeats", "773355": "repeats", "abcabcabc": "repeats",
		"1984": "year", "2026": "year", "3112": "date", "1231": "date", "310785": "date", "850731": "date", "198512": "date", "121985": "date",
		"31071985": "date", "07311985": "date", "19850731": "date",
		"2580": "most", "qwerty": "most", "159753": "most",
		"4729": "", "472916": "", "83604172": "", "correct horse": "", "3299": "", "992199": "", "1984a": "",
	} {
		if got := WeakPIN([]byte(pin)); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", pin, got, want)
		}
	}
}

// Most PINs get no hint, or nobody would read one.
func TestWeakPINIsSilentAboutMostPINs(t *testing.T) {
	weak := 0
	for i := range 10_000 {
		pin := []byte{byte('0' + i/1000), byte('0' + i/100%10), byte('0' + i/10%10), byte('0' + i%10)}
		if WeakPIN(pin) != "" {
			weak++
		}
	}
	if weak < 500 || weak > 1_500 {
		t.Errorf("%d of 10,000 are weak", weak)
	}
}
