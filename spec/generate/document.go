package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
)

// A town is the domain of the public run of the ceremony page, whose whole
// master secret is known here.
type town struct {
	run    *ceremony
	master pairing.Secret
}

func newTown() (*town, error) {
	r, err := newCeremony("public")
	if err != nil {
		return nil, err
	}
	return &town{run: r, master: r.coefficient(1, 0).Add(r.coefficient(2, 0))}, nil
}

// document holds the parts of a domain document, encoded, so that each can be
// broken alone.
type document struct {
	domain      string
	master      []byte
	revision    uint64
	predecessor []byte
	threshold   uint32
	generation  []byte
	authorities [][]byte
	schedules   [][]byte
	suites      []byte
	services    [][]byte
	flags       [][]byte
}

func (d document) encode() []byte {
	return encoding.LP("milagro/v1 domain document", []byte(d.domain), d.master, encoding.U64(d.revision), d.predecessor,
		encoding.U32(d.threshold), d.generation, encoding.List(d.authorities...), encoding.List(d.schedules...), d.suites,
		encoding.List(d.services...), encoding.List(d.flags...))
}

// first returns the first document of the town.
func (w *town) first() document {
	hash := sha256.Sum256(w.run.generation)
	return document{domain: "example.org", master: lift("public", w.master), revision: 1, threshold: 2,
		generation:  slices.Concat(encoding.U64(1), hash[:]),
		authorities: [][]byte{w.authority(1, 1, w.run.share(1)), w.authority(2, 2, w.run.share(2))},
		schedules:   [][]byte{scheduleOf("channel", 86_400, 0, 0), scheduleOf("decrypt", 86_400, 0, 0)},
		suites:      []byte{1}, flags: [][]byte{[]byte("shared-root")}}
}

// authority returns an entry with the keys of operator i at an index.
func (w *town) authority(index, i uint32, share pairing.Secret) []byte {
	return encoding.List(encoding.U32(index), fmt.Append(nil, "operator ", i), fmt.Appendf(nil, "https://dta%d.example.org", i),
		signing(i).Public().(ed25519.PublicKey), box(fmt.Sprint("card ", i)).PublicKey().Bytes(), lift("public", share))
}

func scheduleOf(purpose string, length, previous uint32, last uint64) []byte {
	return encoding.List([]byte(purpose), encoding.U32(length), encoding.U32(previous), encoding.U64(last))
}

// second changes the length of channel epochs.
func (w *town) second() document {
	d := w.first()
	before := sha256.Sum256(d.encode())
	d.revision, d.predecessor = 2, before[:]
	d.schedules = [][]byte{scheduleOf("channel", 3_600, 86_400, 1_700_006_400), d.schedules[1]}
	return d
}

func (w *town) id() identity.DomainID {
	return sha256.Sum256(encoding.LP("milagro/v1 domain", []byte("example.org"), lift("public", w.master)))
}

// keyOf returns the point's key, made with a secret.
func keyOf(s pairing.Secret, point pairing.G1) []byte { return point.MulSecret(s).Expose() }

func (w *town) signature(d document) []byte {
	return keyOf(w.master, identity.DocumentPoint(w.id(), d.revision, sha256.Sum256(d.encode())))
}

func (w *town) stamp(d document, day uint32) []byte {
	hash := sha256.Sum256(d.encode())
	return stampOf(d.revision, hash, day, keyOf(w.master, identity.FreshPoint(w.id(), d.revision, hash, day)))
}

func stampOf(revision uint64, hash [32]byte, day uint32, signature []byte) []byte {
	return encoding.LP("milagro/v1 stamp", encoding.U64(revision), hash[:], encoding.U32(day), signature)
}

const (
	stampDay = 19_676
	stampNow = stampDay*86_400 + 3_600
)

