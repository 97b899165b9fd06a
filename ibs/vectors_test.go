package ibs

import (
	"encoding/hex"
	"errors"
	"testing"

	"milagro.dev/identity"
	"milagro.dev/keys"
	"milagro.dev/spec"
)

func TestIBSVectors(t *testing.T) {
	p, err := spec.Load("ibs")
	if err != nil {
		t.Fatal(err)
	}
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

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func statement(t *testing.T, c spec.Case) (keys.Master, Statement) {
	t.Helper()
	master, err := keys.ParseMaster(unhex(t, c["master"]))
	if err != nil {
		t.Fatal(err)
	}
	name, err := identity.ParseName(c["name"])
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := identity.ParseEpoch(unhex(t, c["epoch"]))
	if err != nil {
		t.Fatal(err)
	}
	return master, Statement{Domain: identity.DomainID(unhex(t, c["domainID"])), Name: name, Device: identity.DeviceHash(unhex(t, c["device"])), Epoch: epoch, Message: unhex(t, c["message"])}
}

func vector(t *testing.T, c spec.Case) error {
	master, st := statement(t, c)
	return Verify(master, st, unhex(t, c["signature"]))
}

func checkKey(t *testing.T, c spec.Case) {
	t.Helper()
	master, st := statement(t, c)
	key, err := keys.ParsePrivate(unhex(t, c["key"]))
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
