package identity

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"milagro.dev/internal/pairing"
)

var scalarDST = regexp.MustCompile(`MILAGRO-V1-[A-Z]+-SCALAR_XMD:SHA-256`)

// sources returns the text of all production Go files of the module.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"../*/*.go", "../*/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "../spec/") || strings.HasPrefix(file, "../test/") || strings.HasPrefix(file, "../bench/") {
				continue
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(b)
		}
	}
	return all.String()
}

// TestNoDSTIsAPrefixOfAnother covers those of packages above too, which it
// finds in the source: each has one use and spec/groups.md lists it.
func TestNoDSTIsAPrefixOfAnother(t *testing.T) {
	page, err := os.ReadFile("../spec/groups.md")
	if err != nil {
		t.Fatal(err)
	}
	all := []string{channelDST, decryptDST, documentDST, freshDST, mpinDST, permitDST, testDST}
	found := scalarDST.FindAllString(sources(t), -1)
	if len(found) < 3 {
		t.Fatalf("found %d scalar DSTs in the source: the test shows nothing", len(found))
	}
	all = append(all, found...)
	for i, a := range all {
		name := strings.Split(a, "-")[2]
		if listed := regexp.MustCompile(`X: [A-Z ]*\b` + name + `\b`); !listed.Match(page) {
			t.Errorf("spec/groups.md does not list %s", a)
		}
		for j, b := range all {
			if i != j && strings.HasPrefix(a, b) {
				t.Errorf("%s begins with %s", a, b)
			}
		}
	}
}

func sampleKey(t testing.TB) Key {
	t.Helper()
	n, err := ParseName("spiffe://example.org/web")
	if err != nil {
		t.Fatal(err)
	}
	return Key{Domain: DomainID{1}, Purpose: Channel, Name: n, Device: DeviceHash{2}, Epoch: EpochAt(1_800_000_000, 86_400)}
}

// TestPurposesNeverShareAPoint hashes the same fields for every purpose.
func TestPurposesNeverShareAPoint(t *testing.T) {
	k := sampleKey(t)
	seen := map[string]string{}
	add := func(what string, b []byte) {
		if other, twice := seen[string(b)]; twice {
			t.Errorf("%s and %s share a point", what, other)
		}
		seen[string(b)] = what
	}
	message := []byte("the same bytes")
	for _, dst := range []string{channelDST, decryptDST, documentDST, freshDST, mpinDST, permitDST, testDST} {
		add(dst, point(dst, message).Bytes())
	}
	p, err := k.Point()
	if err != nil {
		t.Fatal(err)
	}
	add("channel", p.Bytes())
	add("document", DocumentPoint(k.Domain, 1, [32]byte{3}).Bytes())
	add("fresh", FreshPoint(k.Domain, 1, [32]byte{3}, 1).Bytes())
	add("test", TestPoint([32]byte{3}, "public").Bytes())
	add("test of mpin", TestPoint([32]byte{3}, "mpin").Bytes())
}

func TestEveryFieldChangesThePoint(t *testing.T) {
	k := sampleKey(t)
	want, err := k.Point()
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*Key){
		"domain": func(k *Key) { k.Domain[31] ^= 1 }, "device": func(k *Key) { k.Device[31] ^= 1 }, "epoch": func(k *Key) { k.Epoch = k.Epoch.Next() },
		"epoch length": func(k *Key) { k.Epoch.Length /= 2 }, "name": func(k *Key) { k.Name.text += "x" },
	}
	for name, change := range changes {
		other := k
		change(&other)
		if p, err := other.Point(); err != nil || p.Equal(want) {
			t.Errorf("%s is not in the point (%v)", name, err)
		}
	}
}

func TestCeremonyPurposesHaveNoKey(t *testing.T) {
	for _, p := range []Purpose{Document, Fresh, Test, "", "x"} {
		k := sampleKey(t)
		k.Purpose = p
		if _, err := k.Point(); !errors.Is(err, ErrPurpose) {
			t.Errorf("%q: %v", p, err)
		}
		if _, err := ParsePurpose(string(p)); !errors.Is(err, ErrPurpose) {
			t.Errorf("%q is parsed: %v", p, err)
		}
	}
}

