package authority_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"milagro.dev/dta"
	"milagro.dev/identity"
	"milagro.dev/internal/authority/authoritytest"
	"milagro.dev/internal/problem"
	"milagro.dev/internal/vss"
	"milagro.dev/keys"
)

// realm is a domain in which the test makes documents, and holds what an enemy
// may: the disk of any authority, and the operators' trust.
type realm struct {
	*authoritytest.Domain
	t      testing.TB
	client *dta.Client
}

func realmOf(t testing.TB, c *clock) *realm {
	t.Helper()
	return &realm{Domain: twoOfThree(t, c), t: t, client: new(dta.Client)}
}

func (r *realm) done(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *realm) url(index int) string { return r.Members[index-1].URL() }

// after returns a document that follows the domain's by so many revisions, once
// edit, which may be nil, has changed it.
func (r *realm) after(step uint64, edit func(*dta.Fields)) *dta.Document {
	r.t.Helper()
	d := r.Published.Document
	hash := d.Hash()
	f := dta.Fields{Domain: d.Domain(), Master: d.Master(), Revision: d.Revision() + step, Predecessor: hash[:],
		Threshold: uint32(d.Threshold()), Generation: d.Generation(), Authorities: d.Authorities(),
		Schedules: map[identity.Purpose]identity.Schedule{}, Suites: d.Suites(), Flags: d.Flags(), Services: d.Services()}
	for _, purpose := range []identity.Purpose{identity.Channel, identity.Decrypt, identity.Permit} {
		if schedule, ok := d.Schedule(purpose); ok {
			f.Schedules[purpose] = schedule
		}
	}
	if edit != nil {
		edit(&f)
	}
	document, err := dta.NewDocument(f)
	r.done(err)
	return document
}

func flagged(flag string) func(*dta.Fields) { return func(f *dta.Fields) { f.Flags = []string{flag} } }

func (r *realm) agree(index int, document *dta.Document) error {
	_, err := r.Members[index-1].Operator().Agree(r.t.Context(), document.Bytes())
	return err
}

// agreed has every operator agree to a document.
func (r *realm) agreed(document *dta.Document) *dta.Document {
	r.t.Helper()
	for i := range r.Members {
		r.done(r.agree(i+1, document))
	}
	return document
}

func (r *realm) approve(index int, document *dta.Document) ([]byte, error) {
	return r.client.Approve(r.t.Context(), r.url(index), document)
}

func (r *realm) share(index int, document *dta.Document, approvals [][]byte) ([]byte, error) {
	return r.client.DocumentShare(r.t.Context(), r.url(index), document, approvals)
}

func (r *realm) deliver(index int, document *dta.Document, signature []byte) error {
	return r.client.DeliverDocument(r.t.Context(), r.url(index), document, signature)
}

func (r *realm) stamp(index int, day uint32) (dta.StampShare, error) {
	return r.client.StampShare(r.t.Context(), r.url(index), day)
}

func (r *realm) today() uint32 { return dta.Day(r.Now()) }

// serves fails the test unless an authority serves this document.
func (r *realm) serves(index int, want *dta.Document) {
	r.t.Helper()
	got, err := r.client.Domain(r.t.Context(), r.url(index))
	r.done(err)
	if got.Document.Hash() != want.Hash() {
		r.t.Errorf("authority %d serves revision %d", index, got.Document.Revision())
	}
}

// enemy is authority 3: it approves and signs whatever it likes.
type enemy struct {
	index uint32
	key   ed25519.PrivateKey
	share keys.MasterShare
}

func (r *realm) enemy(index int) *enemy {
	m, g := r.Members[index-1], r.Published.Document.Generation()
	return &enemy{uint32(index), stolen(r.t, m), stolenShare(r.t, m, g)}
}

// TestEquivocationAt2Of3GetsNoSecondDocument: both operators agreed to both of
// two documents of one revision, and authority 3 is the enemy's. In whatever
// order it asks the honest ones, it gets at most one signed.
func TestEquivocationAt2Of3GetsNoSecondDocument(t *testing.T) {
	r := realmOf(t, at(noon()))
	for round, order := range [][]ask{
		{{1, 0}, {2, 0}, {1, 1}, {2, 1}},
		{{1, 0}, {1, 1}, {2, 0}, {2, 1}},
		{{1, 0}, {1, 1}, {2, 1}, {2, 0}},
		{{1, 0}, {2, 1}, {1, 1}, {2, 0}},
		{{2, 1}, {1, 0}, {2, 0}, {1, 1}},
	} {
		two := &rivals{realm: r, enemy: r.enemy(3)}
		for i := range two.documents {
			two.documents[i] = r.agreed(r.after(uint64(round+1), flagged(fmt.Sprint("rival-", i))))
			two.approvals[i] = [][]byte{dta.SignApproval(two.enemy.key, 3, two.documents[i])}
		}
		signed := two.pursue(order)
		first := map[int]int{} // which document an authority was asked for first
		for _, a := range slices.Backward(order) {
			first[a.authority] = a.document
		}
		if want := first[1] == first[2]; (len(signed) == 1) != want || len(signed) > 1 {
			t.Errorf("order %v: %d documents are signed", order, len(signed))
		}
	}
}

