package wallet

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
)

// meddler alters what one authority answers, as the network may.
type meddler struct {
	*town
	host  string
	alter func([]byte) []byte
}

func (m meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := m.town.RoundTrip(r)
	if err != nil || r.URL.Host != m.host || !strings.HasSuffix(r.URL.Path, "/issue") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(m.alter(body)))
	return resp, err
}

func TestAnHonestAuthorityIsNeverBlamed(t *testing.T) {
	flip := func(b []byte) []byte { // one character inside the base64
		b = bytes.Clone(b)
		b[len(b)/2] ^= 'A' ^ 'B'
		return b
	}
	for title, k := range map[string]struct {
		alter func([]byte) []byte
		want  []Outcome
	}{
		"altered on its way": {flip, []Outcome{Altered, Silent}}, // or no base64 any more
		"not JSON":           {func([]byte) []byte { return []byte("<html>") }, []Outcome{Silent}},
		"empty":              {func([]byte) []byte { return []byte("{}") }, []Outcome{Altered}},
	} {
		c := newTown(t, 2, 3, day)
		w, n := c.pinned(t), name(t, "spiffe://example.org/web")
		w.client = &dta.Client{HTTP: &http.Client{Transport: meddler{c, "dta-2", k.alter}}}
		r := must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
		a := r.Keys[0].Authorities[1]
		if !slices.Contains(k.want, a.Outcome) || a.Evidence != "" || a.Detail == "" {
			t.Errorf("%s: %+v", title, a)
		}
	}
}

func TestASilentAuthorityIsNamedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTown(t, 2, 3, day)
		w, n := c.pinned(t), name(t, "spiffe://example.org/web")
		c.authorities[2].down = true
		start := time.Now()
		r := must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
		if got := outcomes(r.Keys[0]); !slices.Equal(got, []Outcome{OK, OK, Silent}) {
			t.Errorf("outcomes = %v", got)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestAnAuthorityWithoutACodeIsSkipped(t *testing.T) {
	c := newTown(t, 2, 3, day)
	w, n, codes := c.pinned(t), name(t, "spiffe://example.org/web"), c.register()
	delete(codes, 2)
	r := must(w.Enrol(t.Context(), n, identity.Channel, codes))(t)
	if got := outcomes(r.Keys[0]); !slices.Equal(got, []Outcome{OK, Skipped, OK}) {
		t.Errorf("outcomes = %v", got)
	}
	if c.authorities[1].count() != 0 {
		t.Error("it was asked")
	}
}

func TestAKeyThatTheMasterDidNotIssueIsNotStored(t *testing.T) {
	w, n := newTown(t, 2, 2, day).enrolled(t)
	d := must(w.domain("example.org"))(t)
	foreign := testKey(t)
	foreign.key.Domain, foreign.key.Name = d.ID, n
	if err := w.save(d, foreign); err == nil {
		t.Error("stored")
	}
	if _, err := w.load(d, foreign.key); !missing(err) {
		t.Errorf("load: %v", err)
	}
}

func TestAStoredKeyOfAnotherMasterIsDamage(t *testing.T) {
	w, n := newTown(t, 2, 2, day).enrolled(t)
	shown := must(w.Show(n))(t)
	foreign := storedKey{private: testKey(t).private,
		key: keyOf(must(w.domain("example.org"))(t), n, shown.Device, identity.Channel, shown.Keys[0].Epoch)}
	check(t, w.disk.replace(shown.Keys[0].Path, foreign.bytes()))
	if _, err := w.Source(n).Credential(); !errors.Is(err, ErrDamaged) {
		t.Errorf("credential: %v", err)
	}
	if again := must(w.Show(n))(t); !errors.Is(again.Keys[0].Err, ErrDamaged) {
		t.Errorf("shown: %+v", again.Keys)
	}
}

func TestReportSaysWhatHappenedInWords(t *testing.T) {
	r := &Report{Name: name(t, "spiffe://example.org/web"), Keys: []KeyReport{{
		Purpose: identity.Channel, Epoch: identity.Epoch{Start: 86400, Length: 86400}, Err: errors.New("x"),
		Authorities: []AuthorityReport{
			{Index: 1, Name: "a", Outcome: OK},
			{Index: 2, Name: "b", Outcome: Lying, Detail: "share does not verify", Evidence: "/e"},
		},
	}}}
	want := "spiffe://example.org/web channel key 1970-01-02T00:00:00Z to 1970-01-03T00:00:00Z: not obtained\n" +
		"  authority 1 (a): ok\n" +
		"  authority 2 (b): lying: share does not verify; evidence in /e\n"
	if got := r.Text(); got != want {
		t.Errorf("text:\n%s", got)
	}
}
