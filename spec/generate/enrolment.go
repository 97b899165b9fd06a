package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"milagro.dev/internal/encoding"
	"milagro.dev/internal/words"
	"milagro.dev/spec"
)

// enrolmentPage is of spec/enrolment.md.
func enrolmentPage() (*spec.Page, error) {
	p := &spec.Page{About: "registration is a signed envelope, key that of its registration authority; with \"check\" \"authority\" a refused one is genuine, and " +
		"authority 1 refuses it at the time now for the request of domainID, serviceID, name and device. evidence is that of a request. token is the text of an invitation, hash what is " +
		"stored of it, digest what the device spki signs. words are those of the device hash. Other values are hexadecimal or decimal."}
	registrationCases(p)
	voucherCases(p)
	invitationCases(p)
	for _, seed := range []string{"device one", "device two"} {
		d := deviceHash(sure(device(seed)))
		p.Accept = append(p.Accept, spec.Case{"what": "words", "device": hexOf(d[:]), "words": words.OfDevice(d)})
	}
	sortByReason(p)
	return p, nil
}

// A registration is one with every field at hand to be broken.
type registration struct {
	label           string
	domain, service []byte
	index           uint32
	name            string
	device          []byte
	time, expiry    uint64
	nonce           []byte
	signer          uint32
}

func goodRegistration() registration {
	domain, service, nonce := sha256.Sum256([]byte("domain")), sha256.Sum256([]byte("service")), sha256.Sum256([]byte("registration"))
	d := deviceHash(sure(device("device one")))
	return registration{"milagro/v1 registration", domain[:], service[:], 1, "acct:alice@example.org", d[:], requestTime - 60, requestTime + 3540, nonce[:], loginServer}
}

func (r registration) bytes() []byte {
	return envelope(r.signer, encoding.LP(r.label, r.domain, r.service, encoding.U32(r.index), []byte(r.name), r.device, encoding.U64(r.time),
		encoding.U64(r.expiry), r.nonce))
}

func (r registration) vector() spec.Case {
	return spec.Case{"what": "registration", "key": hexOf(loginKey()), "domainID": hexOf(r.domain), "serviceID": hexOf(r.service), "index": fmt.Sprint(r.index),
		"name": r.name, "device": hexOf(r.device), "time": fmt.Sprint(r.time), "expiry": fmt.Sprint(r.expiry), "nonce": hexOf(r.nonce),
		"now": fmt.Sprint(requestTime), "registration": hexOf(r.bytes())}
}

func registrationCases(p *spec.Page) {
	with := func(edit func(*registration)) registration {
		r := goodRegistration()
		edit(&r)
		return r
	}
	for _, edit := range []func(*registration){
		func(*registration) {}, func(r *registration) { r.time, r.expiry = requestTime+300, requestTime+301 },
		func(r *registration) { r.time, r.expiry = requestTime-86_400, requestTime }, func(r *registration) { r.expiry = requestTime - 29 },
	} {
		p.Accept = append(p.Accept, with(edit).vector())
	}
	good := goodRegistration().vector()
	for reason, edit := range map[string]func(*registration){
		"signed by another": func(r *registration) { r.signer = 1 }, "of a PIN change": func(r *registration) { r.label = "milagro/v1 mpin voucher" },
		"domainID of 31 bytes": func(r *registration) { r.domain = r.domain[:31] }, "serviceID of 33 bytes": func(r *registration) { r.service = append(r.service, 0) },
		"name is none": func(r *registration) { r.name = "alice" }, "name in capitals": func(r *registration) { r.name = "acct:Alice@example.org" },
		"device of 31 bytes": func(r *registration) { r.device = r.device[:31] }, "nonce of 31 bytes": func(r *registration) { r.nonce = r.nonce[:31] },
	} {
		p.Refuse = append(p.Refuse, refused(good, "registration: "+reason, "registration", hexOf(with(edit).bytes())))
	}
	r := goodRegistration()
	short := envelope(loginServer, encoding.LP(r.label, r.domain, r.service, encoding.U32(1), []byte(r.name), r.device, encoding.U64(r.time), encoding.U64(r.expiry)))
	long := envelope(loginServer, encoding.LP(r.label, r.domain, r.service, encoding.U32(1), []byte(r.name), r.device, encoding.U64(r.time), encoding.U64(r.expiry), r.nonce, nil))
	p.Refuse = append(p.Refuse, refused(good, "registration: altered", "registration", flipped(good["registration"])),
		refused(good, "registration: a part is missing", "registration", hexOf(short)), refused(good, "registration: a part too many", "registration", hexOf(long)),
		refused(good, "registration: no envelope", "registration", hexOf(encoding.LP(r.label, r.domain))))
	other, leaf := sha256.Sum256([]byte("other")), deviceHash(sure(device("device two")))
	for reason, edit := range map[string]func(*registration){
		"for another domain": func(r *registration) { r.domain = other[:] }, "for another service": func(r *registration) { r.service = other[:] },
		"for another authority": func(r *registration) { r.index = 2 }, "for another name": func(r *registration) { r.name = "acct:bob@example.org" },
		"for another device": func(r *registration) { r.device = leaf[:] }, "301 s ahead": func(r *registration) { r.time, r.expiry = requestTime+301, requestTime+400 },
		"30 s over": func(r *registration) { r.expiry = requestTime - 30 }, "good for no time": func(r *registration) { r.expiry = r.time },
		"good for a day and a second": func(r *registration) { r.expiry = r.time + 86_401 }, "good until the end of time": func(r *registration) { r.expiry = 1<<64 - 1 },
	} {
		p.Refuse = append(p.Refuse, refused(good, "registration: "+reason, "check", "authority", "registration", hexOf(with(edit).bytes())))
	}
}