// ask asks an authority to approve a document.
type ask struct{ authority, document int }

// rivals are two documents of one revision.
type rivals struct {
	*realm
	enemy     *enemy
	documents [2]*dta.Document
	approvals [2][][]byte
}

// pursue asks for approvals in this order, with crashes between, then for
// shares with all that it got, and returns the documents that it could sign.
func (two *rivals) pursue(order []ask) (signed []int) {
	two.t.Helper()
	for i, a := range order {
		approval, err := two.approve(a.authority, two.documents[a.document])
		if err == nil {
			two.approvals[a.document] = append(two.approvals[a.document], approval)
		} else {
			refused(two.t, err, problem.Forbidden)
		}
		if i == 1 {
			crash(two.t, two.Members[a.authority-1])
		}
	}
	everything := slices.Concat(two.approvals[0], two.approvals[1], two.approvals[0])
	for i, document := range two.documents {
		shares := map[uint32][]byte{3: two.enemy.share.Issue(document.Point()).Expose()}
		for index := 1; index <= 2; index++ {
			share, err := two.share(index, document, everything)
			if err == nil {
				shares[uint32(index)] = share
			} else {
				refused(two.t, err, problem.Forbidden)
			}
		}
		if signature, _, err := document.CombineSignature(document.Point(), shares); err == nil {
			two.done(document.VerifySignature(signature))
			signed = append(signed, i)
		}
	}
	return signed
}

