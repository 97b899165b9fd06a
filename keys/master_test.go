package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
)

var identityG1 = append([]byte{0xc0}, make([]byte, pairing.G1Size-1)...)

func TestMastersAreReadAsWritten(t *testing.T) {
	d, other := newDomain(t, 2, 2), newDomain(t, 2, 2)
	m := must[Master](t)(ParseMaster(d.master.Bytes()))
	p := must[PinMaster](t)(ParsePinMaster(d.pin.Bytes()))
	if !m.Equal(d.master) || !p.Equal(d.pin) || !m.Point().Equal(d.master.Point()) || !p.Point().Equal(d.pin.Point()) {
		t.Error("a master is not what was written")
	}
	if m.Equal(other.master) || p.Equal(other.pin) {
		t.Error("two masters are equal")
	}
}

func TestParseMasterRefuses(t *testing.T) {
	good := newDomain(t, 2, 2).master.Bytes()
	identity := append([]byte{0xc0}, make([]byte, MasterSize-1)...)
	for name, b := range map[string][]byte{"nothing": nil, "short": good[1:], "long": append(slices.Clone(good), 0), "the identity": identity} {
		_, err := ParseMaster(b)
		if !errors.Is(err, ErrMaster) || !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{"nothing": nil, "a public master": good, "the identity": identityG1} {
		_, err := ParsePinMaster(b)
		if !errors.Is(err, ErrMaster) || !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("M-Pin master, %s: %v", name, err)
		}
	}
}

func TestGenerationIsReadAsWritten(t *testing.T) {
	g := Generation{Counter: 0x0102030405060708, Hash: [32]byte{9, 31: 10}}
	if want := "0102030405060708" + "09" + strings.Repeat("00", 30) + "0a"; hex.EncodeToString(g.Bytes()) != want {
		t.Errorf("bytes = %x", g.Bytes())
	}
	if back := must[Generation](t)(ParseGeneration(g.Bytes())); back != g {
		t.Errorf("read %v", back)
	}
	for _, n := range []int{0, GenerationSize - 1, GenerationSize + 1} {
		if _, err := ParseGeneration(make([]byte, n)); !errors.Is(err, ErrGeneration) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestMasterShareIsReadAsWritten(t *testing.T) {
	for _, h := range newDomain(t, 2, 3).holders {
		back := must[MasterShare](t)(ParseMasterShare(h.Expose()))
		if back.Index() != h.Index() || back.Generation() != h.Generation() || !back.secret.Equal(h.secret) {
			t.Errorf("share %d is not what was written", h.Index())
		}
		if !back.Public().Equal(h.Public()) || !back.PublicPin().Equal(h.PublicPin()) {
			t.Errorf("share %d has another public share", h.Index())
		}
	}
}

func TestParseMasterShareRefuses(t *testing.T) {
	g, one := Generation{Counter: 1}.Bytes(), pairing.NewScalar(1).Bytes()
	write := func(label string, parts ...[]byte) []byte { return encoding.LP(label, parts...) }
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"another label":    write("milagro/v1 master chair", encoding.U32(1), g, one),
		"trailing byte":    append(write(masterShareLabel, encoding.U32(1), g, one), 0),
		"missing part":     write(masterShareLabel, encoding.U32(1), g),
		"short generation": write(masterShareLabel, encoding.U32(1), g[1:], one),
		"index in 8 bytes": write(masterShareLabel, encoding.U64(1), g, one),
		"zero":             write(masterShareLabel, encoding.U32(1), g, make([]byte, 32)),
		"not below r":      write(masterShareLabel, encoding.U32(1), g, bytes.Repeat([]byte{0xff}, 32)),
	} {
		_, err := ParseMasterShare(b)
		if !errors.Is(err, ErrMasterShare) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSharesAndKeysAreReadAsWritten(t *testing.T) {
	d, point := newDomain(t, 2, 2), somePoint(1)
	s := d.issue(point)[1]
	back := must[Share](t)(ParseShare(2, s.Generation(), s.Expose()))
	if err := back.Verify(point, d.publics[2]); err != nil {
		t.Error(err)
	}
	key := must[Private](t)(Combine(2, d.issue(point)))
	again := must[Private](t)(ParsePrivate(key.Expose()))
	if err := again.Verify(point, d.master); err != nil {
		t.Error(err)
	}
	for name, b := range map[string][]byte{"nothing": nil, "the identity": identityG1, "long": append(key.Expose(), 0)} {
		if _, err := ParseShare(1, Generation{}, b); !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("share, %s: %v", name, err)
		}
		if _, err := ParsePrivate(b); !errors.Is(err, ErrKey) || !errors.Is(err, pairing.ErrPoint) {
			t.Errorf("key, %s: %v", name, err)
		}
	}
}

func TestKeyVerifyRefuses(t *testing.T) {
	d, point := newDomain(t, 2, 2), somePoint(1)
	key := must[Private](t)(Combine(2, d.issue(point)))
	if err := key.Verify(somePoint(2), d.master); !errors.Is(err, ErrKey) {
		t.Errorf("another identity: %v", err)
	}
	if err := key.Verify(point, newDomain(t, 2, 2).master); !errors.Is(err, ErrKey) {
		t.Errorf("another master: %v", err)
	}
	if err := (Private{}).Verify(point, d.master); !errors.Is(err, ErrKey) {
		t.Errorf("no key: %v", err)
	}
	if err := (Private{}).Verify(pairing.G1{}, Master{}); !errors.Is(err, ErrKey) {
		t.Errorf("nothing at all: %v", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	d, point := newDomain(t, 2, 2), somePoint(1)
	h := d.holders[0]
	share := h.Issue(point)
	key := must[Private](t)(Combine(2, d.issue(point)))
	for _, c := range []struct {
		value  any
		secret []byte
	}{
		{h, h.secret.Expose()}, {&h, h.secret.Expose()},
		{share, share.Expose()}, {&share, share.Expose()},
		{key, key.Expose()}, {struct{ K Private }{key}, key.Expose()}, {[]Share{share}, share.Expose()},
	} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+" ", c.value)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "value", c.value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "value", c.value)
		if b, err := json.Marshal(c.value); err == nil {
			out.Write(b)
		}
		for _, form := range forms(c.secret) {
			if strings.Contains(strings.ToLower(out.String()), form) {
				t.Errorf("%T tells its secret: %s", c.value, out.String())
			}
		}
	}
}

// forms returns the beginnings of the ways in which bytes get printed.
func forms(secret []byte) []string {
	part := secret[4:12]
	decimal := strings.Trim(fmt.Sprint(part), "[]")
	return []string{hex.EncodeToString(part), hex.EncodeToString([]byte(hex.EncodeToString(part))), decimal, string(part)}
}

func TestSecretsDoNotCompare(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[MasterShare](), reflect.TypeFor[Share](), reflect.TypeFor[Private]()} {
		if typ.Comparable() {
			t.Errorf("%v compares with ==", typ)
		}
	}
}

