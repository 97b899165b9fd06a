package ibs

import (
	"errors"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/keys"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

func TestIBSVectors(t *testing.T) {
	p := spectest.Load(t, "ibs")
	for _, c := range p.Accept {
		if err := vector(t, c); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		checkKey(t, c)
	}
	for _, c := range p.Refuse {
		if err := vector(t, c); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}

func statement(t *testing.T, c spec.Case) (keys.Master, Statement) {
	t.Helper()
	master, err := keys.ParseMaster(spectest.Bytes(t, c["master"]))
	if err != nil {
		t.Fatal(err)
	}
	name, err := identity.ParseName(c["name"])
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := identity.ParseEpoch(spectest.Bytes(t, c["epoch"]))
	if err != nil {
		t.Fatal(err)
	}
	return master, Statement{Domain: identity.DomainID(spectest.Bytes(t, c["domainID"])), Name: name, Device: identity.DeviceHash(spectest.Bytes(t, c["device"])), Epoch: epoch, Message: spectest.Bytes(t, c["message"])}
}

func vector(t *testing.T, c spec.Case) error {
	master, st := statement(t, c)
	return Verify(master, st, spectest.Bytes(t, c["signature"]))
}

func checkKey(t *testing.T, c spec.Case) {
	t.Helper()
	master, st := statement(t, c)
	key, err := keys.ParsePrivate(spectest.Bytes(t, c["key"]))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := Sign(key, st)
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(master, st, signature); err != nil {
		t.Errorf("the key does not sign: %v", err)
	}
}
