package dta

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
	"milagro.dev/spec/spectest"
)

func TestRevocationVectors(t *testing.T) {
	p := spectest.Load(t, "revocations")
	for _, c := range p.Accept {
		d, err := ParseDocument(spectest.Bytes(t, c["document"]))
		if err != nil {
			t.Fatal(err)
		}
		l, err := ParseRevocations(d, uint32(spectest.Number(t, c["index"])), spectest.Bytes(t, c["list"]))
		if err != nil {
			t.Errorf("sequence %s: %v", c["sequence"], err)
			continue
		}
		var entries []string
		for _, e := range l.Entries {
			entries = append(entries, e.Name.String()+" "+hex.EncodeToString(e.Device[:]))
		}
		if fmt.Sprint(l.Sequence) != c["sequence"] || fmt.Sprint(l.Time) != c["time"] || strings.Join(entries, ",") != c["entries"] {
			t.Errorf("%+v is not %v", l, c)
		}
	}
	for _, c := range p.Refuse {
		d, err := ParseDocument(spectest.Bytes(t, c["document"]))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRevocations(d, uint32(spectest.Number(t, c["index"])), spectest.Bytes(t, c["list"])); !errors.Is(err, ErrRevocations) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}

// listOf returns the list of authority index of d, naming these.
func (d *domain) listOf(index uint32, entries ...Revocation) Revocations {
	doc := d.published.Document
	return Revocations{Domain: doc.ID(), Generation: doc.Generation(), Index: index, Sequence: 7, Time: testNow, Entries: entries}
}

func revocations(t testing.TB, names ...string) (all []Revocation) {
	for i, n := range names {
		all = append(all, Revocation{Name: mustName(t, "spiffe://example.org/"+n), Device: identity.DeviceHash{byte(len(names) - i)}})
	}
	return all
}

func TestSignedRevocationsSurviveTheirBytes(t *testing.T) {
	d := newDomain(t, 2, 3)
	given := revocations(t, "web", "a/b", "web", "a", "aa")
	l := d.listOf(2, append(given, given[0])...)
	got, err := ParseRevocations(d.published.Document, 2, l.Sign(d.signing[1]))
	if err != nil {
		t.Fatal(err)
	}
	want := []Revocation{given[3], given[1], given[4], given[2], given[0]}
	if !slices.Equal(got.Entries, want) || got.Sequence != 7 || got.Time != testNow {
		t.Errorf("%+v", got)
	}
}

// TestForgedRevocationsAreRefused: nobody but the authority makes its list, for its
// domain, generation and index.
func TestForgedRevocationsAreRefused(t *testing.T) {
	d, other := newDomain(t, 2, 3), newDomain(t, 2, 3)
	good := d.listOf(1, revocations(t, "web")...)
	with := func(edit func(*Revocations)) []byte {
		l := good
		edit(&l)
		return l.Sign(d.signing[0])
	}
	for what, signed := range map[string][]byte{
		"another authority's key": good.Sign(d.signing[1]),
		"a stranger's key":        good.Sign(other.signing[0]),
		"another domain":          with(func(l *Revocations) { l.Domain = other.published.Document.ID() }),
		"another generation":      with(func(l *Revocations) { l.Generation = keys.Generation{Counter: 2, Hash: l.Generation.Hash} }),
		"another index":           with(func(l *Revocations) { l.Index = 2 }),
		"a name elsewhere":        with(func(l *Revocations) { l.Entries[0].Name = mustName(t, "spiffe://example.com/web") }),
	} {
		if _, err := ParseRevocations(d.published.Document, 1, signed); !errors.Is(err, ErrRevocations) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestEveryByteOfRevocationsCounts(t *testing.T) {
	d := newDomain(t, 2, 3)
	signed := d.listOf(1, revocations(t, "web")...).Sign(d.signing[0])
	for i := range signed {
		altered := bytes.Clone(signed)
		altered[i] ^= 1
		if _, err := ParseRevocations(d.published.Document, 1, altered); err == nil {
			t.Fatalf("byte %d does not count", i)
		}
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	d := newDomain(t, 2, 3)
	many := make([]Revocation, 100_000)
	for i := range many {
		many[i] = revocations(t, fmt.Sprintf("%06d", len(many)-i))[0]
	}
	long := revocations(t, strings.Repeat("a", identity.MaxName-100), strings.Repeat("b", identity.MaxName-100))
	for len(long) < MaxRevocations {
		long = append(long, revocations(t, fmt.Sprintf("%s%04d", strings.Repeat("c", identity.MaxName-100), len(long)))[0])
	}
	for what, entries := range map[string][]Revocation{"many": many, "long names": long} {
		signed := d.listOf(1, entries...).Sign(d.signing[0])
		l, err := ParseRevocations(d.published.Document, 1, signed)
		if err != nil {
			t.Fatal(what, err)
		}
		if len(signed) > MaxRevocationList+200 || len(l.Entries) > MaxRevocations || len(l.Entries) < 200 || !slices.Contains(l.Entries, entries[0]) {
			t.Errorf("%s: %d bytes, %d entries", what, len(signed), len(l.Entries))
		}
	}
}

func TestRevokedByIsMoreThanTheBadOnesOf2Of3(t *testing.T) {
	for _, c := range []struct{ t, n, want int }{{2, 3, 2}, {3, 3, 1}, {3, 5, 3}, {2, 2, 1}} {
		if got := newDomain(t, c.t, c.n).published.Document.RevokedBy(); got != c.want {
			t.Errorf("%d of %d: %d", c.t, c.n, got)
		}
	}
}

// TestClientReadsHostileLists: an address may answer anything.
func TestClientReadsHostileLists(t *testing.T) {
	d := newDomain(t, 2, 3)
	long := d.listOf(1)
	for i := range MaxRevocations {
		long.Entries = append(long.Entries, revocations(t, fmt.Sprintf("%s%04d", strings.Repeat("x", 90), i))...)
	}
	longest := long.Sign(d.signing[0])
	var answer func(http.ResponseWriter)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	defer server.Close()
	for what, c := range map[string]struct {
		answer func(http.ResponseWriter)
		good   bool
	}{
		"the longest list": {func(w http.ResponseWriter) { json.NewEncoder(w).Encode(map[string][]byte{"list": longest}) }, true},
		"garbage":          {func(w http.ResponseWriter) { w.Write([]byte("\x00\x01")) }, false},
		"no list":          {func(w http.ResponseWriter) { w.Write([]byte("{}")) }, false},
		"without an end":   {func(w http.ResponseWriter) { w.Write(bytes.Repeat([]byte("["), 2<<20)) }, false},
		"not found":        {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, false},
	} {
		answer = c.answer
		signed, err := new(Client).Revocations(t.Context(), server.URL)
		if err == nil {
			_, err = ParseRevocations(d.published.Document, 1, signed)
		}
		if c.good != (err == nil) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzParseRevocations(f *testing.F) {
	d := &domain{}
	fields, _ := testFields(f, d, 2, 3)
	doc, err := NewDocument(fields)
	if err != nil {
		f.Fatal(err)
	}
	d.published = &Published{Document: doc}
	whole, err := encoding.ParseEnvelope(d.listOf(1, revocations(f, "web", "a")...).Sign(d.signing[0]), MaxRevocationList)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Body)
	f.Fuzz(func(t *testing.T, body []byte) {
		signed := encoding.Sign(d.signing[0], body)
		l, err := ParseRevocations(doc, 1, signed)
		if err != nil {
			return
		}
		if again := l.Sign(d.signing[0]); !bytes.Equal(again, signed) {
			t.Errorf("%x is read and written as %x", signed, again)
		}
	})
}
