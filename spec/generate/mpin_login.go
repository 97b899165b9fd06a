package main

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
)

func unhex(text string) []byte { return sure(hex.DecodeString(text)) }

func newDeviceIntent(seed string) []byte {
	hash := deviceHash(sure(device(seed)))
	return encoding.LP("milagro/v1 mpin new device", hash[:])
}

// kinds are honest logins of every form.
func (v *loginPage) kinds() []login {
	exporter := sha256.Sum256([]byte("exporter"))
	channel, intent, both, workload := v.good, v.good, v.good, v.good
	channel.kind, channel.channel = 1, exporter[:]
	intent.intent = newDeviceIntent("device two")
	both.kind, both.channel, both.intent = 1, exporter[:], newDeviceIntent("device two")
	workload.name, workload.origin, workload.device, workload.epoch = "spiffe://example.org/web", "http://127.0.0.1:8080", "device two", v.good.epoch.Next()
	return []login{v.good, channel, intent, both, workload.committed(v.x)}
}

func (v *loginPage) transcriptCases(p *spec.Page) {
	for _, l := range v.kinds() {
		c := l.fields()
		c["what"], c["y"] = "transcript", hexOf(l.y().Bytes())
		p.Accept = append(p.Accept, c)
	}
	refuse := func(reason string, b []byte) {
		p.Refuse = append(p.Refuse, spec.Case{"what": "transcript", "transcript": hexOf(b), "reason": reason})
	}
	exporter, whole := sha256.Sum256([]byte("exporter")), v.good.transcript()
	for reason, edit := range map[string]func(*login){
		"suite 0": func(l *login) { l.suite = 0 }, "suite 2": func(l *login) { l.suite = 2 },
		"domainID of 31 bytes": func(l *login) { l.domain = l.domain[:31] }, "serviceID of 33 bytes": func(l *login) { l.service = append(bytes.Clone(l.service), 0) },
		"no origin": func(l *login) { l.origin = "" }, "origin with a path": func(l *login) { l.origin += "/" }, "origin in capitals": func(l *login) { l.origin = "https://Login.example.org" },
		"origin of 257 bytes": func(l *login) { l.origin = "https://" + strings.Repeat("a", 249) },
		"no name":             func(l *login) { l.name = "" }, "name in capitals": func(l *login) { l.name = "acct:Alice@example.org" },
		"session of 31 bytes": func(l *login) { l.session = l.session[:31] }, "nonce of 33 bytes": func(l *login) { l.nonce = append(bytes.Clone(l.nonce), 0) },
		"U of 47 bytes": func(l *login) { l.u = l.u[:47] }, "U of 49 bytes": func(l *login) { l.u = append(bytes.Clone(l.u), 0) },
		"no epoch": func(l *login) { l.epoch = identity.Epoch{} }, "channel kind 2": func(l *login) { l.kind, l.channel = 2, exporter[:] },
		"kind 0 with a channel": func(l *login) { l.channel = exporter[:] }, "kind 1 without a channel": func(l *login) { l.kind = 1 },
		"channel of 31 bytes": func(l *login) { l.kind, l.channel = 1, exporter[:31] }, "channel of 33 bytes": func(l *login) { l.kind, l.channel = 1, append(exporter[:], 0) },
		"intent that is the device alone": func(l *login) { l.intent = exporter[:] }, "intent with another label": func(l *login) { l.intent = encoding.LP("milagro/v1 mpin old device", exporter[:]) },
		"intent with a device of 31 bytes": func(l *login) { l.intent = encoding.LP("milagro/v1 mpin new device", exporter[:31]) },
		"intent with a byte too many":      func(l *login) { l.intent = append(newDeviceIntent("device two"), 0) },
		"intent without a device":          func(l *login) { l.intent = encoding.LP("milagro/v1 mpin new device", make([]byte, 32)) },
		"intent to replace itself":         func(l *login) { l.intent = newDeviceIntent(l.device) },
	} {
		l := v.good
		edit(&l)
		refuse(reason, l.transcript())
	}
	refuse("empty", nil)
	refuse("truncated", whole[:len(whole)-1])
	refuse("a byte too many", append(bytes.Clone(whole), 0))
	refuse("a part too many", append(bytes.Clone(whole), 0, 0, 0, 0))
	refuse("another label", bytes.Replace(whole, []byte("mpin login"), []byte("mpin_login"), 1))
	refuse("device key off the curve", bytes.Replace(whole, v.good.spki(), append(bytes.Clone(v.good.spki()[:90]), v.good.spki()[90]^1), 1))
	refuse("epoch off its grid", bytes.Replace(whole, v.good.epoch.Bytes(), slices.Concat(encoding.U64(7), encoding.U32(86_400)), 1))
}

// judged is the case of a proof that the device of l has signed.
func (v *loginPage) judged(l login, answer []byte) spec.Case {
	c, digest := l.fields(), l.digest(answer)
	c["what"], c["serverKey"], c["v"] = "login", hexOf(v.master.G2().Bytes()), hexOf(answer)
	c["digest"], c["signature"] = hexOf(digest[:]), hexOf(sure(signedBy(l.device, digest)))
	return c
}

