package wallet

import (
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/pairing"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

const day = 86_400

// town is a trust domain whose secrets the test holds: authorities that do what
// the wallet can observe of one, and whatever a test makes them do besides. It is
// the wallet's http.RoundTripper, so that time in a test is the test's.
type town struct {
	poly        *vss.Polynomial
	generation  keys.Generation
	fields      dta.Fields
	authorities []*booth

	mu        sync.Mutex // of published
	published *dta.Published
}

// booth is one authority.
type booth struct {
	town    *town
	index   uint32
	share   keys.MasterShare
	signing ed25519.PrivateKey
	opening hpke.PrivateKey

	mu       sync.Mutex // of all below
	codes    map[[32]byte]string
	enrolled map[identity.DeviceHash]bool
	asked    int
	revoked  bool
	down     bool
	shows    *dta.Published // instead of the town's
	skew     time.Duration  // of its clock
	lies     bool
	list     []byte // of revocations, signed; nil: it serves none
	polled   int    // how often it was asked for that
}

const unused = "unused"

func newTown(t testing.TB, threshold, n int, length uint32) *town {
	t.Helper()
	schedule := identity.Schedule{Length: length}
	c := &town{poly: vss.NewPolynomial(threshold), generation: keys.Generation{Counter: 1, Hash: [32]byte{1}}}
	c.fields = dta.Fields{Domain: "example.org", Revision: 1, Threshold: uint32(threshold), Generation: c.generation,
		Suites:    []byte{1},
		Schedules: map[identity.Purpose]identity.Schedule{identity.Channel: schedule, identity.Decrypt: schedule}}
	for i := uint32(1); i <= uint32(n); i++ {
		c.fields.Authorities = append(c.fields.Authorities, c.open(t, i))
	}
	c.fields.Master = must(keys.ParseMaster(c.poly.At(0).G2().Bytes()))(t)
	c.publish(t, c.fields)
	return c
}

// open adds an authority.
func (c *town) open(t testing.TB, index uint32) dta.Authority {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	check(t, err)
	box := must(hpke.MLKEM768X25519().GenerateKey())(t)
	b := &booth{town: c, index: index, signing: private, opening: box, codes: map[[32]byte]string{},
		enrolled: map[identity.DeviceHash]bool{}, share: keys.NewMasterShare(index, c.generation, c.poly.At(index))}
	c.authorities = append(c.authorities, b)
	return dta.Authority{Index: index, Name: fmt.Sprintf("operator %d", index), URL: fmt.Sprintf("http://dta-%d", index),
		Ed25519: public, HPKE: box.PublicKey(), Public: c.poly.At(index).G2()}
}

// sign makes the whole key of point, as t authorities would.
func (c *town) sign(t testing.TB, point pairing.G1) []byte {
	t.Helper()
	return must(keys.ParsePrivate(point.MulSecret(c.poly.At(0)).Expose()))(t).Expose()
}

// document returns f signed, with the stamp of today.
func (c *town) document(t testing.TB, f dta.Fields) *dta.Published {
	t.Helper()
	doc := must(dta.NewDocument(f))(t)
	p := &dta.Published{Document: doc, Signature: c.sign(t, doc.Point())}
	p.Stamp = c.stamp(t, doc, today())
	return p
}

func today() uint32 { return dta.Day(uint64(time.Now().Unix())) }

func (c *town) stamp(t testing.TB, doc *dta.Document, day uint32) *dta.Stamp {
	return &dta.Stamp{Revision: doc.Revision(), Hash: doc.Hash(), Day: day, Signature: c.sign(t, doc.FreshPoint(day))}
}

func (c *town) publish(t testing.TB, f dta.Fields) {
	t.Helper()
	p := c.document(t, f)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.published = p
}

// revise publishes f as the document that the authorities go by.
func (c *town) revise(t testing.TB, f dta.Fields) {
	t.Helper()
	c.publish(t, f)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fields = f
}

func (c *town) schedule(p identity.Purpose) identity.Schedule {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fields.Schedules[p]
}

// successor returns the fields of revision 2.
func (c *town) successor() dta.Fields {
	f := c.fields
	hash := c.published.Document.Hash()
	f.Revision, f.Predecessor = 2, hash[:]
	return f
}

func (c *town) id() identity.DomainID { return c.published.Document.ID() }

func (c *town) url(index int) string { return c.published.Document.Authorities()[index-1].URL }

// register returns a code of each authority. It may be called by many at once.
func (c *town) register() map[uint32]dta.Code {
	codes := map[uint32]dta.Code{}
	for _, b := range c.authorities {
		code := dta.NewCode(b.index)
		codes[b.index] = code
		b.mu.Lock()
		b.codes[code.Hash()] = unused
		b.mu.Unlock()
	}
	return codes
}

// RoundTrip implements http.RoundTripper.
func (c *town) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	for _, b := range c.authorities {
		if r.URL.Host != fmt.Sprintf("dta-%d", b.index) {
			continue
		}
		if b.isDown() {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		recorder := httptest.NewRecorder()
		b.ServeHTTP(recorder, r)
		return recorder.Result(), nil
	}
	return nil, errors.New("no such host")
}

// set changes what b does from now on.
func (b *booth) set(change func(*booth)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

func (b *booth) isDown() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.down
}

func (b *booth) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

func (b *booth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/v1/domain") {
		b.town.mu.Lock()
		defer b.town.mu.Unlock()
		shown := b.town.published
		if b.shows != nil {
			shown = b.shows
		}
		json.NewEncoder(w).Encode(shown)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/v1/revocations") {
		b.serveList(w)
		return
	}
	b.asked++
	reply, err := b.issue(r)
	if err != nil {
		problem.Write(w, err)
		return
	}
	json.NewEncoder(w).Encode(map[string][]byte{"reply": reply})
}

