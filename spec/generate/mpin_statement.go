package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"milagro.dev/spec"
)

// statementKey is the seed of the key that signs the statements of logins.
const statementKey = "statement key"

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func statementID() string {
	id := sha256.Sum256([]byte("statement"))
	return base64url(id[:16])
}

// A jwt is a statement with every part at hand to be broken.
type jwt struct {
	alg, kid      string
	issuer        string
	audience      string // JSON
	issued        uint64
	expires, auth uint64
	methods       string // JSON
	device        string
	kind          string
	more          string // claims, JSON, each after a comma
	signer        string
}

func (v *loginPage) jwt() jwt {
	hash := deviceHash(v.good.spki())
	return jwt{alg: "ES256", kid: thumbprint(statementKey), issuer: loginOrigin, audience: quoted(loginOrigin), issued: mpinTime, expires: mpinTime + 300, auth: mpinTime,
		methods: `["pin","pop"]`, device: hexOf(hash[:]), kind: "0", signer: statementKey}
}

func quoted(s string) string { return `"` + s + `"` }

// unsigned is what is signed: header and claims.
func (v *loginPage) unsigned(j jwt) string {
	header := fmt.Sprintf(`{"alg":"%s","typ":"JWT","kid":"%s"}`, j.alg, j.kid)
	claims := fmt.Sprintf(`{"iss":"%s","sub":"%s","aud":%s,"iat":%d,"exp":%d,"jti":"%s","auth_time":%d,"amr":%s,"milagro":{"domain":"%s","service":"login","device":"%s","channel_kind":%s}%s}`,
		j.issuer, v.good.name, j.audience, j.issued, j.expires, statementID(), j.auth, j.methods, v.id().String(), j.device, j.kind, j.more)
	return base64url([]byte(header)) + "." + base64url([]byte(claims))
}

func (v *loginPage) signed(j jwt) string {
	text := v.unsigned(j)
	return text + "." + base64url(sure(signedBy(j.signer, sha256.Sum256([]byte(text)))))
}

// coordinates of the key of a seed, as a JWK has them.
func coordinates(seed string) (x, y string) {
	spki := sure(device(seed))
	return base64url(spki[27:59]), base64url(spki[59:])
}

func thumbprint(seed string) string {
	x, y := coordinates(seed)
	sum := sha256.Sum256([]byte(fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, x, y)))
	return base64url(sum[:])
}

// jwk is the key of a seed for a use.
func jwk(seed, use string) string {
	x, y := coordinates(seed)
	return fmt.Sprintf(`{"use":"%s","kty":"EC","kid":"%s","crv":"P-256","alg":"ES256","x":"%s","y":"%s"}`, use, thumbprint(seed), x, y)
}

