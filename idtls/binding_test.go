package idtls

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"math"
	"testing"

	"milagro.dev/identity"
)

func exampleBinding(t testing.TB) *binding {
	return &binding{
		suite: 1, domain: identity.DomainID{9}, epoch: identity.Epoch{Start: 864000, Length: 86400},
		notBefore: 864000, notAfter: 950400, usage: asClient | asServer, device: identity.DeviceHash{8},
		name: parseName(t, "acct:alice+laptop@example.org"), signature: [96]byte{7},
	}
}

func TestBindingHasTheBytesOfTheSpec(t *testing.T) {
	name := "spiffe://example.org/web"
	b := exampleBinding(t)
	b.name = parseName(t, name)
	want := "0101" + "09" + zeros(31) + "00000000000d2f00" + "00015180" + "00000000000d2f00" + "00000000000e8080" +
		"03" + "08" + zeros(31) + "0018" + hex.EncodeToString([]byte(name)) + "07" + zeros(95)
	if got := hex.EncodeToString(b.bytes()); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	if len(b.tbs()) != 97+len(name) {
		t.Fatalf("tbs has %d bytes", len(b.tbs()))
	}
}

func zeros(n int) string { return hex.EncodeToString(make([]byte, n)) }

// TestObjectIdentifierFitsEveryLibrary checks the constant, arc by arc.
func TestObjectIdentifierFitsEveryLibrary(t *testing.T) {
	for _, arc := range oid() {
		if arc > math.MaxInt32 {
			t.Errorf("arc %d", arc)
		}
	}
	der, err := asn1.Marshal(oid())
	check(t, err)
	if got := hex.EncodeToString(der); got != "06068837"+"4d494c01" {
		t.Errorf("DER is %s", got)
	}
}

func TestParseBindingRefuses(t *testing.T) {
	good := exampleBinding(t).bytes()
	_, err := parseBinding(good)
	check(t, err)
	edit := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":                   nil,
		"one byte less":             good[:len(good)-1],
		"one byte more":             append(bytes.Clone(good), 0),
		"no signature":              good[:len(good)-96],
		"version 0":                 edit(0, 0),
		"version 2":                 edit(0, 2),
		"epoch length 0":            append(append(bytes.Clone(good[:42]), 0, 0, 0, 0), good[46:]...),
		"epoch off its grid":        edit(41, 1),
		"not_before after the end":  edit(47, 1),
		"not_after past year 9999":  edit(55, 1),
		"usage 0":                   edit(62, 0),
		"usage 4":                   edit(62, 4),
		"name longer than it is":    edit(96, good[96]+1),
		"name shorter than it is":   edit(96, good[96]-1),
		"name in capitals":          edit(97, 'A'),
		"name with a control sign":  edit(110, '\n'),
		"name of another character": edit(110, 0xff),
	} {
		if b, err := parseBinding(b); err == nil {
			t.Errorf("%s: parsed as %+v", name, b)
		}
	}
}

func FuzzParseBinding(f *testing.F) {
	good := exampleBinding(f).bytes()
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(bytes.Clone(good), 1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := parseBinding(raw)
		if err != nil {
			return
		}
		if !bytes.Equal(b.bytes(), raw) {
			t.Fatalf("%x became %x", raw, b.bytes())
		}
		if _, err := profile(b); err != nil {
			t.Fatalf("a binding that parses has no leaf: %v", err)
		}
	})
}