func TestEraseLeavesNothing(t *testing.T) {
	d, point := newDomain(t, 2, 2), somePoint(1)
	key := must[Private](t)(Combine(2, d.issue(point)))
	copied := key
	key.Erase()
	if !copied.point.IsIdentity() {
		t.Error("an erased key is still there in its copy")
	}
	h := d.holders[0]
	d.holders[0].Erase()
	if !h.secret.IsZero() {
		t.Error("an erased master share is still there in its copy")
	}
	if _, err := ParseMasterShare(h.Expose()); !errors.Is(err, ErrMasterShare) {
		t.Errorf("an erased master share reads as one: %v", err)
	}
}

func FuzzParseMasterShare(f *testing.F) {
	f.Add(NewMasterShare(3, Generation{Counter: 1}, pairing.RandomSecret()).Expose())
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseMasterShare(b); err == nil && !bytes.Equal(s.Expose(), b) {
			t.Error("master share does not survive")
		}
	})
}

func FuzzParseGeneration(f *testing.F) {
	f.Add(Generation{Counter: 1}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := ParseGeneration(b); err == nil && !bytes.Equal(g.Bytes(), b) {
			t.Error("generation does not survive")
		}
	})
}

func FuzzParseMaster(f *testing.F) {
	f.Add(pairing.G2Generator().Bytes())
	f.Add(pairing.G1Generator().Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParseMaster(b); err == nil && !bytes.Equal(m.Bytes(), b) {
			t.Error("master does not survive")
		}
		if m, err := ParsePinMaster(b); err == nil && !bytes.Equal(m.Bytes(), b) {
			t.Error("M-Pin master does not survive")
		}
	})
}

func FuzzParsePrivate(f *testing.F) {
	f.Add(pairing.G1Generator().Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParsePrivate(b); err == nil && !bytes.Equal(p.Expose(), b) {
			t.Error("key does not survive")
		}
		if s, err := ParseShare(1, Generation{}, b); err == nil && !bytes.Equal(s.Expose(), b) {
			t.Error("share does not survive")
		}
	})
}
