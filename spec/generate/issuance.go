package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
)

const requestTime = 1_800_061_234

// A conversation is one issuance in a town: request and reply of an
// authority, with every field at hand to be broken.
type conversation struct {
	*town
	key identity.Key

	index       uint32
	purpose     string
	service     []byte
	name        string
	epoch       []byte
	channelKind byte
	spki        []byte
	evidence    []byte
	signer      string // whose device key signs
	claimed     []byte // hash of the evidence, if another than its own
	dealt       []byte // generation, if another than the domain's

	replied   uint32 // index that the reply tells
	share     pairing.Secret
	proof     []byte
	statement []byte
	answers   []byte // request hash, if another than the request's own
}

func (w *town) converse() (*conversation, error) {
	key, err := subject()
	if err != nil {
		return nil, err
	}
	key = only(key, identity.Channel)
	key.Domain = w.id()
	spki, err := device("device one")
	c := &conversation{town: w, key: key, index: 1, purpose: "channel", name: key.Name.String(), epoch: key.Epoch.Bytes(), spki: spki,
		evidence: codeEvidence("code", codeText(1, codeBytes())), signer: "device one", replied: 1, share: w.run.share(1)}
	return c, err
}

func (c *conversation) generation() []byte {
	if c.dealt != nil {
		return c.dealt
	}
	return c.first().generation
}

func (c *conversation) body() []byte {
	id, nonce, evidence := c.id(), sha256.Sum256([]byte("nonce")), sha256.Sum256(c.evidence)
	hash := evidence[:]
	if c.claimed != nil {
		hash = c.claimed
	}
	return encoding.LP("milagro/v1 request", id[:], c.generation(), encoding.U32(c.index), []byte(c.purpose), c.service, []byte(c.name), c.epoch,
		encoding.U8(c.channelKind), c.spki, box("reply key").PublicKey().Bytes(), encoding.U64(requestTime), nonce[:], hash)
}

// plaintext is the request with its device signature.
func (c *conversation) plaintext() ([]byte, error) {
	body := c.body()
	signature, err := signedBy(c.signer, sha256.Sum256(body))
	return encoding.LP("milagro/v1 signed request", body, c.evidence, signature), err
}

// signedBy returns the signature of the device whose key a seed stands for, without
// randomness (RFC 6979), so that it is the same every time.
func signedBy(seed string, digest [32]byte) ([]byte, error) {
	scalar := sha256.Sum256([]byte(seed))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	if err != nil {
		return nil, err
	}
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return fixedSignature(der)
}

// fixedSignature returns r ‖ s, 64 bytes.
func fixedSignature(der []byte) ([]byte, error) {
	input := cryptobyte.String(der)
	var sequence cryptobyte.String
	var r, s []byte
	if !input.ReadASN1(&sequence, cryptobyteasn1.SEQUENCE) || !sequence.ReadASN1Integer(&r) || !sequence.ReadASN1Integer(&s) {
		return nil, fmt.Errorf("not an ECDSA signature: %x", der)
	}
	signature := make([]byte, 64)
	copy(signature[32-len(r):], r)
	copy(signature[64-len(s):], s)
	return signature, nil
}

// reply is the signed envelope inside the sealed reply.
func (c *conversation) reply() ([]byte, error) {
	id, request, d := c.id(), sha256.Sum256(c.body()), deviceHash(c.spki)
	point, err := c.key.Point()
	answers := request[:]
	if c.answers != nil {
		answers = c.answers
	}
	return envelope(1, encoding.LP("milagro/v1 reply", id[:], c.generation(), encoding.U32(c.replied), []byte(c.purpose), c.service, []byte(c.name), d[:],
		c.epoch, answers, keyOf(c.share, point), c.proof, c.statement)), err
}

func deviceHash(spki []byte) [32]byte {
	return sha256.Sum256(encoding.LP("milagro/v1 device", spki))
}

func (c *conversation) enrolled() []byte {
	id, d := c.id(), deviceHash(c.spki)
	return envelope(1, encoding.LP("milagro/v1 enrolment", id[:], c.generation(), encoding.U32(1), []byte(c.purpose), c.service, []byte(c.name), d[:],
		encoding.U8(c.channelKind), encoding.U64(requestTime+1)))
}

