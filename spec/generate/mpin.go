package main

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
)

const (
	loginOrigin = "https://login.example.org"
	loginPIN    = "472916"
	// loginServer is the number of the login server's key among those of operators.
	loginServer = 9
)

// sure returns v: the seeds of these vectors give no error.
func sure[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

const mpinAbout = "All in hexadecimal but pin, numbers, names, origins and what belongs to a \"login statement\", which are text. The domain is that of the page document, now with a third authority and a login service: " +
	"what \"document\" lists it (fingerprint is that of its login server's card), and the other cases hold under that document unless they bring another. now is the time at which a case is read. " +
	"what \"pin\": pin stretches to stretched and alpha. \"token\": shares (index:share, separated by commas) less alpha make token; key is what they make whole. \"points\": A, A_e, B. " +
	"\"transcript\": fields make transcript, whose hash is y; a case to refuse does not parse. " +
	"\"login\": v and signature answer transcript; digest is what the device signs of transcript and v. With token, alpha, permit and x the same U (in the transcript) and v come out. " +
	"check names what refuses: \"malformed\", the width of v or signature, before any signature; \"signature\", the device's; or (that passed) \"proof\", under serverKey. " +
	"\"batch\": transcripts and vs, separated by commas; bad are the positions refused. " +
	"\"row\": a row request at now, its statements separated by commas; digest is what the device signs of its fields. An accepted one makes the row of name and channelKind. " +
	"check names what refuses, in the page's order: \"malformed\", its device key; \"time\"; \"signature\", the device's; or (that passed) \"statements\". " +
	"\"login card\", \"voucher\" (signed with key), \"notice\" and \"server key request\" (of the document's service) are envelopes of their fields; fingerprint is the card's. " +
	"\"server key share\": signed answers request, for the reply key with the HPKE seed box; sealed (where given) is one sealing of it. \"server key\": shares combine to key, of the service with master. " +
	"\"succession\": request is a signed request whose evidence is a voucher by key and the old device's signature over digest; bare is its hash without evidence. Both are judged by authority 1. " +
	"In a \"server key request\" and a \"succession\", check \"authority\" says that bytes and signatures are good and that authority 1 refuses all the same, at now; without check, they are not good. " +
	"\"operator approval\": approval is of act and subject, for the authority with this key, whose operators have the keys operators, separated by commas. " +
	"\"login statement\": statement is a JWT about name, domain (its fingerprint), service, device and channelKind, read with the key set jwks by who means origin."

func mpinPage() (*spec.Page, error) {
	w, err := newTown()
	if err != nil {
		return nil, err
	}
	p := &spec.Page{About: mpinAbout}
	v := newLoginPage(w)
	pinCases(p)
	v.tokenCase(p)
	v.transcriptCases(p)
	v.loginCases(p)
	v.refusedFields(p)
	v.refusedKeys(p)
	v.refusedPoints(p)
	v.refusedSignatures(p)
	v.batchCases(p)
	v.rowCases(p)
	v.documentCases(p)
	v.cardCases(p)
	v.voucherCases(p)
	v.noticeCases(p)
	v.serverKeyRequests(p)
	v.serverKeyShares(p)
	v.serverKeys(p)
	v.successions(p)
	v.operatorCases(p)
	v.statementCases(p)
	sortByReason(p)
	return p, nil
}

// pinCases are PINs that stretch, and such as do not.
func pinCases(p *spec.Page) {
	salt := sha256.Sum256([]byte("salt"))
	typed := func(pin string, memory, passes, threads uint32, salt []byte) spec.Case {
		return spec.Case{"what": "pin", "pin": pin, "salt": hexOf(salt), "memory": fmt.Sprint(memory), "passes": fmt.Sprint(passes), "threads": fmt.Sprint(threads)}
	}
	for _, c := range []spec.Case{typed(loginPIN, 19_456, 2, 1, salt[:]), typed(loginPIN, 65_536, 3, 1, salt[:]), typed(loginPIN, 19_456, 2, 4, salt[:]),
		typed(" ~ 9", 19_456, 2, 1, salt[:]), typed(strings.Repeat("long", 16), 19_456, 2, 1, salt[:]), typed(loginPIN, 19_456, 2, 1, make([]byte, 32))} {
		number := func(name string) uint32 { return uint32(sure(strconv.ParseUint(c[name], 10, 32))) }
		s := argon2.IDKey([]byte(c["pin"]), unhex(c["salt"]), number("passes"), number("memory"), uint8(number("threads")), 32)
		c["stretched"], c["alpha"] = hexOf(s), hexOf(factor(s).Expose())
		p.Accept = append(p.Accept, c)
	}
	for reason, c := range map[string]spec.Case{
		"PIN of 3 characters": typed("123", 19_456, 2, 1, salt[:]), "PIN of 65 characters": typed(strings.Repeat("1", 65), 19_456, 2, 1, salt[:]),
		"no PIN": typed("", 19_456, 2, 1, salt[:]), "PIN with a tab": typed("12\t34", 19_456, 2, 1, salt[:]), "PIN with DEL": typed("1234\x7f", 19_456, 2, 1, salt[:]),
		"PIN that is not ASCII": typed("12é34", 19_456, 2, 1, salt[:]), "19,455 KiB": typed(loginPIN, 19_455, 2, 1, salt[:]), "1,048,577 KiB": typed(loginPIN, 1_048_577, 2, 1, salt[:]),
		"1 pass": typed(loginPIN, 19_456, 1, 1, salt[:]), "17 passes": typed(loginPIN, 19_456, 17, 1, salt[:]), "no thread": typed(loginPIN, 19_456, 2, 0, salt[:]),
		"5 threads": typed(loginPIN, 19_456, 2, 5, salt[:]), "salt of 31 bytes": typed(loginPIN, 19_456, 2, 1, salt[:31]), "salt of 33 bytes": typed(loginPIN, 19_456, 2, 1, append(salt[:], 0)),
	} {
		p.Refuse = append(p.Refuse, refused(c, reason))
	}
}

// factor is α of a stretched PIN.
func factor(stretched []byte) pairing.Secret {
	return sure(pairing.HashToSecret("MILAGRO-V1-PIN-SCALAR_XMD:SHA-256", encoding.LP("milagro/v1 pin", stretched)))
}

// factorOf is α of a PIN at the least cost.
func factorOf(pin string) pairing.Secret {
	salt := sha256.Sum256([]byte("salt"))
	return factor(argon2.IDKey([]byte(pin), salt[:], 2, 19_456, 1, 32))
}

// A login is one with every field of its transcript at hand to be broken.
type login struct {
	suite           byte
	domain, service []byte
	origin, name    string
	device          string // the seed of the key that is named and signs
	epoch           identity.Epoch
	session, nonce  []byte
	u               []byte
	kind            byte
	channel, intent []byte
}

func (l login) spki() []byte { return sure(device(l.device)) }

func (l login) transcript() []byte {
	return encoding.LP("milagro/v1 mpin login", []byte{l.suite}, l.domain, l.service, []byte(l.origin), []byte(l.name), l.spki(), l.epoch.Bytes(),
		l.session, l.nonce, l.u, []byte{l.kind}, l.channel, l.intent)
}

func (l login) y() pairing.Scalar {
	return sure(pairing.HashToScalar("MILAGRO-V1-MPINY-SCALAR_XMD:SHA-256", l.transcript()))
}

// points returns A and A_e.
func (l login) points() (a, permit pairing.G1) {
	k := identity.Key{Domain: identity.DomainID(l.domain), Purpose: identity.MPin, Service: identity.ServiceID(l.service), Name: sure(identity.ParseName(l.name)), Device: deviceHash(l.spki())}
	a = sure(k.Point())
	k.Purpose, k.Epoch = identity.Permit, l.epoch
	return a, sure(k.Point())
}

func (l login) b() pairing.G1 {
	a, permit := l.points()
	return a.Add(permit)
}

// committed returns l with U = xB.
func (l login) committed(x pairing.Secret) login {
	l.u = l.b().MulSecret(x).Expose()
	return l
}

// answer is V = −(x + y)·K.
func (l login) answer(k pairing.SecretG1, x pairing.Secret) []byte {
	return k.MulSecret(x.AddPublic(l.y())).Neg().Expose()
}

func (l login) digest(v []byte) [32]byte {
	return sha256.Sum256(encoding.LP("milagro/v1 mpin proof", l.transcript(), v))
}

func (l login) fields() spec.Case {
	return spec.Case{"domainID": hexOf(l.domain), "serviceID": hexOf(l.service), "origin": l.origin, "name": l.name, "spki": hexOf(l.spki()), "epoch": hexOf(l.epoch.Bytes()),
		"session": hexOf(l.session), "nonce": hexOf(l.nonce), "u": hexOf(l.u), "channelKind": fmt.Sprint(l.kind), "channel": hexOf(l.channel), "intent": hexOf(l.intent), "transcript": hexOf(l.transcript())}
}

// A loginPage has a login server, and a person who logs in there.
type loginPage struct {
	*town
	master  pairing.Secret // s of the service
	x       pairing.Secret
	alpha   pairing.Secret
	service identity.ServiceID
	good    login
}

func newLoginPage(w *town) *loginPage {
	v := &loginPage{town: w, master: secret("pin master"), x: secret("x"), alpha: factorOf(loginPIN)}
	id := w.id()
	v.service = identity.NewServiceID(id, "login", v.master.G1())
	session, nonce := sha256.Sum256([]byte("session")), sha256.Sum256([]byte("login nonce"))
	v.good = login{suite: 1, domain: id[:], service: v.service[:], origin: loginOrigin, name: "acct:alice@example.org", device: "device one",
		epoch: identity.EpochAt(requestTime, 2_592_000), session: session[:], nonce: nonce[:]}.committed(v.x)
	return v
}

// token returns T = sA − αA, permit sA_e, of the person and device of l.
func (v *loginPage) token(l login) pairing.SecretG1 {
	a, _ := l.points()
	return a.MulSecret(v.master.Sub(v.alpha))
}

func (v *loginPage) permit(l login) pairing.SecretG1 {
	_, permit := l.points()
	return permit.MulSecret(v.master)
}

// key returns K as the device of l makes it of a factor.
func (v *loginPage) key(l login, alpha pairing.Secret) pairing.SecretG1 {
	a, _ := l.points()
	return v.token(l).Add(a.MulSecret(alpha)).Add(v.permit(l))
}

func (v *loginPage) tokenCase(p *spec.Page) {
	a, permit := v.good.points()
	c := spec.Case{"what": "points"}
	for _, name := range []string{"domainID", "serviceID", "name", "spki", "epoch"} {
		c[name] = v.good.fields()[name]
	}
	c["a"], c["permit"], c["b"] = hexOf(a.Bytes()), hexOf(permit.Bytes()), hexOf(v.good.b().Bytes())
	var shares []string
	for i := uint64(1); i <= 2; i++ {
		shares = append(shares, fmt.Sprintf("%d:%s", i, hexOf(keyOf(share("pin master", i), a))))
	}
	p.Accept = append(p.Accept, c, spec.Case{"what": "token", "threshold": "2", "a": hexOf(a.Bytes()), "alpha": hexOf(v.alpha.Expose()), "shares": strings.Join(shares, ","),
		"token": hexOf(v.token(v.good).Expose()), "key": hexOf(keyOf(v.master, a))})
}