// honest is the case of a person who logs in with a token and the right PIN.
func (v *loginPage) honest(l login) spec.Case {
	c := v.judged(l, l.answer(v.key(l, v.alpha), v.x))
	c["token"], c["alpha"], c["permit"], c["x"] = hexOf(v.token(l).Expose()), hexOf(v.alpha.Expose()), hexOf(v.permit(l).Expose()), hexOf(v.x.Expose())
	return c
}

func (v *loginPage) loginCases(p *spec.Page) {
	for _, l := range v.kinds() {
		p.Accept = append(p.Accept, v.honest(l))
	}
	// The other signature with the same r is one, too.
	c := v.judged(v.good, v.good.answer(v.key(v.good, v.alpha), v.x))
	s := new(big.Int).SetBytes(unhex(c["signature"])[32:])
	s.Sub(elliptic.P256().Params().N, s)
	c["signature"] = c["signature"][:64] + hexOf(s.FillBytes(make([]byte, 32)))
	p.Accept = append(p.Accept, c)
}

// refuse adds a case in which the server holds l, which another transcript's V
// answers.
func (v *loginPage) refuse(p *spec.Page, l login, answer []byte, reason string) {
	check := "proof"
	if len(answer) != pairing.G1Size {
		check = "malformed"
	}
	p.Refuse = append(p.Refuse, refused(v.judged(l, answer), reason, "check", check))
}

// refusedFields are proofs of one transcript under one in which a field differs, and
// which the device has signed all the same.
func (v *loginPage) refusedFields(p *spec.Page) {
	other := sha256.Sum256([]byte("other"))
	all := v.kinds()
	for reason, c := range map[string]struct {
		of   login
		edit func(*login)
	}{
		"another domain": {v.good, func(l *login) { l.domain = other[:] }}, "another service": {v.good, func(l *login) { l.service = other[:] }},
		"another origin": {v.good, func(l *login) { l.origin = "https://login.example.com" }}, "another name": {v.good, func(l *login) { l.name = "acct:bob@example.org" }},
		"another device": {v.good, func(l *login) { l.device = "device two" }}, "another epoch": {v.good, func(l *login) { l.epoch = l.epoch.Next() }},
		"another session": {v.good, func(l *login) { l.session = other[:] }}, "another nonce: V is replayed": {v.good, func(l *login) { l.nonce = other[:] }},
		"another U": {v.good, func(l *login) { *l = l.committed(secret("other")) }}, "kind 1 where 0 was": {v.good, func(l *login) { l.kind, l.channel = 1, other[:] }},
		"kind 0 where 1 was": {all[1], func(l *login) { l.kind, l.channel = 0, nil }}, "another channel": {all[1], func(l *login) { l.channel = other[:] }},
		"an intent where none was": {v.good, func(l *login) { l.intent = newDeviceIntent("device two") }}, "no intent where one was": {all[2], func(l *login) { l.intent = nil }},
		"another intent": {all[2], func(l *login) { l.intent = newDeviceIntent("leaf") }},
	} {
		l := c.of
		c.edit(&l)
		v.refuse(p, l, c.of.answer(v.key(c.of, v.alpha), v.x), reason)
	}
}

// refusedKeys are proofs whose maker holds another key than K.
func (v *loginPage) refusedKeys(p *spec.Page) {
	l := v.good
	bob, elsewhere, later := l, l, l
	bob.name, elsewhere.device, later.epoch = "acct:bob@example.org", "device two", l.epoch.Next()
	a, permit := l.points()
	right := a.MulSecret(v.alpha)
	for reason, k := range map[string]pairing.SecretG1{
		"wrong PIN": v.key(l, factorOf("472961")), "a token to which no PIN is added": v.token(l).Add(v.permit(l)), "no permit": v.token(l).Add(right),
		"permit of the next epoch": v.token(l).Add(right).Add(v.permit(later)), "permit of another name": v.token(l).Add(right).Add(v.permit(bob)),
		"permit of another device": v.token(l).Add(right).Add(v.permit(elsewhere)), "permit alone": v.permit(l), "PIN and permit, no token": right.Add(v.permit(l)),
		"token of another name": v.token(bob).Add(right).Add(v.permit(l)), "token of another device": v.token(elsewhere).Add(right).Add(v.permit(l)),
		"the key, negated": v.key(l, v.alpha).Neg(), "another master": a.Add(permit).MulSecret(secret("other")),
	} {
		v.refuse(p, l, l.answer(k, v.x), reason)
	}
	honest := v.honest(l)
	p.Refuse = append(p.Refuse, refused(honest, "another server key", "check", "proof", "serverKey", hexOf(secret("other").G2().Bytes())))
	v.refuse(p, l, l.b().MulSecret(v.master).MulSecret(v.x).Neg().Expose(), "y left out")
	v.lateCommitment(p)
}