func issuancePage() (*spec.Page, error) {
	w, err := newTown()
	if err != nil {
		return nil, err
	}
	p := &spec.Page{About: "All in hexadecimal but numbers, typed, code, evidence kinds and names. The domain, its document and its keys are those of the pages ceremony and document. " +
		"what \"code\": typed reads as the code with these random bytes, of which an authority stores hash. \"request\": plaintext is sealed for authority index at time, sealed (where given) is one sealing of it, " +
		"opened with the HPKE seed box; body hashes to hash. \"reply\": signed, sealed with the seed of the reply key, answers request, a plaintext; sealed as above. \"statement\": an enrolment. " +
		"\"time\": signature of an authority's time. \"false share\": the evidence convicts authority guilty."}
	codeCases(p)
	if err := w.issuance(p); err != nil {
		return nil, err
	}
	sortByReason(p)
	return p, nil
}

func (w *town) issuance(p *spec.Page) error {
	c, err := w.converse()
	if err != nil {
		return err
	}
	request, err := c.requestCase()
	if err != nil {
		return err
	}
	reply, err := c.replyCase()
	if err != nil {
		return err
	}
	renewal := *c
	renewal.evidence = nil
	renewed, err := renewal.requestCase()
	if err != nil {
		return err
	}
	p.Accept = append(p.Accept, request, renewed, reply, c.statementCase(), c.timeCase())
	if err := c.refuseRequests(p, request); err != nil {
		return err
	}
	if err := c.refuseReplies(p, reply); err != nil {
		return err
	}
	return errors.Join(c.convictions(p), c.seal(request), c.sealReply(reply))
}

func (c *conversation) requestCase() (spec.Case, error) {
	id, hash := c.id(), sha256.Sum256(c.body())
	plaintext, err := c.plaintext()
	return spec.Case{"what": "request", "domain": hexOf(id[:]), "index": "1", "time": strconv.Itoa(requestTime), "plaintext": hexOf(plaintext),
		"hash": hexOf(hash[:]), "box": boxSeed("card 1")}, err
}

// seal adds to the case of the request a sealing of it.
func (c *conversation) seal(request spec.Case) error {
	id := c.id()
	plaintext, err := c.plaintext()
	if err != nil {
		return err
	}
	info := encoding.LP("milagro/v1 seal", id[:], encoding.U32(1), []byte("request"), encoding.U64(requestTime))
	inner, err := recorded("request", box("card 1"), info, plaintext)
	request["sealed"] = hexOf(encoding.LP("milagro/v1 sealed request", id[:], encoding.U32(1), encoding.U64(requestTime), inner))
	return err
}

// replyCase is c's reply to the unbroken request.
func (c *conversation) replyCase() (spec.Case, error) {
	whole, err := c.converse()
	if err != nil {
		return nil, err
	}
	request, err := whole.plaintext()
	if err != nil {
		return nil, err
	}
	signed, err := c.reply()
	return spec.Case{"what": "reply", "document": hexOf(c.first().encode()), "request": hexOf(request), "signed": hexOf(signed), "box": boxSeed("reply key")}, err
}

// sealReply adds to the case of the reply a sealing of it.
func (c *conversation) sealReply(reply spec.Case) error {
	id, hash := c.id(), sha256.Sum256(c.body())
	signed, err := c.reply()
	if err != nil {
		return err
	}
	info := encoding.LP("milagro/v1 seal", id[:], encoding.U32(1), []byte("reply"), hash[:])
	inner, err := recorded("reply", box("reply key"), info, signed)
	reply["sealed"] = hexOf(inner)
	return err
}

func (c *conversation) statementCase() spec.Case {
	return spec.Case{"what": "statement", "document": hexOf(c.first().encode()), "index": "1", "name": c.name, "time": strconv.Itoa(requestTime + 1), "statement": hexOf(c.enrolled())}
}