func voucherCases(p *spec.Page) {
	envelope := goodRegistration().bytes()
	shown := func(code string) []byte {
		return codeEvidence("voucher", string(encoding.LP("milagro/v1 registered", envelope, []byte(code))))
	}
	for _, code := range []string{"", "00000000", "48217730"} {
		p.Accept = append(p.Accept, spec.Case{"what": "evidence", "registration": hexOf(envelope), "code": code, "evidence": hexOf(shown(code))})
	}
	refuse := func(reason string, evidence []byte) {
		p.Refuse = append(p.Refuse, spec.Case{"what": "evidence", "evidence": hexOf(evidence), "reason": "evidence: " + reason})
	}
	for _, code := range []string{"4821773", "482177300", "4821 773", "4821773a", "+4821773", "٤٨٢١"} {
		refuse(fmt.Sprintf("code %s", code), shown(code))
	}
	refuse("the envelope alone", codeEvidence("voucher", string(envelope)))
	refuse("another kind", codeEvidence("succession", string(encoding.LP("milagro/v1 registered", envelope, nil))))
	refuse("another label", codeEvidence("voucher", string(encoding.LP("milagro/v1 registration", envelope, nil))))
	refuse("without a code's part", codeEvidence("voucher", string(encoding.LP("milagro/v1 registered", envelope))))
	refuse("nothing", nil)
}

func invitationCases(p *spec.Page) {
	token, service := sha256.Sum256([]byte("invitation")), sha256.Sum256([]byte("service"))
	text := base64.RawURLEncoding.EncodeToString(token[:])
	hash, spki := sha256.Sum256(encoding.LP("milagro/v1 invitation", token[:])), sure(device("device one"))
	digest := sha256.Sum256(encoding.LP("milagro/v1 enrol", hash[:], service[:], spki))
	for _, origin := range []string{"https://login.example.org", "http://[::1]:8080"} {
		p.Accept = append(p.Accept, spec.Case{"what": "invitation", "link": origin + "/enrol#" + text, "origin": origin, "token": text, "hash": hexOf(hash[:]),
			"serviceID": hexOf(service[:]), "spki": hexOf(spki), "digest": hexOf(digest[:])})
	}
	for reason, link := range map[string]string{
		"without a token": "https://login.example.org/enrol", "token in the query": "https://login.example.org/enrol?" + text,
		"another page": "https://login.example.org/signin#" + text, "no page": "https://login.example.org#" + text, "no origin": "/enrol#" + text,
		"token is short": "https://login.example.org/enrol#" + text[:42], "token is long": "https://login.example.org/enrol#" + text + "A",
		"token padded": "https://login.example.org/enrol#" + text + "=", "token with stray bits": "https://login.example.org/enrol#" + strings.Repeat("A", 42) + "B",
		"token in base64": "https://login.example.org/enrol#" + strings.Repeat("+/", 21) + "A", "a query too": "https://login.example.org/enrol?a=b#" + text,
	} {
		p.Refuse = append(p.Refuse, spec.Case{"what": "invitation", "link": link, "reason": "invitation: " + reason})
	}
}
