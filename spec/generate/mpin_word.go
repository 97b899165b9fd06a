package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
)

const mpinTime = requestTime + 86_400

// variants adds the refusals that every envelope has, in the field of this name.
func variants(p *spec.Page, good spec.Case, field string) {
	b, name := unhex(good[field]), good["what"]+": "
	for reason, text := range map[string]string{"truncated": hexOf(b[:len(b)-1]), "a byte too many": hexOf(append(bytes.Clone(b), 0)), "empty": "", "altered": flipped(good[field]),
		"signature altered": hexOf(append(bytes.Clone(b[:len(b)-1]), b[len(b)-1]^1))} {
		p.Refuse = append(p.Refuse, refused(good, name+reason, field, text))
	}
}

// cardFingerprint is what people compare of a login server's card.
func cardFingerprint(service, origin string, key []byte) string {
	fingerprint := sha256.Sum256(encoding.LP("milagro/v1 login card fingerprint", encoding.LP("milagro/v1 login card", []byte(service), []byte(origin), key)))
	return hexOf(fingerprint[:])
}

func (v *loginPage) cardCases(p *spec.Page) {
	card := func(label, service, origin string, key []byte, signer uint32) spec.Case {
		return spec.Case{"what": "login card", "service": service, "origin": origin, "key": hexOf(key), "card": hexOf(envelope(signer, encoding.LP(label, []byte(service), []byte(origin), key))),
			"fingerprint": cardFingerprint(service, origin, key)}
	}
	const label = "milagro/v1 login card"
	good := card(label, "login", loginOrigin, loginKey(), loginServer)
	p.Accept = append(p.Accept, good, card(label, strings.Repeat("a-9", 21), "http://[::1]:8080", loginKey(), loginServer))
	for reason, c := range map[string]spec.Case{
		"card: another label": card("milagro/v1 card", "login", loginOrigin, loginKey(), loginServer), "card: signed by another key": card(label, "login", loginOrigin, loginKey(), 1),
		"card: key of 31 bytes": card(label, "login", loginOrigin, loginKey()[:31], loginServer), "card: no service": card(label, "", loginOrigin, loginKey(), loginServer),
		"card: service in capitals": card(label, "Login", loginOrigin, loginKey(), loginServer), "card: service of 65 bytes": card(label, strings.Repeat("a", 65), loginOrigin, loginKey(), loginServer),
		"card: service ends with a hyphen": card(label, "login-", loginOrigin, loginKey(), loginServer), "card: no origin": card(label, "login", "", loginKey(), loginServer),
		"card: origin with a path": card(label, "login", loginOrigin+"/", loginKey(), loginServer), "card: origin of another scheme": card(label, "login", "ftp://login.example.org", loginKey(), loginServer),
		"card: origin in capitals": card(label, "login", "https://LOGIN.example.org", loginKey(), loginServer),
	} {
		p.Refuse = append(p.Refuse, refused(c, reason))
	}
	variants(p, good, "card")
}

// A voucher is one with every field at hand to be broken.
type voucher struct {
	label           string
	domain, service []byte
	index           uint32
	name            string
	older, newer    []byte
	time            uint64
	nonce           []byte
	signer          uint32
}

func (v *loginPage) voucher() voucher {
	nonce, one, two := sha256.Sum256([]byte("voucher")), deviceHash(sure(device("device one"))), deviceHash(sure(device("device two")))
	return voucher{"milagro/v1 mpin voucher", v.good.domain, v.service[:], 1, v.good.name, one[:], two[:], requestTime - 60, nonce[:], loginServer}
}

func (v voucher) bytes() []byte {
	return envelope(v.signer, encoding.LP(v.label, v.domain, v.service, encoding.U32(v.index), []byte(v.name), v.older, v.newer, encoding.U64(v.time), v.nonce))
}

func (v voucher) vector() spec.Case {
	return spec.Case{"what": "voucher", "key": hexOf(loginKey()), "domainID": hexOf(v.domain), "serviceID": hexOf(v.service), "index": fmt.Sprint(v.index), "name": v.name, "old": hexOf(v.older), "new": hexOf(v.newer),
		"time": fmt.Sprint(v.time), "nonce": hexOf(v.nonce), "voucher": hexOf(v.bytes())}
}