// TestShareNeedsAQuorumOfTheAuthoritiesThatAre shows approvals of which too few
// count. One of them lacks, every time, what would make it authority 2's.
func TestShareNeedsAQuorumOfTheAuthoritiesThatAre(t *testing.T) {
	r := realmOf(t, at(noon()))
	enemy := r.enemy(3)
	document := r.agreed(r.after(1, nil))
	own, err := r.approve(1, document)
	r.done(err)
	sign := func(index uint32) []byte { return dta.SignApproval(enemy.key, index, document) }
	second := dta.SignApproval(stolen(t, r.Members[1]), 2, document)
	for name, approvals := range map[string][][]byte{
		"none":                 {},
		"the own":              {own},
		"one too few":          {own, sign(3)},
		"one twice":            {own, sign(3), sign(3), own},
		"by another's key":     {own, sign(3), sign(2)},
		"of nobody":            {own, sign(3), sign(4), sign(0)},
		"altered":              {own, sign(3), append(second[:len(second)-1:len(second)-1], second[len(second)-1]^1)},
		"cut":                  {own, sign(3), second[:len(second)-1]},
		"of a higher revision": {own, sign(3), dta.SignApproval(stolen(t, r.Members[1]), 2, r.after(2, nil))},
		"of a rival":           {own, sign(3), dta.SignApproval(stolen(t, r.Members[1]), 2, r.after(1, flagged("rival")))},
	} {
		_, err := r.share(1, document, approvals)
		if !errors.Is(err, problem.Forbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	newAuthoritiesApproveThemselves(r)
}

// The keys of those whose approval counts are not those that a document brings.
func newAuthoritiesApproveThemselves(r *realm) {
	var brought []ed25519.PrivateKey
	document := r.agreed(r.after(2, func(f *dta.Fields) {
		for i := range f.Authorities {
			public, key, err := ed25519.GenerateKey(nil)
			r.done(err)
			f.Authorities[i].Ed25519, brought = public, append(brought, key)
		}
	}))
	_, err := r.approve(1, document)
	r.done(err)
	var approvals [][]byte
	for i, key := range brought {
		approvals = append(approvals, dta.SignApproval(key, uint32(i+1), document))
	}
	_, err = r.share(1, document, approvals)
	refused(r.t, err, problem.Forbidden)
}

// TestShareIsGivenForTheHighestApprovalOnly: after a higher approval, which
// outlives a crash, no share of a lower document leaves, though it has its quorum.
func TestShareIsGivenForTheHighestApprovalOnly(t *testing.T) {
	r := realmOf(t, at(noon()))
	lower, higher := r.agreed(r.after(1, nil)), r.agreed(r.after(3, nil))
	var approvals [][]byte
	for index := 1; index <= 3; index++ {
		approval, err := r.approve(index, lower)
		r.done(err)
		approvals = append(approvals, approval)
	}
	_, err := r.share(1, lower, approvals)
	r.done(err)
	approval, err := r.approve(1, higher)
	r.done(err)
	crash(t, r.Members[0])
	again, err := r.approve(1, higher)
	r.done(err)
	same(t, approval, again)
	_, err = r.share(1, lower, approvals)
	refused(t, err, problem.Forbidden)
	_, err = r.approve(1, lower)
	refused(t, err, problem.Forbidden)
	_, err = r.approve(1, r.agreed(r.after(2, nil)))
	refused(t, err, problem.Forbidden)
	if _, err := r.share(2, lower, approvals); err != nil {
		t.Error("authority 2 approved nothing higher:", err)
	}
}

// TestDocumentThatCannotFollowIsRefused: neither agreed to, nor approved, nor
// served.
func TestDocumentThatCannotFollowIsRefused(t *testing.T) {
	r := realmOf(t, at(noon()))
	r.done(r.Publish(t.Context(), r.agreed(r.after(1, nil))))
	for name, c := range map[string]struct {
		kind problem.Kind
		step uint64
		edit func(*dta.Fields)
	}{
		"the same revision":    {problem.CeremonyState, 0, nil},
		"1001 revisions on":    {problem.CeremonyState, 1001, nil},
		"another predecessor":  {problem.CeremonyState, 1, func(f *dta.Fields) { f.Predecessor = make([]byte, 32) }},
		"another domain":       {problem.WrongDomain, 1, func(f *dta.Fields) { f.Domain = "example.com" }},
		"another generation":   {problem.WrongGeneration, 1, func(f *dta.Fields) { f.Generation.Counter++ }},
		"another threshold":    {problem.WrongGeneration, 1, func(f *dta.Fields) { f.Threshold++ }},
		"an authority less":    {problem.WrongGeneration, 1, func(f *dta.Fields) { f.Authorities = f.Authorities[:2] }},
		"a service of nowhere": {problem.Forbidden, 1, withService(t)},
	} {
		document := r.after(c.step, c.edit)
		_, approved := r.approve(1, document)
		_, shared := r.share(1, document, nil)
		for _, err := range []error{r.agree(1, document), approved, shared} {
			if !errors.Is(err, c.kind) {
				t.Errorf("%s: %v, want %q", name, err, string(c.kind))
			}
		}
	}
	document := r.after(1000, nil)
	r.done(r.agree(2, document))
	_, err := r.approve(1, document) // its own operator has not agreed
	refused(t, err, problem.Forbidden)
	signature := r.Published.Signature
	for _, wrong := range [][]byte{nil, signature, signature[:47], append(signature[:47:47], signature[47]^1), make([]byte, 48)} {
		refused(t, r.deliver(1, document, wrong), problem.Malformed)
	}
	crash(t, r.Members[0])
	r.serves(1, r.Published.Document)
}

// withService names a login service whose master is good, and of no ceremony.
func withService(t testing.TB) func(*dta.Fields) {
	t.Helper()
	return func(f *dta.Fields) {
		poly := vss.NewPolynomial(int(f.Threshold))
		s := dta.Service{Name: "login", Generation: f.Generation, Origin: "https://login.example.org", LoginKey: make(ed25519.PublicKey, ed25519.PublicKeySize)}
		var err error
		if s.Master, err = keys.ParsePinMaster(poly.Coefficient(0).G1().Bytes()); err != nil {
			t.Fatal(err)
		}
		for i := range f.Authorities {
			s.Public = append(s.Public, poly.At(uint32(i+1)).G1())
		}
		f.Services = []dta.Service{s}
		f.Schedules[identity.Permit] = identity.Schedule{Length: 30 * 86_400}
	}
}

// TestStampOnlyForTheHighestDocument: from the moment that an authority gave a
// share of a document's signature it stamps nothing lower, signed or not, here
// or elsewhere.
func TestStampOnlyForTheHighestDocument(t *testing.T) {
	c := at(noon())
	r := realmOf(t, c)
	old, document := r.Published, r.agreed(r.after(1, nil))
	signature, err := r.Sign(t.Context(), document)
	r.done(err)
	for index := 1; index <= 3; index++ {
		_, err := r.stamp(index, r.today())
		refused(t, err, problem.CeremonyState)
		crash(t, r.Members[index-1])
		_, err = r.stamp(index, r.today())
		refused(t, err, problem.CeremonyState)
		r.serves(index, old.Document)
	}
	r.done(r.deliver(1, document, signature))
	refused(t, r.deliver(1, old.Document, old.Signature), problem.CeremonyState)
	crash(t, r.Members[0])
	r.serves(1, document)
	share, err := r.stamp(1, r.today())
	r.done(err)
	if hash := document.Hash(); share.Revision != document.Revision() || string(share.Hash) != string(hash[:]) || share.Index != 1 {
		t.Errorf("it stamps revision %d as authority %d", share.Revision, share.Index)
	}
	for _, day := range []uint32{0, r.today() - 1, r.today() + 1, r.today() + 2, ^uint32(0)} {
		_, err := r.stamp(1, day)
		refused(t, err, problem.WrongEpoch)
	}
	c.forward(7 * time.Hour) // the last quarter of the day
	_, err = r.stamp(1, r.today()+1)
	r.done(err)
	_, err = r.stamp(1, r.today()+2)
	refused(t, err, problem.WrongEpoch)
}
