package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"milagro.dev/internal/pairing"
	"milagro.dev/spec"
	"milagro.dev/spec/spectest"
)

func TestNamesVectors(t *testing.T) {
	p := spectest.Load(t, "names")
	for _, c := range p.Accept {
		n, err := ParseName(c["name"])
		if err != nil || n.String() != c["name"] || n.Domain() != c["domain"] || n.Person() != (c["kind"] == "person") {
			t.Errorf("%q: %v, %v", c["name"], n, err)
		}
	}
	for _, c := range p.Refuse {
		if _, err := ParseName(c["name"]); !errors.Is(err, ErrName) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}

func TestDevicesVectors(t *testing.T) {
	p := spectest.Load(t, "devices")
	for _, c := range p.Accept {
		d, err := ParseDevice(spectest.Bytes(t, c["spki"]))
		if err != nil || d.Hash().String() != c["device"] {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, c := range p.Refuse {
		if _, err := ParseDevice(spectest.Bytes(t, c["spki"])); !errors.Is(err, ErrDevice) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}

func TestDomainsVectors(t *testing.T) {
	p := spectest.Load(t, "domains")
	for _, c := range p.Accept {
		want := spectest.Bytes(t, c["id"])
		if c["what"] == "service" {
			x, err := pairing.ParseG1(spectest.Bytes(t, c["master"]))
			if err != nil {
				t.Fatal(err)
			}
			if id := NewServiceID(DomainID(spectest.Bytes(t, c["domainID"])), c["service"], x); !bytes.Equal(id[:], want) {
				t.Errorf("serviceID = %x", id)
			}
			continue
		}
		mpk, err := pairing.ParseG2(spectest.Bytes(t, c["master"]))
		if err != nil {
			t.Fatal(err)
		}
		id, err := NewDomainID(c["domain"], mpk)
		if err != nil || !bytes.Equal(id[:], want) || id.String() != c["fingerprint"] {
			t.Errorf("domainID = %x, %v", id, err)
		}
		if back, err := ParseDomainID(c["fingerprint"]); err != nil || back != id {
			t.Errorf("fingerprint: %v", err)
		}
	}
	for _, c := range p.Refuse {
		if _, err := ParseDomainID(c["fingerprint"]); !errors.Is(err, ErrFingerprint) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}

func TestEpochsVectors(t *testing.T) {
	p := spectest.Load(t, "epochs")
	for _, c := range p.Accept {
		if err := epochVector(t, c); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, c := range p.Refuse {
		if err := epochVector(t, c); !errors.Is(err, ErrEpoch) {
			t.Errorf("%s: %v", c["reason"], err)
		}
	}
}

func epochVector(t *testing.T, c spec.Case) error {
	if c["what"] == "epoch" {
		e, err := ParseEpoch(spectest.Bytes(t, c["bytes"]))
		if err == nil && (e.Start != spectest.Number(t, c["start"]) || uint64(e.Length) != spectest.Number(t, c["length"]) || hex.EncodeToString(e.Bytes()) != c["bytes"]) {
			return fmt.Errorf("epoch %v", e)
		}
		return err
	}
	s := Schedule{Length: uint32(spectest.Number(t, c["length"])), PreviousLength: uint32(spectest.Number(t, c["previous"])), PreviousLastStart: spectest.Number(t, c["last"])}
	if err := s.Check(); err != nil {
		return fmt.Errorf("schedule: %v", err)
	}
	e, err := ParseEpoch(spectest.Bytes(t, c["epoch"]))
	if err != nil {
		return fmt.Errorf("epoch of the case: %v", err)
	}
	return s.Accepts(e, spectest.Number(t, c["now"]))
}

func TestPointsVectors(t *testing.T) {
	p := spectest.Load(t, "points")
	for _, c := range p.Accept {
		got, err := pointVector(t, c)
		if err != nil || hex.EncodeToString(got.Bytes()) != c["point"] {
			t.Errorf("%s: %x, %v", c["purpose"], got.Bytes(), err)
		}
	}
	for _, c := range p.Refuse {
		if _, err := pointVector(t, c); !errors.Is(err, ErrPurpose) {
			t.Errorf("%s, %s: %v", c["purpose"], c["reason"], err)
		}
	}
}

func pointVector(t *testing.T, c spec.Case) (pairing.G1, error) {
	switch Purpose(c["purpose"]) {
	case Document:
		return DocumentPoint(DomainID(spectest.Bytes(t, c["domainID"])), spectest.Number(t, c["revision"]), [32]byte(spectest.Bytes(t, c["hash"]))), nil
	case Fresh:
		return FreshPoint(DomainID(spectest.Bytes(t, c["domainID"])), spectest.Number(t, c["revision"]), [32]byte(spectest.Bytes(t, c["hash"])), uint32(spectest.Number(t, c["day"]))), nil
	case Test:
		return TestPoint([32]byte(spectest.Bytes(t, c["hash"])), c["of"]), nil
	}
	name, err := ParseName(c["name"])
	if err != nil {
		return pairing.G1{}, err
	}
	k := Key{Purpose: Purpose(c["purpose"]), Domain: DomainID(spectest.Bytes(t, c["domainID"])), Service: ServiceID(spectest.Bytes(t, c["serviceID"])), Name: name, Device: DeviceHash(spectest.Bytes(t, c["device"]))}
	if b := spectest.Bytes(t, c["epoch"]); len(b) > 0 {
		if k.Epoch, err = ParseEpoch(b); err != nil {
			return pairing.G1{}, err
		}
	}
	return k.Point()
}
