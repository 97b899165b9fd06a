package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"milagro.dev/internal/encoding"
	"milagro.dev/spec"
)

// revoked holds the parts of a list of revocations, so that each can be broken
// alone; signer is the operator who signs it.
type revoked struct {
	label          string
	domain         []byte
	generation     []byte
	index          uint32
	sequence, time uint64
	entries        [][]byte
	signer         uint32
}

func (r revoked) body() []byte {
	return encoding.LP(r.label, r.domain, r.generation, encoding.U32(r.index), encoding.U64(r.sequence), encoding.U64(r.time),
		encoding.List(r.entries...))
}

func entryOf(name, device string) []byte {
	hash := sha256.Sum256([]byte(device))
	return encoding.List([]byte(name), hash[:])
}

// list returns a list of authority 1 that names nobody.
func (w *town) list() revoked {
	id := w.id()
	return revoked{label: "milagro/v1 revocations", domain: id[:], generation: w.first().generation, index: 1,
		sequence: 1_700_000_000_000_000, time: 1_700_000_000, signer: 1}
}

func (w *town) named() revoked {
	r := w.list()
	r.sequence++
	r.entries = [][]byte{entryOf("acct:alice@example.org", "one"), entryOf("spiffe://example.org/web", "one"),
		entryOf("spiffe://example.org/web", "three"), entryOf("spiffe://example.org/web/a", "two")}
	return r
}

func (w *town) revocationCase(r revoked, signed []byte) spec.Case {
	return spec.Case{"document": hexOf(w.first().encode()), "index": "1", "sequence": strconv.FormatUint(r.sequence, 10),
		"time": strconv.FormatUint(r.time, 10), "entries": entriesText(r.entries), "list": hexOf(signed)}
}

// entriesText returns name and device of each entry.
func entriesText(entries [][]byte) string {
	var texts []string
	for _, e := range entries {
		texts = append(texts, string(e[4:len(e)-36])+" "+hexOf(e[len(e)-32:]))
	}
	return strings.Join(texts, ",")
}

func revocationsPage() (*spec.Page, error) {
	w, err := newTown()
	if err != nil {
		return nil, err
	}
	p := &spec.Page{About: "list is the signed envelope, in hexadecimal, of the list of authority index of the domain of document (that of the page document). " +
		"sequence and time are decimal; entries are name and device, in hexadecimal, separated by a space, each from the next by a comma."}
	for _, r := range []revoked{w.list(), w.named()} {
		p.Accept = append(p.Accept, w.revocationCase(r, envelope(r.signer, r.body())))
	}
	second := w.named()
	second.index, second.signer = 2, 2
	c := w.revocationCase(second, envelope(2, second.body()))
	c["index"] = "2"
	p.Accept = append(p.Accept, c)
	for reason, edit := range w.listEdits() {
		r := w.named()
		edit(&r)
		p.Refuse = append(p.Refuse, refused(p.Accept[1], reason, "list", hexOf(envelope(r.signer, r.body()))))
	}
	good := p.Accept[1]["list"]
	body := w.named().body()
	other := ed25519.Sign(signing(1), encoding.LP("milagro/v1 approval", body))
	for reason, list := range map[string]string{
		"empty":                       "",
		"truncated":                   good[:len(good)-2],
		"a byte too many":             good + "00",
		"one bit of an entry":         flipped(good),
		"a byte too many in the body": hexOf(envelope(1, append(slices.Clone(body), 0))),
		"no signature":                hexOf(encoding.LP("milagro/v1 signed", body, make([]byte, 64))),
		"signature over another use":  hexOf(encoding.LP("milagro/v1 signed", body, other)),
		"without its envelope":        hexOf(body),
	} {
		p.Refuse = append(p.Refuse, refused(p.Accept[1], reason, "list", list))
	}
	p.Refuse = append(p.Refuse, refused(p.Accept[1], "of another authority", "index", "2"),
		refused(p.Accept[1], "of an index that is nobody's", "index", "3"), refused(p.Accept[1], "of index 0", "index", "0"))
	sortByReason(p)
	return p, nil
}

// listEdits are lists that are signed and refused.
func (w *town) listEdits() map[string]func(*revoked) {
	elsewhere := sha256.Sum256([]byte("another domain"))
	return map[string]func(*revoked){
		"signed by another authority": func(r *revoked) { r.signer = 2 },
		"index of another authority":  func(r *revoked) { r.index = 2 },
		"another domain":              func(r *revoked) { r.domain = elsewhere[:] },
		"another generation":          func(r *revoked) { r.generation = slices.Concat(encoding.U64(2), r.generation[8:]) },
		"generation of 39 bytes":      func(r *revoked) { r.generation = r.generation[:39] },
		"label of another use":        func(r *revoked) { r.label = "milagro/v1 revocation" },
		"entries out of order":        func(r *revoked) { slices.Reverse(r.entries) },
		"devices out of order":        func(r *revoked) { r.entries[1], r.entries[2] = r.entries[2], r.entries[1] },
		"one entry twice":             func(r *revoked) { r.entries = append(r.entries, r.entries[3]) },
		"name of another domain":      func(r *revoked) { r.entries = [][]byte{entryOf("spiffe://example.com/web", "one")} },
		"name that is not canonical":  func(r *revoked) { r.entries = [][]byte{entryOf("spiffe://Example.org/web", "one")} },
		"no name":                     func(r *revoked) { r.entries = [][]byte{entryOf("", "one")} },
		"device of 31 bytes": func(r *revoked) {
			r.entries = [][]byte{encoding.List([]byte("spiffe://example.org/web"), make([]byte, 31))}
		},
		"a third part in an entry": func(r *revoked) { r.entries[0] = append(r.entries[0], 0, 0, 0, 0) },
		"an entry without device":  func(r *revoked) { r.entries = [][]byte{encoding.List([]byte("spiffe://example.org/web"))} },
	}
}
