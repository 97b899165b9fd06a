package dta

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/internal/problem"
	"milagro.dev/keys"
)

// behaviour says what a test authority does with the request that it opened.
type behaviour func(w http.ResponseWriter, q *Request, sealed *SealedRequest)

// serve puts the authorities of d on real sockets and returns how often each
// was asked; behave replaces the honest answer of some.
func (d *domain) serve(t *testing.T, behave map[int]behaviour) []*atomic.Int32 {
	t.Helper()
	asked := make([]*atomic.Int32, len(d.shares))
	f := d.revise()
	for i := range d.shares {
		asked[i] = new(atomic.Int32)
		server := httptest.NewServer(d.authority(t, i, asked[i], behave[i]))
		t.Cleanup(server.Close)
		f.Authorities[i].URL = server.URL
	}
	doc, err := NewDocument(f)
	if err != nil {
		t.Fatal(err)
	}
	d.published = &Published{Document: doc, Signature: d.sign(t, doc.Point())}
	d.stamp(t, testNow)
	return asked
}

func (d *domain) authority(t *testing.T, i int, asked *atomic.Int32, behave behaviour) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/domain", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(d.published) })
	mux.HandleFunc("POST /v1/issue", func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var in struct{ Request []byte }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		sealed, err := ParseSealedRequest(in.Request)
		if err != nil {
			t.Error(err)
			return
		}
		q, err := sealed.Open(d.opening[i])
		if err != nil {
			t.Error(err)
			return
		}
		if behave != nil {
			behave(w, q, sealed)
			return
		}
		respond(w, answerTo(t, d, q, i))
	})
	return mux
}

func respond(w http.ResponseWriter, sealed []byte) {
	json.NewEncoder(w).Encode(map[string][]byte{"reply": sealed})
}

func (d *domain) application(t *testing.T) Application {
	return Application{Domain: d.published, Key: channelKey(t), Signer: newDevice(t), Now: func() uint64 { return testNow }}
}

func (d *domain) codes() map[uint32]Code {
	codes := map[uint32]Code{}
	for _, s := range d.shares {
		codes[s.Index()] = NewCode(s.Index())
	}
	return codes
}

func verifyGrant(t *testing.T, d *domain, g *Grant) {
	t.Helper()
	point, err := g.Key.Point()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Private.Verify(point, d.published.Document.Master()); err != nil {
		t.Error(err)
	}
}