func documentPage() (*spec.Page, error) {
	w, err := newTown()
	if err != nil {
		return nil, err
	}
	id := w.id()
	p := &spec.Page{About: "All in hexadecimal but numbers, which are decimal. The domain is that of the run of kind public on the page ceremony, whose cards, shares and keys hold here. " +
		"what \"first\": the document that follows from plan and certificate. \"published\": document, signature and stamp (empty: none) are genuine for the domain id; shares are those of authorities 1 and 2 that the signature is combined of. " +
		"\"parse\": a document alone. \"approval\": that of authority index. \"fresh\": a genuine stamp of that day, at now in unix seconds."}
	for _, c := range []struct {
		document document
		day      uint32
	}{{w.first(), stampDay}, {w.second(), 0}} {
		p.Accept = append(p.Accept, w.published(c.document, c.day))
	}
	certificate, err := w.run.vector()
	if err != nil {
		return nil, err
	}
	p.Accept = append(p.Accept, spec.Case{"what": "first", "plan": hexOf(w.run.plan), "certificate": certificate["certificate"], "document": hexOf(w.first().encode())})
	for i := uint32(1); i <= 2; i++ {
		p.Accept = append(p.Accept, w.approval(i, w.first(), i))
	}
	p.Refuse = slices.Concat(w.unparsed(), w.ungenuine(p.Accept[0]), w.disapproved())
	for _, days := range []int{-7, 0, 1} {
		p.Accept = append(p.Accept, freshCase(id, days))
	}
	for days, reason := range map[int]string{-8: "eight days old", 2: "two days ahead"} {
		p.Refuse = append(p.Refuse, refused(freshCase(id, days), reason))
	}
	sortByReason(p)
	return p, nil
}

func (w *town) published(d document, day uint32) spec.Case {
	id, hash := w.id(), sha256.Sum256(d.encode())
	point := identity.DocumentPoint(id, d.revision, hash)
	c := spec.Case{"what": "published", "id": hexOf(id[:]), "document": hexOf(d.encode()), "signature": hexOf(w.signature(d)), "stamp": "",
		"shares": hexOf(keyOf(w.run.share(1), point)) + "," + hexOf(keyOf(w.run.share(2), point))}
	if day > 0 {
		c["stamp"] = hexOf(w.stamp(d, day))
	}
	return c
}

// approval returns what operator i signs for authority index.
func (w *town) approval(index uint32, d document, i uint32) spec.Case {
	id, hash := w.id(), sha256.Sum256(d.encode())
	body := encoding.LP("milagro/v1 approval", id[:], d.generation, encoding.U32(index), encoding.U64(d.revision), hash[:])
	return spec.Case{"what": "approval", "document": hexOf(w.first().encode()), "index": strconv.Itoa(int(index)), "approval": hexOf(envelope(i, body))}
}

func (w *town) disapproved() []spec.Case {
	return []spec.Case{
		refused(w.approval(1, w.second(), 1), "of another document"),
		refused(w.approval(1, w.first(), 2), "signed by another authority"),
		refused(w.approval(3, w.first(), 1), "of an index that is nobody's"),
	}
}

