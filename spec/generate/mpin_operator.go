package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"milagro.dev/internal/encoding"
	"milagro.dev/spec"
)

// firstOperator is the number of the first operator's key among all; the second's
// and that of somebody new follow.
const firstOperator = 11

func operatorKey(i uint32) []byte { return signing(i).Public().(ed25519.PublicKey) }

// An operatorApproval is one with every field at hand to be broken.
type operatorApproval struct {
	label     string
	authority []byte
	act       string
	subject   []byte
	time      uint64
	signer    uint32
}

func (a operatorApproval) bytes() []byte {
	return envelope(a.signer, encoding.LP(a.label, a.authority, []byte(a.act), a.subject, encoding.U64(a.time)))
}

// wanted is the case of what authority 1 is to hold for this approval of act and
// subject.
func (a operatorApproval) wanted(act string, subject []byte) spec.Case {
	return spec.Case{"what": "operator approval", "authority": hexOf(operatorKey(1)), "operators": hexList([][]byte{operatorKey(firstOperator), operatorKey(firstOperator + 1)}),
		"act": act, "subject": hexOf(subject), "time": fmt.Sprint(a.time), "now": fmt.Sprint(mpinTime), "approval": hexOf(a.bytes())}
}

// newOperator is the subject of the act operator.
func newOperator(name string, key []byte) []byte {
	return encoding.LP("milagro/v1 operator", []byte(name), key)
}

func (v *loginPage) operatorCases(p *spec.Page) {
	delivery, carol := slices.Concat(v.service[:], generation().Bytes()), newOperator("Carol", operatorKey(firstOperator+2))
	good := operatorApproval{"milagro/v1 operator approval", operatorKey(1), "server-key", delivery, mpinTime, firstOperator}
	as := func(edit func(*operatorApproval)) operatorApproval {
		a := good
		edit(&a)
		return a
	}
	nowhere := sha256.Sum256([]byte("other"))
	enters := func(subject []byte) operatorApproval {
		return as(func(a *operatorApproval) { a.act, a.subject = "operator", subject })
	}
	p.Accept = append(p.Accept, good.wanted("server-key", delivery), enters(carol).wanted("operator", carol),
		as(func(a *operatorApproval) { a.signer++ }).wanted("server-key", delivery),
		as(func(a *operatorApproval) { a.time -= 300 }).wanted("server-key", delivery), as(func(a *operatorApproval) { a.time += 300 }).wanted("server-key", delivery))
	for reason, edit := range map[string]func(*operatorApproval){
		"another label": func(a *operatorApproval) { a.label = "milagro/v1 approval" }, "for another authority": func(a *operatorApproval) { a.authority = operatorKey(2) },
		"authority's key of 31 bytes": func(a *operatorApproval) { a.authority = a.authority[:31] }, "301 s old": func(a *operatorApproval) { a.time -= 301 }, "301 s ahead": func(a *operatorApproval) { a.time += 301 },
		"signed by nobody's key": func(a *operatorApproval) { a.signer = firstOperator + 2 }, "signed by the authority": func(a *operatorApproval) { a.signer = 1 },
		"of another act": func(a *operatorApproval) { a.act, a.subject = "operator", carol }, "of an act that there is not": func(a *operatorApproval) { a.act = "revoke" }, "no act": func(a *operatorApproval) { a.act = "" },
		"of another service": func(a *operatorApproval) { a.subject = slices.Concat(nowhere[:], a.subject[32:]) }, "of another generation": func(a *operatorApproval) { a.subject = slices.Concat(v.service[:], v.document().generation) },
		"subject of 71 bytes": func(a *operatorApproval) { a.subject = a.subject[:71] }, "subject of 73 bytes": func(a *operatorApproval) { a.subject = append(slices.Clone(a.subject), 0) },
	} {
		p.Refuse = append(p.Refuse, refused(as(edit).wanted("server-key", delivery), "approval: "+reason))
	}
	for reason, subject := range map[string][]byte{
		"another name": newOperator("Dave", operatorKey(firstOperator+2)), "another key": newOperator("Carol", operatorKey(firstOperator+3)), "another label inside": encoding.LP("milagro/v1 card", []byte("Carol"), operatorKey(firstOperator+2)),
	} {
		p.Refuse = append(p.Refuse, refused(enters(subject).wanted("operator", carol), "approval: operator of "+reason))
	}
	for reason, name := range map[string]string{"no name": "", "a name of 65 characters": strings.Repeat("a", 65), "a name that ends with a space": "Carol ", "a name with a tab": "Ca\trol", "a name that is not ASCII": "Carolé"} {
		subject := newOperator(name, operatorKey(firstOperator+2))
		p.Refuse = append(p.Refuse, refused(enters(subject).wanted("operator", subject), "approval: operator with "+reason))
	}
	p.Refuse = append(p.Refuse, refused(as(func(a *operatorApproval) { a.subject = carol }).wanted("operator", carol), "approval: operator, of the act server-key"))
	variants(p, good.wanted("server-key", delivery), "approval")
}