// fieldsOf returns a key of purpose p with exactly the fields it uses.
func fieldsOf(t testing.TB, p Purpose) Key {
	t.Helper()
	k := sampleKey(t)
	k.Purpose = p
	if p.Service() {
		k.Service = ServiceID{4}
	}
	if p == Decrypt {
		k.Device = DeviceHash{}
	}
	if p == MPin {
		k.Epoch = Epoch{}
	}
	return k
}

func TestKeyHasExactlyTheFieldsOfItsPurpose(t *testing.T) {
	fields := map[string]func(*Key){
		"name":    func(k *Key) { k.Name = flip(k.Name, sampleKey(t).Name) },
		"service": func(k *Key) { k.Service = flip(k.Service, ServiceID{4}) },
		"device":  func(k *Key) { k.Device = flip(k.Device, DeviceHash{2}) },
		"epoch":   func(k *Key) { k.Epoch = flip(k.Epoch, EpochAt(1_800_000_000, 86_400)) },
	}
	for _, p := range []Purpose{Channel, Decrypt, MPin, Permit} {
		k := fieldsOf(t, p)
		if _, err := k.Point(); err != nil {
			t.Errorf("%s: %v", p, err)
		}
		if got, err := ParsePurpose(string(p)); err != nil || got != p {
			t.Errorf("%s is parsed as %q, %v", p, got, err)
		}
		for name, change := range fields {
			other := k
			change(&other)
			if _, err := other.Point(); !errors.Is(err, ErrPurpose) {
				t.Errorf("%s with the wrong %s: %v", p, name, err)
			}
		}
	}
}

// flip returns nothing if v is set and set if it is not.
func flip[T comparable](v, set T) T {
	var zero T
	if v != zero {
		return zero
	}
	return set
}

// TestDifferentFieldsNeverHashAlike draws two sets of fields from few values,
// so that they often differ in one field or at a border between two only.
func TestDifferentFieldsNeverHashAlike(t *testing.T) {
	purposes := []Purpose{Channel, Decrypt, MPin, Permit}
	names := []string{"spiffe://a.example/x", "spiffe://a.example/x/y", "acct:x@a.example"}
	rapid.Check(t, func(r *rapid.T) {
		draw := func() Key {
			k := fieldsOf(t, rapid.SampledFrom(purposes).Draw(r, "purpose"))
			k.Name, _ = ParseName(rapid.SampledFrom(names).Draw(r, "name"))
			if k.Domain[0] = byte(rapid.IntRange(1, 2).Draw(r, "domain")); k.Service != (ServiceID{}) {
				k.Domain = DomainID{1} // inside the service
				k.Service[0] = byte(rapid.IntRange(1, 2).Draw(r, "service"))
			}
			if k.Device != (DeviceHash{}) {
				k.Device[31] = byte(rapid.IntRange(1, 2).Draw(r, "device"))
			}
			if !k.Epoch.IsZero() {
				k.Epoch = EpochAt(uint64(rapid.IntRange(1, 2).Draw(r, "start"))*86_400, rapid.SampledFrom([]uint32{3600, 86_400}).Draw(r, "length"))
			}
			return k
		}
		a, b := draw(), draw()
		if pa, pb := mustPoint(t, a), mustPoint(t, b); pa.Equal(pb) != (a == b) {
			r.Fatalf("%+v and %+v: same point %v", a, b, pa.Equal(pb))
		}
	})
}

func mustPoint(t testing.TB, k Key) pairing.G1 {
	t.Helper()
	p, err := k.Point()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCeremonyPointsUseEveryField(t *testing.T) {
	id, hash := DomainID{1}, [32]byte{3}
	points := []pairing.G1{
		DocumentPoint(id, 1, hash), DocumentPoint(DomainID{2}, 1, hash), DocumentPoint(id, 2, hash), DocumentPoint(id, 1, [32]byte{4}),
		FreshPoint(id, 1, hash, 1), FreshPoint(DomainID{2}, 1, hash, 1), FreshPoint(id, 2, hash, 1), FreshPoint(id, 1, [32]byte{4}, 1), FreshPoint(id, 1, hash, 2),
		TestPoint(hash, "public"), TestPoint([32]byte{4}, "public"), TestPoint(hash, "mpin"),
	}
	for i, p := range points {
		if slices.ContainsFunc(points[:i], p.Equal) {
			t.Errorf("point %d is one of those before it", i)
		}
	}
}