func (c *conversation) timeCase() spec.Case {
	id, request := c.id(), sha256.Sum256([]byte("a sealed request"))
	body := encoding.LP("milagro/v1 time", id[:], encoding.U32(1), request[:], encoding.U64(requestTime))
	return spec.Case{"what": "time", "document": hexOf(c.first().encode()), "index": "1", "request": hexOf(request[:]), "time": strconv.Itoa(requestTime), "signature": hexOf(ed25519.Sign(signing(1), body))}
}

func (c *conversation) refuseRequests(p *spec.Page, good spec.Case) error {
	for reason, edit := range map[string]func(*conversation){
		"signed by another device":  func(c *conversation) { c.signer = "device two" },
		"another index inside":      func(c *conversation) { c.index = 2 },
		"another hash of evidence":  func(c *conversation) { c.claimed = make([]byte, 32) },
		"device key of 90 bytes":    func(c *conversation) { c.spki = c.spki[:90] },
		"epoch of 11 bytes":         func(c *conversation) { c.epoch = c.epoch[:11] },
		"epoch off its grid":        func(c *conversation) { c.epoch = slices.Concat(encoding.U64(7), encoding.U32(86_400)) },
		"name in capitals":          func(c *conversation) { c.name = "spiffe://example.org/Web\x00" },
		"serviceID of 31 bytes":     func(c *conversation) { c.service = make([]byte, 31) },
		"channel kind of a channel": func(c *conversation) { c.channelKind = 1 },
	} {
		broken := *c
		edit(&broken)
		v, err := broken.requestCase()
		if err != nil {
			return err
		}
		v["reason"] = reason
		p.Refuse = append(p.Refuse, v)
	}
	plain := good["plaintext"]
	p.Refuse = append(p.Refuse, refused(good, "a byte too many", "plaintext", plain+"00"), refused(good, "truncated", "plaintext", plain[:len(plain)-2]),
		refused(good, "another time inside", "time", strconv.Itoa(requestTime+1)))
	return nil
}

func (c *conversation) refuseReplies(p *spec.Page, good spec.Case) error {
	for reason, edit := range map[string]func(*conversation){
		"of another authority":    func(c *conversation) { c.replied = 2 },
		"to another request":      func(c *conversation) { c.answers = make([]byte, 32) },
		"of another epoch":        func(c *conversation) { c.epoch = slices.Concat(encoding.U64(0), encoding.U32(86_400)) },
		"of another name":         func(c *conversation) { c.name = "spiffe://example.org/api" },
		"of another purpose":      func(c *conversation) { c.purpose = "decrypt" },
		"false share":             func(c *conversation) { c.share = c.run.share(2) },
		"proof where none is due": func(c *conversation) { c.proof = make([]byte, 64) },
	} {
		broken := *c
		edit(&broken)
		v, err := broken.replyCase()
		if err != nil {
			return err
		}
		v["reason"] = reason
		p.Refuse = append(p.Refuse, v)
	}
	p.Refuse = append(p.Refuse, refused(good, "a byte of it altered", "signed", flipped(good["signed"])),
		refused(c.statementCase(), "statement altered", "statement", flipped(c.statementCase()["statement"])),
		refused(c.statementCase(), "statement of another authority", "index", "2"),
		refused(c.timeCase(), "time altered", "time", strconv.Itoa(requestTime+1)), refused(c.timeCase(), "of another request", "request", hexOf(make([]byte, 32))))
	return nil
}

func (c *conversation) convictions(p *spec.Page) error {
	liar := *c
	liar.share = secret("not the share")
	elsewhere := liar
	elsewhere.replied = 2
	first, second := c.first(), c.second()
	for _, v := range []struct {
		document document
		reply    *conversation
		reason   string
	}{{first, &liar, ""}, {first, c, "the share is good"}, {first, &elsewhere, "another index than the signer's"}, {second, &liar, "document not signed by its master"}} {
		signed, err := v.reply.reply()
		if err != nil {
			return err
		}
		evidence := encoding.LP("milagro/v1 false share", v.document.encode(), c.signature(first), signed)
		file := spec.Case{"what": "false share", "guilty": "1", "evidence": hexOf(evidence)}
		if v.reason == "" {
			p.Accept = append(p.Accept, file)
			continue
		}
		p.Refuse = append(p.Refuse, refused(file, v.reason))
	}
	return nil
}