func jwks(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// shown is the case of a statement that is read at a time.
func (v *loginPage) shown(text string, now uint64) spec.Case {
	return spec.Case{"what": "login statement", "jwks": jwks(jwk(statementKey, "sig")), "origin": loginOrigin, "now": fmt.Sprint(now), "statement": text}
}

func (v *loginPage) statementCases(p *spec.Page) {
	accept := func(j jwt, now uint64, keys string) {
		p.Accept = append(p.Accept, refused(v.shown(v.signed(j), now), "", "jwks", keys, "name", v.good.name, "domain", v.id().String(), "service", "login", "device", j.device, "channelKind", j.kind,
			"jti", statementID(), "iat", fmt.Sprint(j.issued), "exp", fmt.Sprint(j.expires)))
		delete(p.Accept[len(p.Accept)-1], "reason")
	}
	one, ed25519 := jwks(jwk(statementKey, "sig")), fmt.Sprintf(`{"use":"sig","kty":"OKP","kid":"other","crv":"Ed25519","alg":"EdDSA","x":"%s"}`, base64url(loginKey()))
	good, bound, more := v.jwt(), v.jwt(), v.jwt()
	bound.kind, more.more = "1", `,"nbf":0,"scope":"all"`
	for _, now := range []uint64{mpinTime, mpinTime - 30, mpinTime + 329} {
		accept(good, now, one)
	}
	accept(bound, mpinTime, one)
	accept(more, mpinTime, one)
	accept(good, mpinTime, jwks(ed25519, jwk("device two", "sig"), jwk(statementKey, "sig")))
	v.refusedStatements(p)
	v.refusedKeySets(p)
}

// refusedStatements are such as no key of the login server signed, or as say
// something else.
func (v *loginPage) refusedStatements(p *spec.Page) {
	good, elsewhere := v.jwt(), "https://login.example.com"
	refuse := func(reason, text string) {
		p.Refuse = append(p.Refuse, refused(v.shown(text, mpinTime), "statement: "+reason))
	}
	for reason, edit := range map[string]func(*jwt){
		"kid of no key": func(j *jwt) { j.kid = thumbprint("device two") }, "signed by another key": func(j *jwt) { j.signer = "device two" }, "ES384 in the header": func(j *jwt) { j.alg = "ES384" },
		"another issuer": func(j *jwt) { j.issuer = elsewhere }, "another audience": func(j *jwt) { j.audience = quoted(elsewhere) }, "issuer and audience of another origin": func(j *jwt) { j.issuer, j.audience = elsewhere, quoted(elsewhere) },
		"two audiences": func(j *jwt) { j.audience = "[" + quoted(loginOrigin) + "," + quoted(elsewhere) + "]" }, "good for a day": func(j *jwt) { j.expires = j.issued + 86_400 },
		"of an older login": func(j *jwt) { j.auth-- }, "without the PIN": func(j *jwt) { j.methods = `["pop"]` }, "without the device": func(j *jwt) { j.methods = `["pin"]` },
		"device of 63 digits": func(j *jwt) { j.device = j.device[1:] }, "channel kind in quotes": func(j *jwt) { j.kind = `"0"` },
	} {
		j := good
		edit(&j)
		refuse(reason, v.signed(j))
	}
	for reason, now := range map[string]uint64{"not yet: now is iat − 31": mpinTime - 31, "expired: now is exp + 30": mpinTime + 330} {
		p.Refuse = append(p.Refuse, refused(v.shown(v.signed(good), now), "statement: "+reason))
	}
	none, shared, late := good, good, good
	none.alg, shared.alg, late.auth = "none", "HS256", mpinTime+1
	text, signature := v.unsigned(good), sure(signedBy(statementKey, sha256.Sum256([]byte(v.unsigned(good)))))
	mac := hmac.New(sha256.New, []byte(jwks(jwk(statementKey, "sig"))))
	mac.Write([]byte(v.unsigned(shared)))
	refuse("alg none", v.unsigned(none)+".")
	refuse("alg none, with a signature", v.signed(none))
	refuse("HS256, its key the key set", v.unsigned(shared)+"."+base64url(mac.Sum(nil)))
	refuse("claims altered", v.unsigned(late)+"."+base64url(signature))
	refuse("signature altered", text+"."+base64url(unhex(flipped(hexOf(signature)))))
	refuse("signature of 63 bytes", text+"."+base64url(signature[:63]))
	refuse("signature of zeros", text+"."+base64url(make([]byte, 64)))
	refuse("no signature", text+".")
	refuse("two segments", text)
	refuse("four segments", v.signed(good)+".")
	refuse("padded", v.signed(good)+"==")
	refuse("empty", "")
}

// refusedKeySets are sets that do not have the key that a statement names.
func (v *loginPage) refusedKeySets(p *spec.Page) {
	good := v.shown(v.signed(v.jwt()), mpinTime)
	for reason, keys := range map[string]string{"no keys": jwks(), "another key": jwks(jwk("device two", "sig")), "the key is for encryption": jwks(jwk(statementKey, "enc"))} {
		p.Refuse = append(p.Refuse, refused(good, "statement: key set: "+reason, "jwks", keys))
	}
	p.Refuse = append(p.Refuse, refused(good, "statement: another origin is meant", "origin", "https://login.example.com"))
}
