package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"

	"milagro.dev/internal/encoding"
	"milagro.dev/spec"
)

// document is the town's second document, which lists the login service and a third
// authority.
func (v *loginPage) document() document {
	d := v.first()
	before, dealt := sha256.Sum256(d.encode()), sha256.Sum256([]byte("generation of three"))
	d.revision, d.predecessor = 2, before[:]
	d.generation = slices.Concat(encoding.U64(2), dealt[:])
	d.authorities = append(d.authorities, v.authority(3, 3, v.run.share(3)))
	d.schedules = append(d.schedules, scheduleOf("permit", 2_592_000, 0, 0))
	d.services = [][]byte{v.entry().encode()}
	return d
}

// An entry is a service as a document lists it.
type entry struct {
	name, origin               string
	master, generation, public []byte
	key                        []byte
}

func (v *loginPage) entry() entry {
	var public [][]byte
	for i := uint64(1); i <= 3; i++ {
		public = append(public, share("pin master", i).G1().Bytes())
	}
	return entry{"login", loginOrigin, v.master.G1().Bytes(), generation().Bytes(), encoding.List(public...), loginKey()}
}

func (e entry) encode() []byte {
	return encoding.List([]byte(e.name), e.master, e.generation, []byte(e.origin), e.key, e.public)
}

// documentCases are the document of all other cases, and some whose service is none.
func (v *loginPage) documentCases(p *spec.Page) {
	p.Accept = append(p.Accept, spec.Case{"what": "document", "document": hexOf(v.document().encode()), "serviceID": hexOf(v.service[:]),
		"fingerprint": cardFingerprint("login", loginOrigin, loginKey())})
	refuse := func(reason string, d document) {
		p.Refuse = append(p.Refuse, spec.Case{"what": "document", "document": hexOf(d.encode()), "reason": "document: " + reason})
	}
	for reason, edit := range map[string]func(*entry){
		"service in capitals": func(e *entry) { e.name = "Login" }, "origin with a path": func(e *entry) { e.origin += "/" },
		"another master": func(e *entry) { e.master = secret("other").G1().Bytes() }, "generation with counter 0": func(e *entry) { e.generation = append(make([]byte, 8), e.generation[8:]...) },
		"two public shares": func(e *entry) { e.public = e.public[:104] }, "login server's key of 31 bytes": func(e *entry) { e.key = e.key[:31] },
		"public share off polynomial": func(e *entry) { e.public = slices.Concat(e.public[:104], encoding.List(secret("other").G1().Bytes())) },
	} {
		d, e := v.document(), v.entry()
		edit(&e)
		d.services = [][]byte{e.encode()}
		refuse(reason, d)
	}
	d := v.document()
	d.services = append(d.services, d.services[0])
	refuse("one service twice", d)
	d = v.document()
	d.schedules = d.schedules[:2]
	refuse("service without epochs for permits", d)
}

func loginKey() []byte { return signing(loginServer).Public().(ed25519.PublicKey) }

// A stated is an authority's statement of enrolment with every field at hand to be
// broken.
type stated struct {
	domain, generation []byte
	index              uint32
	purpose            string
	service            []byte
	name               string
	device             []byte
	kind               byte
	signer             uint32
}

// states returns what these authorities state of the person's device, each after edit.
func (v *loginPage) states(edit func(*stated), indices ...uint32) (list [][]byte) {
	d := deviceHash(v.good.spki())
	for _, i := range indices {
		s := stated{v.good.domain, generation().Bytes(), i, "mpin", v.service[:], v.good.name, d[:], 0, i}
		edit(&s)
		list = append(list, envelope(s.signer, encoding.LP("milagro/v1 enrolment", s.domain, s.generation, encoding.U32(s.index), []byte(s.purpose), s.service,
			[]byte(s.name), s.device, encoding.U8(s.kind), encoding.U64(requestTime+1))))
	}
	return list
}

func same(*stated) {}

// A rowRequest shows statements.
type rowRequest struct {
	domain, service []byte
	origin          string
	spki            []byte
	time, now       uint64
	statements      [][]byte
	signer          string
}

func (v *loginPage) rowRequest(statements ...[]byte) rowRequest {
	return rowRequest{v.good.domain, v.service[:], loginOrigin, v.good.spki(), mpinTime, mpinTime, statements, v.good.device}
}

func (q rowRequest) digest() [32]byte {
	return sha256.Sum256(encoding.LP("milagro/v1 mpin row", q.domain, q.service, []byte(q.origin), q.spki, encoding.U64(q.time), encoding.List(q.statements...)))
}

func (q rowRequest) signature() []byte { return sure(signedBy(q.signer, q.digest())) }

// vector is the case of a request with a signature, which may be another's.
func (q rowRequest) vector(signature []byte) spec.Case {
	digest := q.digest()
	return spec.Case{"what": "row", "domainID": hexOf(q.domain), "serviceID": hexOf(q.service), "origin": q.origin, "spki": hexOf(q.spki), "time": fmt.Sprint(q.time), "now": fmt.Sprint(q.now),
		"statements": hexList(q.statements), "digest": hexOf(digest[:]), "signature": hexOf(signature)}
}

