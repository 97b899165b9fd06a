package idtls

import (
	"bytes"
	"encoding/hex"
	"testing"

	"milagro.dev/ibs"
	"milagro.dev/internal/encoding"
	"milagro.dev/keys"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

func TestBindingVectors(t *testing.T) {
	page, err := spec.Load("idtls")
	check(t, err)
	for _, c := range page.Accept {
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
	for _, c := range page.Refuse {
		if failed, err := judgeVector(t, c); string(failed) != c["check"] {
			t.Errorf("%s: check %q, not %q: %v", c["reason"], failed, c["check"], err)
		}
	}
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
