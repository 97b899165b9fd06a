package wallet

import "strings"

// frequentPINs are what people choose most, apart from what other rules find.
const frequentPINs = "1004 1122 2580 6969 1342 1397 1379 5683 0852 1233 1236 1245 1478 9630 3141 8520 112233 123321 147258 147852 159753 159357 " +
	"258456 332211 520131 789456 741852 963852 142536 1q2w3e 1qaz2wsx qwerty qwertz azerty asdf qwer letmein password passwort iloveyou admin welcome"

// WeakPIN says in a few words why a PIN is among the first that a thief would
// try, or returns nothing. It is for a hint, never for a refusal: against five guesses
// in a row most PINs are good enough; these are not.
func WeakPIN(pin []byte) (why string) {
	switch {
	case steps(pin, 0):
		return "it is one character over and over"
	case steps(pin, 1) || steps(pin, -1):
		return "it counts up or down"
	case repeats(pin):
		return "it repeats itself"
	case looksLikeDate(pin):
		return "it looks like a year or a date"
	case isFrequent(pin):
		return "it is among those that people choose most"
	}
	return ""
}

func isFrequent(pin []byte) bool {
	for f := range strings.FieldsSeq(frequentPINs) {
		if string(pin) == f { // no copy is made of it
			return true
		}
	}
	return false
}

// steps reports whether each character is by so much greater than the one before; 0
// follows 9.
func steps(pin []byte, by int) bool {
	for i := 1; i < len(pin); i++ {
		last, next := int(pin[i-1]), int(pin[i])
		around := by > 0 && last == '9' && next == '0' || by < 0 && last == '0' && next == '9'
		if next-last != by && !around {
			return false
		}
	}
	return true
}

// repeats reports whether pin is its own first part several times: 1212, 123123; or
// pairs of the same: 1122.
func repeats(pin []byte) bool {
	for n := 2; n <= len(pin)/2; n++ {
		if len(pin)%n == 0 && string(pin[n:]) == string(pin[:len(pin)-n]) {
			return true
		}
	}
	for i := 0; i < len(pin); i += 2 {
		if i+1 == len(pin) || pin[i] != pin[i+1] {
			return false
		}
	}
	return true
}

// looksLikeDate reports whether pin is digits of a year, of a day and month, or of
// all three, in any order that people write.
func looksLikeDate(pin []byte) bool {
	for _, c := range pin {
		if c < '0' || c > '9' {
			return false
		}
	}
	two := func(i int) int { return int(pin[i]-'0')*10 + int(pin[i+1]-'0') }
	year := func(i int) bool { return two(i) == 19 || two(i) == 20 }
	day := func(i int) bool {
		a, b := two(i), two(i+2)
		return a >= 1 && b >= 1 && (a <= 12 && b <= 31 || a <= 31 && b <= 12)
	}
	switch len(pin) {
	case 4:
		return year(0) || day(0)
	case 6:
		return day(0) || day(2) || year(0) && two(4) <= 12 || year(2) && two(0) <= 12
	case 8:
		return day(0) && year(4) || year(0) && day(4)
	}
	return false
}
