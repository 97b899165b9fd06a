package main

import (
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
)

// A ceremony is a run of two authorities with threshold 2, made from
// spec/ceremony.md alone.
type ceremony struct {
	kind       string
	plan       []byte
	id         [32]byte
	bodies     map[string][][]byte // of contribution, commit and reveal, by index − 1
	transcript [32]byte
	generation []byte
}

func ceremonyPage() (*spec.Page, error) {
	p := &spec.Page{About: "All in hexadecimal but kind, name, url, offence, verdict and blame (PEM). what \"card\": card is that of the Ed25519 seed signing and the HPKE seed box. " +
		"what \"run\": every message of a run of two authorities, threshold 2, separated by commas and by index; signing are their seeds, box the HPKE seed that each made for the other, coefficients those " +
		"of each dealer (constant first, dealers separated by \"/\"), nonces k of their proofs, shares s_i. test are the shares of the trial. " +
		"what \"abort\": message is authority 1's for the run id. what \"blame\": the file convicts authority guilty of verdict."}
	p.Accept = append(p.Accept, cardCase(1), cardCase(2))
	var runs []*ceremony
	for _, kind := range []string{"public", "mpin"} {
		r, err := newCeremony(kind)
		if err != nil {
			return nil, err
		}
		c, err := r.vector()
		if err != nil {
			return nil, err
		}
		runs, p.Accept = append(runs, r), append(p.Accept, c)
	}
	r := runs[0]
	abort := envelope(1, encoding.LP("milagro/v1 abort", r.id[:], encoding.U32(1), []byte("reason")))
	p.Accept = append(p.Accept, spec.Case{"what": "abort", "plan": hexOf(r.plan), "id": hexOf(r.id[:]), "message": hexOf(abort)})
	p.Accept = append(p.Accept, r.convictions()...)
	p.Refuse = append(r.refusals(p), r.acquittals()...)
	return p, nil
}

// signing returns authority i's long-term key, box its HPKE keys by use.
func signing(i uint32) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(fmt.Sprint("operator ", i)))
	return ed25519.NewKeyFromSeed(seed[:])
}

func box(use string) hpke.PrivateKey {
	seed := sha256.Sum256([]byte(use))
	key, err := hpke.MLKEM768X25519().NewPrivateKey(seed[:])
	if err != nil {
		panic(err)
	}
	return key
}

func boxSeed(use string) string {
	seed := sha256.Sum256([]byte(use))
	return hexOf(seed[:])
}

// envelope returns the signed envelope of a body.
func envelope(i uint32, body []byte) []byte {
	return encoding.LP("milagro/v1 signed", body, ed25519.Sign(signing(i), body))
}

func envelopes(bodies [][]byte) [][]byte {
	var list [][]byte
	for i, b := range bodies {
		list = append(list, envelope(uint32(i+1), b))
	}
	return list
}

func cardOf(i uint32) []byte {
	return envelope(i, encoding.LP("milagro/v1 card", fmt.Append(nil, "operator ", i), fmt.Appendf(nil, "https://dta%d.example.org", i),
		signing(i).Public().(ed25519.PublicKey), box(fmt.Sprint("card ", i)).PublicKey().Bytes()))
}

func cardCase(i uint32) spec.Case {
	fingerprint := sha256.Sum256(encoding.LP("milagro/v1 card fingerprint", cardOf(i)))
	return spec.Case{"what": "card", "name": fmt.Sprint("operator ", i), "url": fmt.Sprintf("https://dta%d.example.org", i),
		"signing": hexOf(signing(i).Seed()), "box": boxSeed(fmt.Sprint("card ", i)), "card": hexOf(cardOf(i)), "fingerprint": hexOf(fingerprint[:])}
}

func planOf(kind string, threshold, n uint32) []byte {
	schedules := encoding.List(encoding.List([]byte("channel"), encoding.U32(86_400)), encoding.List([]byte("decrypt"), encoding.U32(86_400)))
	var service []byte
	if kind == "mpin" {
		domain, document := sha256.Sum256([]byte("domainID")), sha256.Sum256([]byte("document"))
		service = encoding.List(domain[:], []byte("login"), []byte("https://login.example.org"), signing(9).Public().(ed25519.PublicKey), encoding.U64(1), document[:])
		schedules = encoding.List(encoding.List([]byte("permit"), encoding.U32(2_592_000)))
	}
	return encoding.LP("milagro/v1 plan", []byte(kind), []byte("example.org"), service, encoding.U32(threshold), encoding.U32(n),
		schedules, encoding.List([]byte("shared-root")), encoding.List(cardOf(1), cardOf(2)))
}