func (b *booth) issue(r *http.Request) ([]byte, error) {
	var in struct{ Request []byte }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	sealed, err := dta.ParseSealedRequest(in.Request)
	if err != nil {
		return nil, problem.New(problem.Malformed, "")
	}
	q, err := sealed.Open(b.opening)
	if err != nil {
		return nil, problem.New(problem.CannotOpen, "")
	}
	if q.Generation != b.town.generation {
		return nil, problem.New(problem.WrongGeneration, "")
	}
	now := uint64(time.Now().Add(b.skew).Unix())
	if q.Key.Purpose == identity.Decrypt && q.Key.Epoch.Start > now {
		return nil, problem.New(problem.WrongEpoch, "never ahead")
	}
	if err := b.town.schedule(q.Key.Purpose).Issuable(q.Key.Epoch, q.Key.Purpose, now); err != nil {
		return nil, problem.New(problem.WrongEpoch, "%v", err)
	}
	if err := b.admit(q); err != nil {
		return nil, err
	}
	return b.answer(q)
}

func (b *booth) admit(q *dta.Request) error {
	device := q.Device.Hash()
	if b.revoked {
		return problem.New(problem.Revoked, "")
	}
	if len(q.Evidence) == 0 {
		if !b.enrolled[device] {
			return problem.New(problem.NotEnrolled, "")
		}
		return nil
	}
	code, err := dta.ParseCodeEvidence(q.Evidence)
	if err != nil {
		return problem.New(problem.Malformed, "")
	}
	switch state := b.codes[code.Hash()]; state {
	case "":
		return problem.New(problem.CodeUnknown, "")
	case unused:
		b.codes[code.Hash()] = device.String()
		b.enrolled[device] = true
		return nil
	default:
		return problem.New(problem.CodeUsed, "")
	}
}

func (b *booth) answer(q *dta.Request) ([]byte, error) {
	point, err := q.IdentityKey().Point()
	if err != nil {
		return nil, err
	}
	share := b.share
	if b.lies {
		share = keys.NewMasterShare(b.index, b.town.generation, pairing.RandomSecret())
	}
	reply := dta.ReplyTo(q, share.Issue(point))
	if len(q.Evidence) > 0 {
		reply.Statement = dta.StatementFor(q, q.Time).Sign(b.signing)
	}
	return reply.Seal(b.signing, q.ReplyKey)
}

// wallet opens a wallet on dir that speaks to the town.
func (c *town) wallet(t testing.TB, dir string) *Wallet {
	t.Helper()
	return must(Open(Config{Dir: dir, Client: c.client(), Logger: testLogger(t)}))(t)
}

func (c *town) client() *dta.Client { return &dta.Client{HTTP: &http.Client{Transport: c}} }

// pinned opens a new wallet that has pinned the town.
func (c *town) pinned(t testing.TB) *Wallet {
	t.Helper()
	w := c.wallet(t, t.TempDir()+"/wallet")
	must(w.Pin(t.Context(), c.url(1), c.id()))(t)
	return w
}

// enrolled opens a new wallet with the name web enrolled for channels.
func (c *town) enrolled(t testing.TB) (*Wallet, identity.Name) {
	t.Helper()
	w, n := c.pinned(t), name(t, "spiffe://example.org/web")
	must(w.Enrol(t.Context(), n, identity.Channel, c.register()))(t)
	return w, n
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

func name(t testing.TB, s string) identity.Name {
	t.Helper()
	return must(identity.ParseName(s))(t)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must returns v to be had with a test: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func outcomes(k KeyReport) []Outcome {
	var all []Outcome
	for _, a := range k.Authorities {
		all = append(all, a.Outcome)
	}
	return slices.Clip(all)
}

func keysGeneration(counter uint64) keys.Generation {
	return keys.Generation{Counter: counter, Hash: [32]byte{byte(counter)}}
}

// newShare is authority index's share in the town's generation. That the value
// stays the same is nothing to the wallet.
func newShare(c *town, index uint32) keys.MasterShare {
	return keys.NewMasterShare(index, c.generation, c.poly.At(index))
}