func (v *loginPage) rowCases(p *spec.Page) {
	accept := func(q rowRequest, kind string) {
		c := q.vector(q.signature())
		c["name"], c["channelKind"] = v.good.name, kind
		p.Accept = append(p.Accept, c)
	}
	for _, indices := range [][]uint32{{1, 2}, {1, 3}, {1, 2, 3}} {
		accept(v.rowRequest(v.states(same, indices...)...), "0")
	}
	accept(v.rowRequest(v.states(func(s *stated) { s.kind = 1 }, 2, 3)...), "1")
	at := func(time uint64) rowRequest {
		q := v.rowRequest(v.states(same, 1, 2)...)
		q.time = time
		return q
	}
	accept(at(mpinTime-300), "0")
	accept(at(mpinTime+300), "0")
	for reason, q := range map[string]rowRequest{"row: 301 s old": at(mpinTime - 301), "row: 301 s ahead": at(mpinTime + 301)} {
		p.Refuse = append(p.Refuse, refused(q.vector(q.signature()), reason, "check", "time"))
	}
	v.refusedRows(p)
	v.refusedRowSignatures(p)
}

// refusedRows are requests that their device has signed, whose statements are not
// enough, or not of one login here.
func (v *loginPage) refusedRows(p *spec.Page) {
	good := v.states(same, 1, 2, 3)
	nowhere, other := sha256.Sum256([]byte("other")), deviceHash(sure(device("device two")))
	list := func(statements ...[]byte) [][]byte { return statements }
	one := func(edit func(*stated)) [][]byte { return list(good[0], v.states(edit, 2)[0]) }
	all := func(edit func(*stated)) [][]byte { return v.states(edit, 1, 2) }
	third := func(edit func(*stated)) [][]byte { return list(good[0], good[1], v.states(edit, 3)[0]) }
	forged := func(s *stated) { s.signer = loginServer }
	again := func(s *stated) { s.generation = slices.Concat(encoding.U64(2), s.generation[8:]) }
	public := func(s *stated) { s.generation = v.document().generation }
	bob := func(s *stated) { s.name = "acct:bob@example.org" }
	elsewhere := func(s *stated) { s.name = "acct:alice@example.net" }
	device := func(s *stated) { s.device = other[:] }
	channel := func(s *stated) { s.kind = 1 }
	permit := func(s *stated) { s.purpose = "permit" }
	service := func(s *stated) { s.service = nowhere[:] }
	domain := func(s *stated) { s.domain = nowhere[:] }
	for reason, statements := range map[string][][]byte{
		"t − 1 statements": good[:1], "one statement twice": list(good[0], good[0]), "t statements, one twice": list(good[0], good[0], good[1]),
		"not in ascending order": list(good[1], good[0]), "n statements, not in ascending order": list(good[0], good[2], good[1]),
		"another generation in one": one(again), "another generation in all": all(again), "the public master's generation": all(public),
		"another name in one": one(bob), "a name of another domain": all(elsewhere), "another device in one": one(device), "another device in all": all(device),
		"another channel kind in one": one(channel), "channel kind 2": all(func(s *stated) { s.kind = 2 }), "purpose permit in one": one(permit), "purpose permit in all": all(permit),
		"purpose channel": all(func(s *stated) { s.purpose, s.service = "channel", nil }), "another service in one": one(service), "another service in all": all(service),
		"another domain in one": one(domain), "another domain in all": all(domain), "one signed by the login server": one(forged), "a third signed by the login server": third(forged),
		"a third of another name": third(bob), "index 3 signed by authority 2": one(func(s *stated) { s.index = 3 }), "index 2 signed by authority 3": one(func(s *stated) { s.signer = 3 }),
		"one of authority 4": list(good[0], v.states(same, 4)[0]), "one altered": list(good[0], unhex(flipped(hexOf(good[1])))), "one empty": list(good[0], nil),
	} {
		q := v.rowRequest(statements...)
		p.Refuse = append(p.Refuse, refused(q.vector(q.signature()), "row: "+reason, "check", "statements"))
	}
}

// refusedRowSignatures are requests that their device has not signed as they are.
func (v *loginPage) refusedRowSignatures(p *spec.Page) {
	good, nowhere := v.rowRequest(v.states(same, 1, 2)...), sha256.Sum256([]byte("other"))
	for reason, edit := range map[string]func(*rowRequest){
		"for another time": func(q *rowRequest) { q.time++ }, "for another origin": func(q *rowRequest) { q.origin = "https://login.example.com" }, "for another domain": func(q *rowRequest) { q.domain = nowhere[:] },
		"for another service": func(q *rowRequest) { q.service = nowhere[:] }, "for another device": func(q *rowRequest) { q.spki = sure(device("device two")) }, "by another device": func(q *rowRequest) { q.signer = "device two" },
		"for another list": func(q *rowRequest) { q.statements = v.states(same, 1, 3) }, "for a longer list": func(q *rowRequest) { q.statements = v.states(same, 1, 2, 3) },
	} {
		q := good
		edit(&q)
		p.Refuse = append(p.Refuse, refused(good.vector(q.signature()), "row: signed "+reason, "check", "signature"))
	}
	short := good
	short.spki = good.spki[:90]
	p.Refuse = append(p.Refuse, refused(good.vector(nil), "row: no signature", "check", "signature"), refused(short.vector(short.signature()), "row: device key of 90 bytes", "check", "malformed"))
}