// lift returns s times the generator of the kind's group.
func lift(kind string, s pairing.Secret) []byte {
	if kind == "mpin" {
		return s.G1().Bytes()
	}
	return s.G2().Bytes()
}

func (r *ceremony) ceremonyBox(receiver, dealer uint32) string {
	return fmt.Sprint(r.kind, " box of ", receiver, " for ", dealer)
}

func (r *ceremony) coefficient(dealer uint32, k int) pairing.Secret {
	return secret(fmt.Sprint(r.kind, " dealer ", dealer, " coefficient ", k))
}

// dealt is f_dealer(j).
func (r *ceremony) dealt(dealer, j uint32) pairing.Secret {
	return r.coefficient(dealer, 0).Add(r.coefficient(dealer, 1).MulPublic(pairing.NewScalar(uint64(j))))
}

func (r *ceremony) share(j uint32) pairing.Secret { return r.dealt(1, j).Add(r.dealt(2, j)) }

func newCeremony(kind string) (*ceremony, error) {
	r := &ceremony{kind: kind, plan: planOf(kind, 2, 2), bodies: map[string][][]byte{}}
	hash := sha256.Sum256(r.plan)
	for i := uint32(1); i <= 2; i++ {
		random := sha256.Sum256([]byte(fmt.Sprint(kind, " random ", i)))
		r.bodies["contribution"] = append(r.bodies["contribution"], encoding.LP("milagro/v1 contribution", hash[:], encoding.U32(i), random[:],
			encoding.List(box(r.ceremonyBox(i, 3-i)).PublicKey().Bytes())))
	}
	r.id = sha256.Sum256(encoding.LP("milagro/v1 ceremony id", r.plan, encoding.List(r.bodies["contribution"]...)))
	for i := uint32(1); i <= 2; i++ {
		reveal, err := r.reveal(i)
		if err != nil {
			return nil, err
		}
		fixed := sha256.Sum256(encoding.LP("milagro/v1 committed", r.id[:], encoding.U32(i), reveal))
		r.bodies["reveal"] = append(r.bodies["reveal"], reveal)
		r.bodies["commit"] = append(r.bodies["commit"], encoding.LP("milagro/v1 commit", r.id[:], encoding.U32(i), fixed[:]))
	}
	r.transcript = sha256.Sum256(encoding.LP("milagro/v1 transcript", r.id[:], encoding.List(r.bodies["commit"]...), encoding.List(r.bodies["reveal"]...)))
	master := r.coefficient(1, 0).Add(r.coefficient(2, 0))
	r.generation = encoding.LP("milagro/v1 generation", encoding.U64(1), nil, r.id[:], r.transcript[:], lift(kind, master),
		encoding.List(lift(kind, r.share(1)), lift(kind, r.share(2))))
	return r, nil
}

func (r *ceremony) reveal(i uint32) ([]byte, error) {
	commitments := encoding.List(lift(r.kind, r.coefficient(i, 0)), lift(r.kind, r.coefficient(i, 1)))
	k := secret(fmt.Sprint(r.kind, " nonce ", i))
	c, err := pairing.HashToScalar("MILAGRO-V1-POP-SCALAR_XMD:SHA-256", encoding.LP("milagro/v1 pop", r.id[:], []byte(r.kind), encoding.U32(i), commitments, lift(r.kind, k)))
	if err != nil {
		return nil, err
	}
	z := k.Add(r.coefficient(i, 0).MulPublic(c)).Publish()
	value, err := r.sealed(i, 3-i)
	return encoding.LP("milagro/v1 reveal", r.id[:], encoding.U32(i), commitments, slices.Concat(c.Bytes(), z.Bytes()), encoding.List(value)), err
}