func (v *loginPage) voucherCases(p *spec.Page) {
	good := v.voucher()
	p.Accept = append(p.Accept, good.vector())
	for reason, edit := range map[string]func(*voucher){
		"voucher: another label": func(v *voucher) { v.label = "milagro/v1 mpin notice" }, "voucher: domainID of 31 bytes": func(v *voucher) { v.domain = v.domain[:31] },
		"voucher: no service": func(v *voucher) { v.service = nil }, "voucher: name in capitals": func(v *voucher) { v.name = "acct:Alice@example.org" }, "voucher: no name": func(v *voucher) { v.name = "" },
		"voucher: old device of 31 bytes": func(v *voucher) { v.older = v.older[:31] }, "voucher: no new device": func(v *voucher) { v.newer = nil },
		"voucher: nonce of 31 bytes": func(v *voucher) { v.nonce = v.nonce[:31] }, "voucher: signed by an authority": func(v *voucher) { v.signer = 1 },
	} {
		broken := good
		edit(&broken)
		p.Refuse = append(p.Refuse, refused(broken.vector(), reason))
	}
	variants(p, good.vector(), "voucher")
}

func (v *loginPage) noticeCases(p *spec.Page) {
	device, nowhere := deviceHash(v.good.spki()), sha256.Sum256([]byte("other"))
	notice := func(signer uint32, label string, parts ...[]byte) spec.Case {
		return spec.Case{"what": "notice", "domainID": hexOf(parts[0]), "serviceID": hexOf(parts[1]), "name": string(parts[2]), "device": hexOf(parts[3]),
			"time": fmt.Sprint(mpinTime), "notice": hexOf(envelope(signer, encoding.LP(label, append(parts, encoding.U64(mpinTime))...)))}
	}
	const label = "milagro/v1 mpin notice"
	domain, service, name := v.good.domain, v.service[:], []byte(v.good.name)
	good := notice(loginServer, label, domain, service, name, device[:])
	p.Accept = append(p.Accept, good)
	for reason, c := range map[string]spec.Case{
		"notice: signed by an authority": notice(1, label, domain, service, name, device[:]), "notice: another label": notice(loginServer, "milagro/v1 mpin voucher", domain, service, name, device[:]),
		"notice: another domain": notice(loginServer, label, nowhere[:], service, name, device[:]), "notice: a service that is not in the document": notice(loginServer, label, domain, nowhere[:], name, device[:]),
		"notice: name in capitals": notice(loginServer, label, domain, service, []byte("acct:Alice@example.org"), device[:]), "notice: device of 31 bytes": notice(loginServer, label, domain, service, name, device[:31]),
		"notice: a document without services": refused(good, "", "document", hexOf(v.first().encode())),
	} {
		p.Refuse = append(p.Refuse, refused(c, reason))
	}
	variants(p, good, "notice")
}

// A serverRequest asks for a share of the server key.
type serverRequest struct {
	domain, service, generation []byte
	index                       uint32
	reply                       []byte
	time                        uint64
	signer                      uint32
}

func (v *loginPage) serverRequest() serverRequest {
	return serverRequest{v.good.domain, v.service[:], generation().Bytes(), 1, box("server reply").PublicKey().Bytes(), mpinTime, loginServer}
}

func (q serverRequest) bytes() []byte {
	nonce := sha256.Sum256([]byte("server key"))
	return envelope(q.signer, encoding.LP("milagro/v1 server key request", q.domain, q.service, q.generation, encoding.U32(q.index), q.reply, encoding.U64(q.time), nonce[:]))
}

func (v *loginPage) serverKeyRequests(p *spec.Page) {
	nonce, nowhere := sha256.Sum256([]byte("server key")), sha256.Sum256([]byte("other"))
	vector := func(edit func(*serverRequest)) spec.Case {
		q := v.serverRequest()
		edit(&q)
		return spec.Case{"what": "server key request", "domainID": hexOf(q.domain), "serviceID": hexOf(q.service), "generation": hexOf(q.generation), "index": fmt.Sprint(q.index),
			"replyKey": hexOf(q.reply), "time": fmt.Sprint(q.time), "now": fmt.Sprint(mpinTime), "nonce": hexOf(nonce[:]), "request": hexOf(q.bytes())}
	}
	good := vector(func(*serverRequest) {})
	p.Accept = append(p.Accept, good, vector(func(q *serverRequest) { q.time -= 300 }), vector(func(q *serverRequest) { q.time += 300 }))
	for reason, edit := range map[string]func(*serverRequest){
		"signed by an authority": func(q *serverRequest) { q.signer = 1 }, "another domain": func(q *serverRequest) { q.domain = nowhere[:] },
		"a service that is not in the document": func(q *serverRequest) { q.service = nowhere[:] }, "generation of 39 bytes": func(q *serverRequest) { q.generation = q.generation[:39] },
		"generation with counter 0": func(q *serverRequest) { q.generation = append(make([]byte, 8), q.generation[8:]...) },
		"reply key of 1215 bytes":   func(q *serverRequest) { q.reply = q.reply[:1215] },
	} {
		p.Refuse = append(p.Refuse, refused(vector(edit), "server key request: "+reason))
	}
	for reason, edit := range map[string]func(*serverRequest){
		"301 s old": func(q *serverRequest) { q.time -= 301 }, "301 s ahead": func(q *serverRequest) { q.time += 301 }, "for another authority": func(q *serverRequest) { q.index = 2 },
		"of another generation": func(q *serverRequest) { q.generation = slices.Concat(encoding.U64(2), q.generation[8:]) },
	} {
		p.Refuse = append(p.Refuse, refused(vector(edit), "server key request: "+reason, "check", "authority"))
	}
	variants(p, good, "request")
}