// lateCommitment is Alice's login by Bob, who makes U = rC − yB and V = −r·sC of his
// own key and of the y of another commitment: with its own y it would pass.
func (v *loginPage) lateCommitment(p *spec.Page) {
	bob := v.good
	bob.name, bob.device = "acct:bob@example.org", "device two"
	r := secret("r")
	forged := v.good
	u := sure(pairing.ParseG1(bob.b().MulSecret(r).Expose())).Sub(v.good.b().Mul(v.good.y()))
	forged.u = u.Bytes()
	v.refuse(p, forged, v.key(bob, v.alpha).MulSecret(r).Neg().Expose(), "U made of the y of another commitment")
}

// refusedPoints are U and V that do not decode.
func (v *loginPage) refusedPoints(p *spec.Page) {
	k := v.key(v.good, v.alpha)
	answer := v.good.answer(k, v.x)
	for _, bad := range badPoints("g1", answer) {
		v.refuse(p, v.good, unhex(bad["bytes"]), "V: "+bad["reason"])
	}
	v.refuse(p, v.good, unhex(sure(plusOrderThree(hexOf(answer)))), "V: outside the subgroup, which the pairing does not tell")
	v.refuse(p, v.good, sure(pairing.ParseG1(answer)).Neg().Bytes(), "V: of the other sign")
	for _, bad := range badPoints("g1", v.good.u) {
		l := v.good
		if l.u = unhex(bad["bytes"]); len(l.u) == 48 {
			v.refuse(p, l, l.answer(k, v.x), "U: "+bad["reason"])
		}
	}
	l := v.good
	l.u = unhex(sure(plusOrderThree(hexOf(l.u))))
	v.refuse(p, l, l.answer(k, v.x), "U: outside the subgroup, which the pairing does not tell")
}

// refusedSignatures are true proofs that the device did not sign.
func (v *loginPage) refusedSignatures(p *spec.Page) {
	l := v.good
	good := v.judged(l, l.answer(v.key(l, v.alpha), v.x))
	signature, zero := good["signature"], strings.Repeat("00", 32)
	other := l
	other.nonce = make([]byte, 32)
	moved := v.judged(other, other.answer(v.key(other, v.alpha), v.x))
	for reason, text := range map[string]string{
		"signed by another device": hexOf(sure(signedBy("device two", [32]byte(unhex(good["digest"]))))), "signature of another transcript": moved["signature"],
		"r is zero": zero + signature[64:], "s is zero": signature[:64] + zero, "signature altered": flipped(signature),
	} {
		p.Refuse = append(p.Refuse, refused(good, reason, "check", "signature", "signature", text))
	}
	altered := v.judged(l, sure(pairing.ParseG1(unhex(good["v"]))).Neg().Bytes())
	p.Refuse = append(p.Refuse, refused(altered, "V altered after it was signed", "check", "signature", "signature", signature))
	for reason, text := range map[string]string{"signature short": signature[2:], "signature long": signature + "00", "no signature": ""} {
		p.Refuse = append(p.Refuse, refused(good, reason, "check", "malformed", "signature", text))
	}
}

// batchCases are logins of four persons at once.
func (v *loginPage) batchCases(p *spec.Page) {
	var transcripts, vs [][]byte
	for i := range 4 {
		l, x := v.good, secret(fmt.Sprint("x ", i))
		l.name = fmt.Sprintf("acct:user%d@example.org", i)
		l = l.committed(x)
		transcripts, vs = append(transcripts, l.transcript()), append(vs, l.answer(v.key(l, v.alpha), x))
	}
	batch := func(bad string, vs [][]byte) spec.Case {
		return spec.Case{"what": "batch", "serverKey": hexOf(v.master.G2().Bytes()), "transcripts": hexList(transcripts[:len(vs)]), "vs": hexList(vs), "bad": bad}
	}
	p.Accept = append(p.Accept, batch("", vs), batch("", vs[:1]))
	moved := func(v []byte, by pairing.G1) []byte { return sure(pairing.ParseG1(v)).Add(by).Bytes() }
	d := secret("error").G1()
	p.Refuse = append(p.Refuse, refused(batch("0,2", [][]byte{moved(vs[0], d), vs[1], moved(vs[2], d.Neg()), vs[3]}), "errors that cancel with equal weights"),
		refused(batch("1", [][]byte{vs[0], moved(vs[1], d), vs[2], vs[3]}), "one bad proof of four"),
		refused(batch("0,1", [][]byte{vs[1], vs[0], vs[2], vs[3]}), "two proofs in each other's place"),
		refused(batch("3", [][]byte{vs[0], vs[1], vs[2], unhex(sure(plusOrderThree(hexOf(vs[3]))))}), "one V outside the subgroup"),
		refused(batch("0,1,2,3", [][]byte{vs[1], vs[2], vs[3], vs[0]}), "all bad"), refused(batch("0", [][]byte{vs[1]}), "one alone, and bad"))
}
