package encoding

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const label = "milagro/v1 example"

func TestLPWritesLengthsBigEndian(t *testing.T) {
	got := hex.EncodeToString(LP("ab", []byte{1, 2, 3}, nil))
	if want := "00000002" + "6162" + "00000003" + "010203" + "00000000"; got != want {
		t.Errorf("LP = %s, want %s", got, want)
	}
}

func TestDifferentPartsNeverEncodeAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SliceOf(rapid.Byte()))
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		same := slices.EqualFunc(a, b, bytes.Equal)
		if bytes.Equal(LP(label, a...), LP(label, b...)) != same {
			t.Fatalf("%x and %x encode alike", a, b)
		}
	})
}

func TestMovingABoundaryChangesTheBytes(t *testing.T) {
	if bytes.Equal(LP(label, []byte("ab"), []byte("c")), LP(label, []byte("a"), []byte("bc"))) {
		t.Error("a boundary between parts is lost")
	}
}

func TestReaderReturnsWhatLPWrote(t *testing.T) {
	b := LP(label, []byte("text"), U8(7), U32(8), U64(9), []byte{1, 2}, List([]byte("x"), nil))
	r := Open(b, label)
	text, u8, u32, u64, fixed, list := r.String(9), r.U8(), r.U32(), r.U64(), r.Fixed(2), r.List(2, 1)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if text != "text" || u8 != 7 || u32 != 8 || u64 != 9 || !bytes.Equal(fixed, []byte{1, 2}) {
		t.Errorf("read %q %d %d %d %x", text, u8, u32, u64, fixed)
	}
	if len(list) != 2 || string(list[0]) != "x" || len(list[1]) != 0 {
		t.Errorf("list = %q", list)
	}
}

func TestReaderRefuses(t *testing.T) {
	good := LP(label, []byte("abc"))
	read := func(max int) func([]byte) error {
		return func(b []byte) error {
			r := Open(b, label)
			r.Bytes(max)
			return r.Close()
		}
	}
	fixed := func(b []byte) error {
		r := Open(b, label)
		r.Fixed(4)
		return r.Close()
	}
	text := func(b []byte) error {
		r := Open(b, label)
		r.String(9)
		return r.Close()
	}
	list := func(b []byte) error {
		r := Open(b, label)
		r.List(1, 3)
		return r.Close()
	}
	cases := []struct {
		name  string
		bytes []byte
		read  func([]byte) error
	}{
		{"empty", nil, read(3)},
		{"another label", LP("milagro/v1 exampl3", []byte("abc")), read(3)},
		{"a longer label", LP(label+"s", []byte("abc")), read(3)},
		{"truncated length", good[:len(good)-5], read(3)},
		{"truncated part", good[:len(good)-1], read(3)},
		{"a byte too many", append(slices.Clone(good), 0), read(3)},
		{"part over the limit", good, read(2)},
		{"length of 4 GiB", append(LP(label), 0xff, 0xff, 0xff, 0xff), read(3)},
		{"short fixed part", good, fixed},
		{"long fixed part", LP(label, []byte("abcde")), fixed},
		{"text that is not UTF-8", LP(label, []byte{0xff}), text},
		{"list too long", LP(label, List(nil, nil)), list},
		{"list part too long", LP(label, List([]byte("abcd"))), list},
		{"list truncated", LP(label, []byte{0, 0, 0, 1}), list},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.read(c.bytes); !errors.Is(err, ErrEncoding) {
				t.Errorf("error = %v, want ErrEncoding", err)
			}
		})
	}
}

func TestReaderKeepsItsFirstFailure(t *testing.T) {
	r := Open(LP("other"), label)
	first := r.Err()
	r.U64()
	r.Fail(errors.New("later"))
	if first == nil || !errors.Is(r.Close(), first) || r.More() {
		t.Errorf("first = %v, then %v", first, r.Err())
	}
}

func TestReaderFailCarriesTheReason(t *testing.T) {
	reason := errors.New("no such colour")
	r := Open(LP(label), label)
	r.Fail(nil)
	r.Fail(reason)
	if err := r.Close(); !errors.Is(err, reason) || !errors.Is(err, ErrEncoding) {
		t.Errorf("error = %v", err)
	}
}

func TestReadBytesAreCopies(t *testing.T) {
	b := LP(label, []byte("abc"), []byte("def"))
	r := Open(b, label)
	x, y := r.Bytes(3), r.Fixed(3)
	clear(b)
	if string(x) != "abc" || string(y) != "def" {
		t.Error("the Reader shares memory with its input")
	}
}

func TestLPRefusesAPartOverTheLimit(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	LP(label, make([]byte, MaxPart+1))
}

func FuzzReader(f *testing.F) {
	f.Add(LP(label, []byte("a"), List([]byte("b"))))
	f.Add([]byte{0, 0, 0, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := Open(b, label)
		a, list := r.Bytes(1<<10), r.List(8, 1<<10)
		if r.Close() == nil && !bytes.Equal(LP(label, a, List(list...)), b) {
			t.Errorf("%x does not survive", b)
		}
	})
}