// A serverReply is what authority 1 answers to a serverRequest.
type serverReply struct {
	label                       string
	domain, service, generation []byte
	index                       uint32
	hash                        []byte
	share                       []byte
	signer                      uint32
}

func (v *loginPage) serverKeyShares(p *spec.Page) {
	request, nowhere := v.serverRequest().bytes(), sha256.Sum256([]byte("other"))
	hash := sha256.Sum256(request)
	reply := func(edit func(*serverReply)) spec.Case {
		r := serverReply{"milagro/v1 server key share", v.good.domain, v.service[:], generation().Bytes(), 1, hash[:], share("pin master", 1).G2().Bytes(), 1}
		edit(&r)
		return spec.Case{"what": "server key share", "request": hexOf(request), "box": boxSeed("server reply"), "share": hexOf(r.share),
			"signed": hexOf(envelope(r.signer, encoding.LP(r.label, r.domain, r.service, r.generation, encoding.U32(r.index), r.hash, r.share)))}
	}
	good := reply(func(*serverReply) {})
	sealing := spec.Case(refused(good, ""))
	delete(sealing, "reason")
	info := encoding.LP("milagro/v1 seal", v.good.domain, encoding.U32(1), []byte("server key"), hash[:])
	sealing["sealed"] = hexOf(sure(recorded("server", box("server reply"), info, unhex(good["signed"]))))
	p.Accept = append(p.Accept, sealing)
	for reason, edit := range map[string]func(*serverReply){
		"share: signed by another authority": func(r *serverReply) { r.signer = 2 }, "share: another label": func(r *serverReply) { r.label = "milagro/v1 reply" },
		"share: of another domain": func(r *serverReply) { r.domain = nowhere[:] }, "share: of another service": func(r *serverReply) { r.service = nowhere[:] },
		"share: of another generation": func(r *serverReply) { r.generation = slices.Concat(encoding.U64(2), r.generation[8:]) }, "share: of another index": func(r *serverReply) { r.index = 2 },
		"share: to another request": func(r *serverReply) { r.hash = nowhere[:] }, "share: of another authority": func(r *serverReply) { r.share = share("pin master", 2).G2().Bytes() },
		"share: the whole key": func(r *serverReply) { r.share = v.master.G2().Bytes() }, "share: negated": func(r *serverReply) { r.share = sure(pairing.ParseG2(r.share)).Neg().Bytes() },
		"share: the public share in G1": func(r *serverReply) { r.share = share("pin master", 1).G1().Bytes() },
	} {
		p.Refuse = append(p.Refuse, refused(reply(edit), reason))
	}
	for _, bad := range badPoints("g2", share("pin master", 1).G2().Bytes()) {
		p.Refuse = append(p.Refuse, refused(reply(func(r *serverReply) { r.share = unhex(bad["bytes"]) }), "share: "+bad["reason"]))
	}
	p.Refuse = append(p.Refuse, refused(sealing, "share: sealing altered", "sealed", flipped(sealing["sealed"])))
}

func (v *loginPage) serverKeys(p *spec.Page) {
	shares := fmt.Sprintf("1:%s,2:%s", hexOf(share("pin master", 1).G2().Bytes()), hexOf(share("pin master", 2).G2().Bytes()))
	good := spec.Case{"what": "server key", "threshold": "2", "shares": shares, "master": hexOf(v.master.G1().Bytes()), "key": hexOf(v.master.G2().Bytes())}
	p.Accept = append(p.Accept, good)
	one, two, _ := strings.Cut(shares, ",")
	p.Refuse = append(p.Refuse, refused(good, "server key: of another master", "master", hexOf(secret("other").G1().Bytes())),
		refused(good, "server key: one share", "shares", one), refused(good, "server key: one share twice", "shares", one+","+one),
		refused(good, "server key: shares in each other's place", "shares", "2"+one[1:]+",1"+two[1:]))
}