// unparsed are documents that are refused before any signature is looked at.
func (w *town) unparsed() (cases []spec.Case) {
	for reason, edit := range map[string]func(*document){
		"t = 1":                       func(d *document) { d.threshold = 1 },
		"t = 3, n = 2":                func(d *document) { d.threshold = 3 },
		"one authority":               func(d *document) { d.authorities = d.authorities[:1] },
		"authorities out of order":    func(d *document) { slices.Reverse(d.authorities) },
		"index 3 of 2":                func(d *document) { d.authorities[1] = w.authority(3, 2, w.run.share(2)) },
		"one operator twice":          func(d *document) { d.authorities[1] = w.authority(2, 1, w.run.share(2)) },
		"one public share twice":      func(d *document) { d.authorities[1] = w.authority(2, 2, w.run.share(1)) },
		"public share off polynomial": func(d *document) { d.authorities[1] = w.authority(2, 2, secret("else")) },
		"another master":              func(d *document) { d.master = lift("public", secret("else")) },
		"master is the identity":      func(d *document) { d.master = append([]byte{0xc0}, make([]byte, 95)...) },
		"revision 0":                  func(d *document) { d.revision = 0 },
		"revision 1 has predecessor":  func(d *document) { d.predecessor = make([]byte, 32) },
		"revision 2 has none":         func(d *document) { d.revision = 2 },
		"predecessor of 31 bytes":     func(d *document) { d.revision, d.predecessor = 2, make([]byte, 31) },
		"generation of 39 bytes":      func(d *document) { d.generation = d.generation[:39] },
		"no schedule of channel":      func(d *document) { d.schedules = d.schedules[1:] },
		"schedules out of order":      func(d *document) { slices.Reverse(d.schedules) },
		"one schedule twice":          func(d *document) { d.schedules = append(d.schedules, d.schedules[1]) },
		"epoch of no length":          func(d *document) { d.schedules[0] = scheduleOf("channel", 0, 0, 0) },
		"schedule of the stamps":      func(d *document) { d.schedules = append(d.schedules, scheduleOf("fresh", 86_400, 0, 0)) },
		"last start, no length":       func(d *document) { d.schedules[0] = scheduleOf("channel", 3_600, 0, 3_600) },
		"last start within an epoch":  func(d *document) { d.schedules[0] = scheduleOf("channel", 3_600, 7_200, 3_600) },
		"change within an epoch":      func(d *document) { d.schedules[0] = scheduleOf("channel", 7_200, 3_600, 7_200) },
		"no suite":                    func(d *document) { d.suites = nil },
		"suites out of order":         func(d *document) { d.suites = []byte{2, 1} },
		"one suite twice":             func(d *document) { d.suites = []byte{1, 1} },
		"flags out of order":          func(d *document) { d.flags = [][]byte{[]byte("b"), []byte("a")} },
		"one flag twice":              func(d *document) { d.flags = append(d.flags, d.flags[0]) },
		"domain in capitals":          func(d *document) { d.domain = "Example.org" },
		"no domain":                   func(d *document) { d.domain = "" },
	} {
		d := w.first()
		edit(&d)
		cases = append(cases, spec.Case{"what": "parse", "document": hexOf(d.encode()), "reason": reason})
	}
	whole := w.first().encode()
	return append(cases, spec.Case{"what": "parse", "document": hexOf(append(whole, 0)), "reason": "a byte too many"},
		spec.Case{"what": "parse", "document": hexOf(whole[:len(whole)-1]), "reason": "truncated"},
		spec.Case{"what": "parse", "document": "", "reason": "empty"})
}

// ungenuine are well-formed documents that are not the domain's, or not
// stamped.
func (w *town) ungenuine(c spec.Case) []spec.Case {
	first, second := w.first(), w.second()
	hash := sha256.Sum256(first.encode())
	other := sha256.Sum256([]byte("another domain"))
	elsewhere := identity.FreshPoint(other, 1, hash, stampDay)
	return []spec.Case{
		refused(c, "another domain was pinned", "id", hexOf(other[:])),
		refused(c, "signature of another document", "signature", hexOf(w.signature(second))),
		refused(c, "signed by one authority alone", "signature", hexOf(keyOf(w.run.share(1), identity.DocumentPoint(w.id(), 1, hash)))),
		refused(c, "signature made for a stamp", "signature", hexOf(keyOf(w.master, identity.FreshPoint(w.id(), 1, hash, stampDay)))),
		refused(c, "signature is the identity", "signature", hexOf(append([]byte{0xc0}, make([]byte, 47)...))),
		refused(c, "no signature", "signature", ""),
		refused(c, "stamp of another document", "stamp", hexOf(w.stamp(second, stampDay))),
		refused(c, "stamp moved to another day", "stamp", hexOf(stampOf(1, hash, stampDay+1, keyOf(w.master, identity.FreshPoint(w.id(), 1, hash, stampDay))))),
		refused(c, "stamp moved to another domain", "stamp", hexOf(stampOf(1, hash, stampDay, keyOf(w.master, elsewhere)))),
		refused(c, "stamp by one authority alone", "stamp", hexOf(stampOf(1, hash, stampDay, keyOf(w.run.share(2), identity.FreshPoint(w.id(), 1, hash, stampDay))))),
		refused(c, "stamp with a byte too many", "stamp", hexOf(append(w.stamp(first, stampDay), 0))),
	}
}

// freshCase is a stamp of the day that lies so many days after now's.
func freshCase(id identity.DomainID, days int) spec.Case {
	return spec.Case{"what": "fresh", "id": hexOf(id[:]), "day": strconv.Itoa(stampDay + days), "now": strconv.Itoa(stampNow)}
}