// sealed returns the recorded sealing of a dealt value and sees that it opens.
func (r *ceremony) sealed(dealer, receiver uint32) ([]byte, error) {
	to := box(r.ceremonyBox(receiver, dealer))
	info := encoding.LP("milagro/v1 ceremony", r.id[:], []byte(r.kind), encoding.U32(dealer), encoding.U32(receiver))
	value := r.dealt(dealer, receiver).Expose()
	return recorded(fmt.Sprintf("%s %d %d", r.kind, dealer, receiver), to, info, value)
}

func (r *ceremony) vector() (spec.Case, error) {
	hash := sha256.Sum256(r.generation)
	var confirms, signatures, shares, tests, seeds, boxes, polynomials, nonces [][]byte
	point := identity.TestPoint(hash, r.kind)
	for i := uint32(1); i <= 2; i++ {
		confirms = append(confirms, envelope(i, r.generation))
		signatures = append(signatures, ed25519.Sign(signing(i), r.generation))
		shares = append(shares, r.share(i).Expose())
		tests = append(tests, point.MulSecret(r.share(i)).Expose())
		seeds = append(seeds, signing(i).Seed())
		seed := sha256.Sum256([]byte(r.ceremonyBox(i, 3-i)))
		boxes = append(boxes, seed[:])
		polynomials = append(polynomials, r.coefficient(i, 0).Expose(), r.coefficient(i, 1).Expose())
		nonces = append(nonces, secret(fmt.Sprint(r.kind, " nonce ", i)).Expose())
	}
	return spec.Case{"what": "run", "kind": r.kind, "plan": hexOf(r.plan), "id": hexOf(r.id[:]), "transcript": hexOf(r.transcript[:]),
		"contributions": hexList(envelopes(r.bodies["contribution"])), "commits": hexList(envelopes(r.bodies["commit"])),
		"reveals": hexList(envelopes(r.bodies["reveal"])), "confirms": hexList(confirms), "generation": hexOf(hash[:]),
		"certificate": hexOf(encoding.LP("milagro/v1 certificate", r.generation, encoding.List(signatures...))),
		"shares":      hexList(shares), "test": hexList(tests), "signing": hexList(seeds), "box": hexList(boxes),
		"coefficients": hexList(polynomials[:2]) + "/" + hexList(polynomials[2:]), "nonces": hexList(nonces)}, nil
}

func hexList(parts [][]byte) string {
	var list []string
	for _, p := range parts {
		list = append(list, hexOf(p))
	}
	return strings.Join(list, ",")
}

func (r *ceremony) blame(offence string, messages ...[]byte) string {
	body := encoding.LP("milagro/v1 blame", []byte(offence), r.plan, encoding.List(envelopes(r.bodies["contribution"])...), encoding.List(messages...))
	return string(pem.EncodeToMemory(&pem.Block{Type: "MILAGRO BLAME", Bytes: body}))
}

// complaint publishes the key that authority 1 made for dealer 2, or another.
func (r *ceremony) complaint(key string) []byte {
	seed := sha256.Sum256([]byte(key))
	return envelope(1, encoding.LP("milagro/v1 complaint", r.id[:], encoding.U32(1), encoding.U32(2), seed[:]))
}

// convictions are files that convict, and of what.
func (r *ceremony) convictions() []spec.Case {
	convicts := func(guilty, verdict, file string) spec.Case {
		return spec.Case{"what": "blame", "guilty": guilty, "verdict": verdict, "blame": file}
	}
	other := encoding.LP("milagro/v1 commit", r.id[:], encoding.U32(2), make([]byte, 32))
	short := encoding.LP("milagro/v1 reveal", r.id[:], encoding.U32(2), encoding.List(lift(r.kind, r.coefficient(2, 0))), make([]byte, 64), nil)
	false1 := encoding.LP("milagro/v1 generation", encoding.U64(1), nil, r.id[:], r.transcript[:], lift(r.kind, r.coefficient(1, 0)),
		encoding.List(lift(r.kind, r.share(1)), lift(r.kind, r.share(2))))
	commits, reveals := envelopes(r.bodies["commit"]), envelopes(r.bodies["reveal"])
	return []spec.Case{
		convicts("2", "equivocation", r.blame("equivocation", commits[1], envelope(2, other))),
		convicts("1", "equivocation", r.blame("equivocation", envelope(1, r.generation), envelope(1, encoding.LP("milagro/v1 abort", r.id[:], encoding.U32(1), nil)))),
		convicts("2", "reveal differs from commit", r.blame("reveal differs from commit", envelope(2, other), reveals[1])),
		convicts("2", "malformed reveal", r.blame("malformed reveal", envelope(2, short))),
		convicts("1", "false complaint", r.blame("false value", reveals[1], r.complaint(r.ceremonyBox(1, 2)))),
		convicts("1", "false confirmation", r.blame("false confirmation", slices.Concat([][]byte{envelope(1, false1)}, commits, reveals)...)),
	}
}