func TestApplyMakesAKeyOfAllAuthorities(t *testing.T) {
	d := newDomain(t, 3, 3)
	d.serve(t, nil)
	a := d.application(t)
	a.Codes = d.codes()
	g, err := new(Client).Apply(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	verifyGrant(t, d, g)
	for i, o := range g.Outcomes {
		if o.Err != nil || o.Authority.Index != uint32(i+1) || len(o.Statement) == 0 {
			t.Errorf("outcome %d: %+v", i+1, o)
		}
	}
}

func TestApplyMakesADecryptKeyWithoutDevice(t *testing.T) {
	d := newDomain(t, 2, 3)
	d.serve(t, nil)
	a := d.application(t)
	a.Key.Purpose = identity.Decrypt
	g, err := new(Client).Apply(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	verifyGrant(t, d, g)
}

func TestApplyNamesALyingAuthority(t *testing.T) {
	d := newDomain(t, 2, 3)
	liar := func(w http.ResponseWriter, q *Request, _ *SealedRequest) { respond(w, answerTo(t, d, q, 2)) }
	d.serve(t, map[int]behaviour{1: liar})
	g, err := new(Client).Apply(context.Background(), d.application(t))
	if err != nil {
		t.Fatal(err)
	}
	verifyGrant(t, d, g)
	if o := g.Outcomes[1]; !errors.Is(o.Err, keys.ErrShare) {
		t.Errorf("liar's outcome: %v", o.Err)
	}
	c, err := JudgeFalseShare(g.Outcomes[1].Evidence)
	if err != nil || c.Authority.Index != 2 {
		t.Errorf("evidence convicts %+v, error %v", c, err)
	}
	if g.Outcomes[0].Err != nil || g.Outcomes[2].Err != nil {
		t.Errorf("an honest authority is blamed: %v, %v", g.Outcomes[0].Err, g.Outcomes[2].Err)
	}
}

func TestApplyFailsBelowTheThresholdAndSaysWhy(t *testing.T) {
	d := newDomain(t, 3, 3)
	refuse := func(w http.ResponseWriter, _ *Request, _ *SealedRequest) {
		problem.Write(w, problem.New(problem.Revoked, ""))
	}
	asked := d.serve(t, map[int]behaviour{1: refuse})
	_, err := new(Client).Apply(context.Background(), d.application(t))
	if !errors.Is(err, ErrThreshold) || !errors.Is(err, problem.Revoked) {
		t.Fatalf("error = %v", err)
	}
	if !strings.Contains(err.Error(), "authority 2 (operator 2)") || strings.Contains(err.Error(), "authority 1") {
		t.Errorf("error names the wrong authorities: %v", err)
	}
	if n := asked[1].Load(); n != 1 {
		t.Errorf("a refusal was asked for again: %d times", n)
	}
}

func TestApplySendsTheSameBytesAgainWhenAnAnswerIsLost(t *testing.T) {
	d := newDomain(t, 2, 2)
	var seen [][32]byte
	lose := func(w http.ResponseWriter, q *Request, s *SealedRequest) {
		seen = append(seen, s.Hash)
		if len(seen) == 1 {
			panic(http.ErrAbortHandler) // cuts the connection
		}
		respond(w, answerTo(t, d, q, 0))
	}
	d.serve(t, map[int]behaviour{0: lose})
	g, err := new(Client).Apply(context.Background(), d.application(t))
	if err != nil {
		t.Fatal(err)
	}
	verifyGrant(t, d, g)
	if len(seen) != 2 || seen[0] != seen[1] {
		t.Errorf("sent %d requests, the same: %v", len(seen), len(seen) == 2 && seen[0] == seen[1])
	}
}

func TestApplyDoesNotWaitForASilentAuthority(t *testing.T) {
	d := newDomain(t, 2, 3)
	silence := make(chan struct{})
	silent := func(http.ResponseWriter, *Request, *SealedRequest) { <-silence }
	d.serve(t, map[int]behaviour{2: silent})
	t.Cleanup(func() { close(silence) }) // before the server is closed
	g, err := new(Client).Apply(context.Background(), d.application(t))
	if err != nil {
		t.Fatal(err)
	}
	verifyGrant(t, d, g)
	if err := g.Outcomes[2].Err; err == nil || !strings.Contains(err.Error(), "silent") {
		t.Errorf("silent authority's outcome: %v", err)
	}
}

func TestApplyBelievesASignedClockOnly(t *testing.T) {
	for _, signer := range []int{0, 1} {
		d := newDomain(t, 2, 2)
		stale := func(w http.ResponseWriter, q *Request, s *SealedRequest) {
			p := problem.New(problem.StaleTime, "")
			p.Time = testNow - 1000
			p.Signature = SignTime(d.signing[signer], s.Domain, s.Index, s.Hash, p.Time)
			problem.Write(w, p)
		}
		d.serve(t, map[int]behaviour{0: stale})
		_, err := new(Client).Apply(context.Background(), d.application(t))
		var clock *ClockError
		if believed := errors.As(err, &clock); believed != (signer == 0) {
			t.Errorf("time signed by authority %d: %v", signer+1, err)
		} else if believed && clock.Ahead != 1000 {
			t.Errorf("ahead by %d s", clock.Ahead)
		}
	}
}

func TestApplyRefusesBeforeAnyCodeIsShown(t *testing.T) {
	d := newDomain(t, 2, 3)
	asked := d.serve(t, nil)
	cases := map[string]struct {
		change func(*Application)
		want   error
	}{
		"a name of another domain": {func(a *Application) { a.Key.Name = mustName(t, "spiffe://example.com/web") }, nil},
		"a code of another index":  {func(a *Application) { a.Codes[1] = NewCode(2) }, ErrCode},
		"a code of no authority":   {func(a *Application) { a.Codes[9] = NewCode(9) }, ErrCode},
		"too few codes":            {func(a *Application) { delete(a.Codes, 1); delete(a.Codes, 2) }, ErrCode},
		"a stale document":         {func(a *Application) { a.Now = func() uint64 { return testNow + 9*86_400 } }, ErrStale},
		"no epoch":                 {func(a *Application) { a.Key.Epoch = identity.Epoch{} }, identity.ErrPurpose},
		"purpose document":         {func(a *Application) { a.Key.Purpose = identity.Document }, identity.ErrPurpose},
	}
	for name, c := range cases {
		a := d.application(t)
		a.Codes = d.codes()
		c.change(&a)
		if _, err := new(Client).Apply(context.Background(), a); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if slices.ContainsFunc(asked, func(n *atomic.Int32) bool { return n.Load() > 0 }) {
		t.Error("an authority was asked")
	}
}

func TestRenewalGoesOnWithoutAStamp(t *testing.T) {
	d := newDomain(t, 2, 2)
	d.serve(t, nil)
	d.published.Stamp = nil
	if _, err := new(Client).Apply(context.Background(), d.application(t)); err != nil {
		t.Error(err)
	}
}

func TestClientRefusesAnswersThatAreNotTheProtocol(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `"`+strings.Repeat("a", maxAnswer)+`"`)
		},
		"a bare 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	}
	for name, handler := range answers {
		server := httptest.NewServer(handler)
		if p, err := new(Client).Domain(context.Background(), server.URL); err == nil {
			t.Errorf("%s: %v", name, p)
		}
		server.Close()
	}
}

func TestClientFetchesADomain(t *testing.T) {
	d := newDomain(t, 2, 2)
	d.serve(t, nil)
	p, err := new(Client).Domain(context.Background(), d.published.Document.Authorities()[0].URL+"/")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(d.published.Document.ID()); err != nil {
		t.Error(err)
	}
}
