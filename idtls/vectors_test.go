package idtls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"milagro.dev/ibs"
	"milagro.dev/identity"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

func TestBindingVectors(t *testing.T) {
	page, err := spec.Load("idtls")
	check(t, err)
	for _, c := range only(page.Accept, "binding") {
		if failed, err := judgeVector(t, c); failed != "" {
			t.Errorf("%s: %s: %v", c["name"], failed, err)
			continue
		}
		b, err := parseBinding(spectest.Bytes(t, c["binding"]))
		check(t, err)
		says := spec.Case{
			"suite": hex.EncodeToString([]byte{b.suite}), "usage": hex.EncodeToString([]byte{byte(b.usage)}),
			"notBefore": hex.EncodeToString(encoding.U64(b.notBefore)), "notAfter": hex.EncodeToString(encoding.U64(b.notAfter)),
			"domainID": hex.EncodeToString(b.domain[:]), "epoch": hex.EncodeToString(b.epoch.Bytes()),
			"device": b.device.String(), "name": b.name.String(),
			"message": hex.EncodeToString(b.statement(spectest.Bytes(t, c["spki"])).Message),
		}
		for field, value := range says {
			if c[field] != value {
				t.Errorf("%s: %s is %s, not %s", c["name"], field, value, c[field])
			}
		}
		if !bytes.Equal(b.bytes(), spectest.Bytes(t, c["binding"])) {
			t.Errorf("%s: encodes otherwise", c["name"])
		}
	}
	for _, c := range only(page.Refuse, "binding") {
		if failed, err := judgeVector(t, c); string(failed) != c["check"] {
			t.Errorf("%s: check %q, not %q: %v", c["reason"], failed, c["check"], err)
		}
	}
}

func only(cases []spec.Case, what string) []spec.Case {
	return slices.DeleteFunc(slices.Clone(cases), func(c spec.Case) bool { return c["what"] != what })
}

// TestLeafVectors shows whole certificates to a verifier at the time of each.
func TestLeafVectors(t *testing.T) {
	page, err := spec.Load("idtls")
	check(t, err)
	for _, c := range only(page.Accept, "leaf") {
		if got, err := judgeLeaf(t, c); err != nil || got.Name.String() != c["name"] || got.Device.String() != c["device"] || hex.EncodeToString(got.Epoch.Bytes()) != c["epoch"] {
			t.Errorf("%s at %s: %v, %v", c["name"], c["now"], got, err)
		}
	}
	for _, c := range only(page.Refuse, "leaf") {
		if _, err := judgeLeaf(t, c); string(failedCheck(err)) != c["check"] {
			t.Errorf("%s: refused by %q, not %q: %v", c["reason"], failedCheck(err), c["check"], err)
		}
	}
}

// judgeLeaf returns who the verifier of the case takes the peer for.
func judgeLeaf(t *testing.T, v spec.Case) (peer Peer, err error) {
	t.Helper()
	leaf, err := x509.ParseCertificate(spectest.Bytes(t, v["certificate"]))
	if err != nil { // crypto/x509 knows no certificate with an extension twice
		refusal := &VerifyError{Check: CheckCertificate, Err: err}
		if strings.Contains(err.Error(), "duplicate extension") {
			refusal.Check = CheckExtension
		}
		return peer, refusal
	}
	master, err := keys.ParseMaster(spectest.Bytes(t, v["master"]))
	check(t, err)
	d := &Domain{ID: identity.DomainID(spectest.Bytes(t, v["domainID"])), Name: v["domain"], Master: master,
		Schedule: identity.Schedule{Length: uint32(spectest.Number(t, v["length"]))}, Suites: []uint8{SuiteIdentityKey}}
	role := map[string]usage{"client": asClient, "server": asServer}[v["role"]]
	verifier := &verifier{source: holder{&Credential{Domain: d}}, authorize: func(p Peer) error { peer = p; return nil }, role: role}
	synctest.Test(t, func(t *testing.T) {
		at(spectest.Number(t, v["now"]))
		err = verifier.verify(tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{leaf}})
	})
	return peer, err
}

// judgeVector runs the checks that concern a binding alone and returns the
// first that fails.
func judgeVector(t *testing.T, v spec.Case) (Check, error) {
	t.Helper()
	master, err := keys.ParseMaster(spectest.Bytes(t, v["master"]))
	check(t, err)
	c := &connection{content: spectest.Bytes(t, v["binding"]), verifier: new(verifier), own: &Domain{Suites: []uint8{SuiteIdentityKey}}}
	if err := c.checkBinding(); err != nil {
		return CheckBinding, err
	}
	c.own.ID = c.binding.domain
	if err := c.checkSuite(); err != nil {
		return CheckSuite, err
	}
	if err := ibs.Verify(master, c.binding.statement(spectest.Bytes(t, v["spki"])), c.binding.signature[:]); err != nil {
		return CheckSignature, err
	}
	return "", nil
}