// acquittals are files that convict nobody.
func (r *ceremony) acquittals() []spec.Case {
	acquits := func(reason, file string) spec.Case {
		return spec.Case{"what": "blame", "blame": file, "reason": reason}
	}
	commits, reveals := envelopes(r.bodies["commit"]), envelopes(r.bodies["reveal"])
	return []spec.Case{
		acquits("the same commit twice", r.blame("equivocation", commits[1], commits[1])),
		acquits("commits of two authorities", r.blame("equivocation", commits[0], commits[1])),
		acquits("two commits, the second signed by another", r.blame("equivocation", commits[1], envelope(1, encoding.LP("milagro/v1 commit", r.id[:], encoding.U32(2), make([]byte, 32))))),
		acquits("the reveal is what was committed to", r.blame("reveal differs from commit", commits[1], reveals[1])),
		acquits("the reveal is well formed", r.blame("malformed reveal", reveals[1])),
		acquits("another key than the one made for the dealer", r.blame("false value", reveals[1], r.complaint("another key"))),
		acquits("the confirmation follows from its transcript", r.blame("false confirmation", slices.Concat([][]byte{envelope(1, r.generation)}, commits, reveals)...)),
		acquits("no such offence", r.blame("treason", commits[1], reveals[1])),
		acquits("text after the file", r.blame("equivocation", commits[1], envelope(2, encoding.LP("milagro/v1 commit", r.id[:], encoding.U32(2), make([]byte, 32))))+"x"),
	}
}

// refusals are cards, plans and certificates that nobody takes.
func (r *ceremony) refusals(p *spec.Page) []spec.Case {
	card, vector := p.Accept[0], p.Accept[2]
	alter := func(text string, at int) string {
		b, err := hex.DecodeString(text)
		if err != nil {
			panic(err)
		}
		b[(at+len(b))%len(b)] ^= 1
		return hexOf(b)
	}
	first, second := ed25519.Sign(signing(1), r.generation), ed25519.Sign(signing(2), r.generation)
	certificate := func(signatures ...[]byte) string {
		return hexOf(encoding.LP("milagro/v1 certificate", r.generation, encoding.List(signatures...)))
	}
	cards := func(reason, b string) spec.Case {
		return spec.Case{"what": "card", "card": b, "reason": reason}
	}
	plans := func(reason, b string) spec.Case {
		return spec.Case{"what": "plan", "plan": b, "reason": reason}
	}
	certificates := func(reason, b string) spec.Case {
		return spec.Case{"what": "certificate", "plan": vector["plan"], "certificate": b, "reason": reason}
	}
	body, err := hex.DecodeString(card["card"])
	if err != nil {
		panic(err)
	}
	stranger := encoding.OpenList(body)
	stranger.Bytes(99)
	return []spec.Case{
		cards("signature altered", alter(card["card"], -1)), cards("name altered", alter(card["card"], 60)), cards("a byte too many", card["card"]+"00"),
		cards("signed by another key", hexOf(envelope(2, stranger.Bytes(4<<10)))),
		plans("t = 1", hexOf(planOf("public", 1, 2))), plans("t = 3, n = 2", hexOf(planOf("public", 3, 2))), plans("n = 3 with two cards", hexOf(planOf("public", 2, 3))),
		plans("no such kind", hexOf(planOf("private", 2, 2))), plans("a byte too many", vector["plan"]+"00"),
		certificates("one signature", certificate(first)), certificates("signatures swapped", certificate(second, first)),
		certificates("one signature twice", certificate(first, first)), certificates("a third signature", certificate(first, second, second)),
		certificates("signature altered", alter(vector["certificate"], -1)), certificates("a byte too many", vector["certificate"]+"00"),
	}
}