// successions are requests of a new device whose evidence is a voucher.
func (v *loginPage) successions(p *spec.Page) {
	as := func(edit func(*voucher)) []byte {
		word := v.voucher()
		edit(&word)
		return word.bytes()
	}
	good := as(func(*voucher) {})
	for _, time := range []uint64{requestTime - 60, requestTime, requestTime - 86_400, requestTime + 300} {
		p.Accept = append(p.Accept, v.succession(as(func(v *voucher) { v.time = time }), "device one", func(*conversation) {}))
	}
	nowhere, leaf := sha256.Sum256([]byte("other")), deviceHash(sure(device("leaf")))
	for reason, c := range map[string]spec.Case{
		"signed by another device":               v.succession(good, "leaf", func(*conversation) {}),
		"voucher for another old device":         v.succession(as(func(v *voucher) { v.older = leaf[:] }), "device one", func(*conversation) {}),
		"voucher signed by an authority":         v.succession(as(func(v *voucher) { v.signer = 1 }), "device one", func(*conversation) {}),
		"voucher altered":                        v.succession(unhex(flipped(hexOf(good))), "device one", func(*conversation) {}),
		"signed for another name":                v.succession(good, "device one", func(c *conversation) { c.name = "acct:bob@example.org" }),
		"signed for another authority":           v.succession(good, "device one", func(c *conversation) { c.index = 2 }),
		"signed for another device":              v.succession(good, "device one", func(c *conversation) { c.spki, c.signer = sure(device("leaf")), "leaf" }),
		"evidence is a code":                     v.succession(nil, "", func(c *conversation) { c.evidence = codeEvidence("code", codeText(1, codeBytes())) }),
		"evidence is the parts without a label":  v.succession(nil, "", func(c *conversation) { c.evidence = codeEvidence("succession", string(good)) }),
		"no evidence":                            v.succession(nil, "", func(c *conversation) { c.evidence = nil }),
		"signature over the voucher alone":       v.succession(good, "device one", func(c *conversation) { c.evidence = v.evidence(good, "device one", nil) }),
		"the old device's signature is 63 bytes": v.succession(nil, "", func(c *conversation) { c.evidence = v.evidence(good, "device one", make([]byte, 31)) }),
	} {
		p.Refuse = append(p.Refuse, refused(c, "succession: "+reason))
	}
	for reason, edit := range map[string]func(*voucher){
		"voucher 86,401 s old": func(v *voucher) { v.time = requestTime - 86_401 }, "voucher 301 s ahead": func(v *voucher) { v.time = requestTime + 301 },
		"voucher for another domain": func(v *voucher) { v.domain = nowhere[:] }, "voucher for another service": func(v *voucher) { v.service = nowhere[:] },
		"voucher for another authority": func(v *voucher) { v.index = 2 }, "voucher for another name": func(v *voucher) { v.name = "acct:bob@example.org" },
		"voucher for another new device": func(v *voucher) { v.newer = leaf[:] },
	} {
		p.Refuse = append(p.Refuse, refused(v.succession(as(edit), "device one", func(*conversation) {}), "succession: "+reason, "check", "authority"))
	}
}

// evidence is a succession over the bare hash of a request.
func (v *loginPage) evidence(word []byte, old string, bare []byte) []byte {
	digest := sha256.Sum256(encoding.LP("milagro/v1 mpin succession", word, bare))
	signature := sure(signedBy(old, digest))
	if len(bare) == 31 {
		signature = signature[:63]
	}
	return codeEvidence("succession", string(encoding.LP("milagro/v1 succession", word, sure(device(old)), signature)))
}

// succession is the request that device two makes with this voucher; edit changes it
// after the old device has signed.
func (v *loginPage) succession(word []byte, old string, edit func(*conversation)) spec.Case {
	c := *sure(v.converse())
	c.dealt, c.purpose, c.service, c.name, c.epoch, c.evidence = generation().Bytes(), "mpin", v.service[:], v.good.name, nil, nil
	c.spki, c.signer = sure(device("device two")), "device two"
	bare := sha256.Sum256(c.body())
	digest := sha256.Sum256(encoding.LP("milagro/v1 mpin succession", word, bare[:]))
	if old != "" {
		c.evidence = v.evidence(word, old, bare[:])
	}
	edit(&c)
	return spec.Case{"what": "succession", "key": hexOf(loginKey()), "now": fmt.Sprint(requestTime), "voucher": hexOf(word), "bare": hexOf(bare[:]), "digest": hexOf(digest[:]), "request": hexOf(sure(c.plaintext()))}
}
